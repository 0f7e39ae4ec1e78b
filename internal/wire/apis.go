package wire

import "math"

// The API keys that are served or sent.
const (
	KeyProduce                     int16 = 0
	KeyFetch                       int16 = 1
	KeyListOffsets                 int16 = 2
	KeyMetadata                    int16 = 3
	KeyOffsetCommit                int16 = 8
	KeyOffsetFetch                 int16 = 9
	KeyFindCoordinator             int16 = 10
	KeyJoinGroup                   int16 = 11
	KeyHeartbeat                   int16 = 12
	KeyLeaveGroup                  int16 = 13
	KeySyncGroup                   int16 = 14
	KeyDescribeGroups              int16 = 15
	KeyListGroups                  int16 = 16
	KeyApiVersions                 int16 = 18
	KeyCreateTopics                int16 = 19
	KeyDeleteTopics                int16 = 20
	KeyDeleteRecords               int16 = 21
	KeyInitProducerId              int16 = 22
	KeyOffsetForLeaderEpoch        int16 = 23
	KeyAddPartitionsToTxn          int16 = 24
	KeyAddOffsetsToTxn             int16 = 25
	KeyEndTxn                      int16 = 26
	KeyWriteTxnMarkers             int16 = 27
	KeyTxnOffsetCommit             int16 = 28
	KeyDescribeConfigs             int16 = 32
	KeyAlterConfigs                int16 = 33
	KeyAlterReplicaLogDirs         int16 = 34
	KeyDescribeLogDirs             int16 = 35
	KeyCreatePartitions            int16 = 37
	KeyDeleteGroups                int16 = 42
	KeyElectLeaders                int16 = 43
	KeyIncrementalAlterConfigs     int16 = 44
	KeyAlterPartitionReassignments int16 = 45
	KeyListPartitionReassignments  int16 = 46
	KeyOffsetDelete                int16 = 47
	KeyVote                        int16 = 52
	KeyBeginQuorumEpoch            int16 = 53
	KeyEndQuorumEpoch              int16 = 54
	KeyDescribeQuorum              int16 = 55
	KeyAlterPartition              int16 = 56
	KeyUpdateFeatures              int16 = 57
	KeyEnvelope                    int16 = 58
	KeyFetchSnapshot               int16 = 59
	KeyDescribeCluster             int16 = 60
	KeyDescribeProducers           int16 = 61
	KeyBrokerRegistration          int16 = 62
	KeyBrokerHeartbeat             int16 = 63
	KeyUnregisterBroker            int16 = 64
	KeyDescribeTransactions        int16 = 65
	KeyListTransactions            int16 = 66
	KeyAllocateProducerIds         int16 = 67
	KeyConsumerGroupHeartbeat      int16 = 68
	KeyConsumerGroupDescribe       int16 = 69
	KeyControllerRegistration      int16 = 70
	KeyGetTelemetrySubscriptions   int16 = 71
	KeyPushTelemetry               int16 = 72
	KeyAssignReplicasToDirs        int16 = 73
	KeyListConfigResources         int16 = 74
	KeyDescribeTopicPartitions     int16 = 75
	KeyUpdateRaftVoter             int16 = 82
)

// API is one row of the protocol's table of APIs.
type API struct {
	Key          int16
	Name         string
	Min, Max     int16 // the versions that have a codec
	FlexibleFrom int16 // the first version with compact lengths and tags
	Broker       bool  // on broker listeners
	Controller   bool  // on controller listeners
	// UnstableFrom is the first version that is only served when
	// unstable.api.versions.enable is set; 0 when there is none.
	UnstableFrom int16

	newRequest  func() Request
	newResponse func() Response
}

// neverFlexible is FlexibleFrom of a message that has no flexible version.
const neverFlexible = math.MaxInt16

// APIs is the table, in key order.
var APIs = []API{
	{Key: KeyProduce, Name: "Produce", Min: 3, Max: 13, FlexibleFrom: 9, Broker: true, newRequest: func() Request { return new(ProduceRequest) }, newResponse: func() Response { return new(ProduceResponse) }},
	{Key: KeyFetch, Name: "Fetch", Min: 4, Max: 18, FlexibleFrom: 12, Broker: true, Controller: true, newRequest: func() Request { return new(FetchRequest) }, newResponse: func() Response { return new(FetchResponse) }},
	{Key: KeyListOffsets, Name: "ListOffsets", Min: 1, Max: 11, FlexibleFrom: 6, Broker: true, newRequest: func() Request { return new(ListOffsetsRequest) }, newResponse: func() Response { return new(ListOffsetsResponse) }},
	{Key: KeyMetadata, Name: "Metadata", Min: 0, Max: 13, FlexibleFrom: 9, Broker: true, newRequest: func() Request { return new(MetadataRequest) }, newResponse: func() Response { return new(MetadataResponse) }},
	{Key: KeyOffsetCommit, Name: "OffsetCommit", Min: 2, Max: 10, FlexibleFrom: 8, Broker: true, newRequest: func() Request { return new(OffsetCommitRequest) }, newResponse: func() Response { return new(OffsetCommitResponse) }},
	{Key: KeyOffsetFetch, Name: "OffsetFetch", Min: 1, Max: 10, FlexibleFrom: 6, Broker: true, newRequest: func() Request { return new(OffsetFetchRequest) }, newResponse: func() Response { return new(OffsetFetchResponse) }},
	{Key: KeyFindCoordinator, Name: "FindCoordinator", Min: 0, Max: 6, FlexibleFrom: 3, Broker: true, newRequest: func() Request { return new(FindCoordinatorRequest) }, newResponse: func() Response { return new(FindCoordinatorResponse) }},
	{Key: KeyJoinGroup, Name: "JoinGroup", Min: 0, Max: 9, FlexibleFrom: 6, Broker: true, newRequest: func() Request { return new(JoinGroupRequest) }, newResponse: func() Response { return new(JoinGroupResponse) }},
	{Key: KeyHeartbeat, Name: "Heartbeat", Min: 0, Max: 4, FlexibleFrom: 4, Broker: true, newRequest: func() Request { return new(HeartbeatRequest) }, newResponse: func() Response { return new(HeartbeatResponse) }},
	{Key: KeyLeaveGroup, Name: "LeaveGroup", Min: 0, Max: 5, FlexibleFrom: 4, Broker: true, newRequest: func() Request { return new(LeaveGroupRequest) }, newResponse: func() Response { return new(LeaveGroupResponse) }},
	{Key: KeySyncGroup, Name: "SyncGroup", Min: 0, Max: 5, FlexibleFrom: 4, Broker: true, newRequest: func() Request { return new(SyncGroupRequest) }, newResponse: func() Response { return new(SyncGroupResponse) }},
	{Key: KeyDescribeGroups, Name: "DescribeGroups", Min: 0, Max: 6, FlexibleFrom: 5, Broker: true, newRequest: func() Request { return new(DescribeGroupsRequest) }, newResponse: func() Response { return new(DescribeGroupsResponse) }},
	{Key: KeyListGroups, Name: "ListGroups", Min: 0, Max: 5, FlexibleFrom: 3, Broker: true, newRequest: func() Request { return new(ListGroupsRequest) }, newResponse: func() Response { return new(ListGroupsResponse) }},
	{Key: KeyApiVersions, Name: "ApiVersions", Min: 0, Max: 5, FlexibleFrom: 3, Broker: true, Controller: true, newRequest: func() Request { return new(ApiVersionsRequest) }, newResponse: func() Response { return new(ApiVersionsResponse) }},
	{Key: KeyCreateTopics, Name: "CreateTopics", Min: 2, Max: 7, FlexibleFrom: 5, Broker: true, Controller: true, newRequest: func() Request { return new(CreateTopicsRequest) }, newResponse: func() Response { return new(CreateTopicsResponse) }},
	{Key: KeyDeleteTopics, Name: "DeleteTopics", Min: 1, Max: 6, FlexibleFrom: 4, Broker: true, Controller: true, newRequest: func() Request { return new(DeleteTopicsRequest) }, newResponse: func() Response { return new(DeleteTopicsResponse) }},
	{Key: KeyDeleteRecords, Name: "DeleteRecords", Min: 0, Max: 2, FlexibleFrom: 2, Broker: true, newRequest: func() Request { return new(DeleteRecordsRequest) }, newResponse: func() Response { return new(DeleteRecordsResponse) }},
	{Key: KeyInitProducerId, Name: "InitProducerId", Min: 0, Max: 6, FlexibleFrom: 2, Broker: true, UnstableFrom: 6, newRequest: func() Request { return new(InitProducerIdRequest) }, newResponse: func() Response { return new(InitProducerIdResponse) }},
	{Key: KeyOffsetForLeaderEpoch, Name: "OffsetForLeaderEpoch", Min: 2, Max: 4, FlexibleFrom: 4, Broker: true, newRequest: func() Request { return new(OffsetForLeaderEpochRequest) }, newResponse: func() Response { return new(OffsetForLeaderEpochResponse) }},
	{Key: KeyAddPartitionsToTxn, Name: "AddPartitionsToTxn", Min: 0, Max: 5, FlexibleFrom: 3, Broker: true, newRequest: func() Request { return new(AddPartitionsToTxnRequest) }, newResponse: func() Response { return new(AddPartitionsToTxnResponse) }},
	{Key: KeyAddOffsetsToTxn, Name: "AddOffsetsToTxn", Min: 0, Max: 4, FlexibleFrom: 3, Broker: true, newRequest: func() Request { return new(AddOffsetsToTxnRequest) }, newResponse: func() Response { return new(AddOffsetsToTxnResponse) }},
	{Key: KeyEndTxn, Name: "EndTxn", Min: 0, Max: 5, FlexibleFrom: 3, Broker: true, newRequest: func() Request { return new(EndTxnRequest) }, newResponse: func() Response { return new(EndTxnResponse) }},
	{Key: KeyWriteTxnMarkers, Name: "WriteTxnMarkers", Min: 1, Max: 2, FlexibleFrom: 1, Broker: true, newRequest: func() Request { return new(WriteTxnMarkersRequest) }, newResponse: func() Response { return new(WriteTxnMarkersResponse) }},
	{Key: KeyTxnOffsetCommit, Name: "TxnOffsetCommit", Min: 0, Max: 6, FlexibleFrom: 3, Broker: true, newRequest: func() Request { return new(TxnOffsetCommitRequest) }, newResponse: func() Response { return new(TxnOffsetCommitResponse) }},
	{Key: KeyDescribeConfigs, Name: "DescribeConfigs", Min: 1, Max: 4, FlexibleFrom: 4, Broker: true, Controller: true, newRequest: func() Request { return new(DescribeConfigsRequest) }, newResponse: func() Response { return new(DescribeConfigsResponse) }},
	{Key: KeyAlterConfigs, Name: "AlterConfigs", Min: 0, Max: 2, FlexibleFrom: 2, Broker: true, Controller: true, newRequest: func() Request { return new(AlterConfigsRequest) }, newResponse: func() Response { return new(AlterConfigsResponse) }},
	{Key: KeyAlterReplicaLogDirs, Name: "AlterReplicaLogDirs", Min: 1, Max: 2, FlexibleFrom: 2, Broker: true, newRequest: func() Request { return new(AlterReplicaLogDirsRequest) }, newResponse: func() Response { return new(AlterReplicaLogDirsResponse) }},
	{Key: KeyDescribeLogDirs, Name: "DescribeLogDirs", Min: 1, Max: 5, FlexibleFrom: 2, Broker: true, newRequest: func() Request { return new(DescribeLogDirsRequest) }, newResponse: func() Response { return new(DescribeLogDirsResponse) }},
	{Key: KeyCreatePartitions, Name: "CreatePartitions", Min: 0, Max: 3, FlexibleFrom: 2, Broker: true, Controller: true, newRequest: func() Request { return new(CreatePartitionsRequest) }, newResponse: func() Response { return new(CreatePartitionsResponse) }},
	{Key: KeyDeleteGroups, Name: "DeleteGroups", Min: 0, Max: 2, FlexibleFrom: 2, Broker: true, newRequest: func() Request { return new(DeleteGroupsRequest) }, newResponse: func() Response { return new(DeleteGroupsResponse) }},
	{Key: KeyElectLeaders, Name: "ElectLeaders", Min: 0, Max: 2, FlexibleFrom: 2, Broker: true, Controller: true, newRequest: func() Request { return new(ElectLeadersRequest) }, newResponse: func() Response { return new(ElectLeadersResponse) }},
	{Key: KeyIncrementalAlterConfigs, Name: "IncrementalAlterConfigs", Min: 0, Max: 1, FlexibleFrom: 1, Broker: true, Controller: true, newRequest: func() Request { return new(IncrementalAlterConfigsRequest) }, newResponse: func() Response { return new(IncrementalAlterConfigsResponse) }},
	{Key: KeyAlterPartitionReassignments, Name: "AlterPartitionReassignments", Min: 0, Max: 1, FlexibleFrom: 0, Broker: true, Controller: true, newRequest: func() Request { return new(AlterPartitionReassignmentsRequest) }, newResponse: func() Response { return new(AlterPartitionReassignmentsResponse) }},
	{Key: KeyListPartitionReassignments, Name: "ListPartitionReassignments", Min: 0, Max: 0, FlexibleFrom: 0, Broker: true, Controller: true, newRequest: func() Request { return new(ListPartitionReassignmentsRequest) }, newResponse: func() Response { return new(ListPartitionReassignmentsResponse) }},
	{Key: KeyOffsetDelete, Name: "OffsetDelete", Min: 0, Max: 0, FlexibleFrom: neverFlexible, Broker: true, newRequest: func() Request { return new(OffsetDeleteRequest) }, newResponse: func() Response { return new(OffsetDeleteResponse) }},
	{Key: KeyVote, Name: "Vote", Min: 0, Max: 2, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(VoteRequest) }, newResponse: func() Response { return new(VoteResponse) }},
	{Key: KeyBeginQuorumEpoch, Name: "BeginQuorumEpoch", Min: 0, Max: 1, FlexibleFrom: 1, Controller: true, newRequest: func() Request { return new(BeginQuorumEpochRequest) }, newResponse: func() Response { return new(BeginQuorumEpochResponse) }},
	{Key: KeyEndQuorumEpoch, Name: "EndQuorumEpoch", Min: 0, Max: 1, FlexibleFrom: 1, Controller: true, newRequest: func() Request { return new(EndQuorumEpochRequest) }, newResponse: func() Response { return new(EndQuorumEpochResponse) }},
	{Key: KeyDescribeQuorum, Name: "DescribeQuorum", Min: 0, Max: 2, FlexibleFrom: 0, Broker: true, Controller: true, newRequest: func() Request { return new(DescribeQuorumRequest) }, newResponse: func() Response { return new(DescribeQuorumResponse) }},
	{Key: KeyAlterPartition, Name: "AlterPartition", Min: 2, Max: 3, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(AlterPartitionRequest) }, newResponse: func() Response { return new(AlterPartitionResponse) }},
	{Key: KeyUpdateFeatures, Name: "UpdateFeatures", Min: 0, Max: 2, FlexibleFrom: 0, Broker: true, Controller: true, newRequest: func() Request { return new(UpdateFeaturesRequest) }, newResponse: func() Response { return new(UpdateFeaturesResponse) }},
	{Key: KeyEnvelope, Name: "Envelope", Min: 0, Max: 0, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(EnvelopeRequest) }, newResponse: func() Response { return new(EnvelopeResponse) }},
	{Key: KeyFetchSnapshot, Name: "FetchSnapshot", Min: 0, Max: 1, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(FetchSnapshotRequest) }, newResponse: func() Response { return new(FetchSnapshotResponse) }},
	{Key: KeyDescribeCluster, Name: "DescribeCluster", Min: 0, Max: 2, FlexibleFrom: 0, Broker: true, Controller: true, newRequest: func() Request { return new(DescribeClusterRequest) }, newResponse: func() Response { return new(DescribeClusterResponse) }},
	{Key: KeyDescribeProducers, Name: "DescribeProducers", Min: 0, Max: 0, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(DescribeProducersRequest) }, newResponse: func() Response { return new(DescribeProducersResponse) }},
	{Key: KeyBrokerRegistration, Name: "BrokerRegistration", Min: 0, Max: 4, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(BrokerRegistrationRequest) }, newResponse: func() Response { return new(BrokerRegistrationResponse) }},
	{Key: KeyBrokerHeartbeat, Name: "BrokerHeartbeat", Min: 0, Max: 2, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(BrokerHeartbeatRequest) }, newResponse: func() Response { return new(BrokerHeartbeatResponse) }},
	{Key: KeyUnregisterBroker, Name: "UnregisterBroker", Min: 0, Max: 0, FlexibleFrom: 0, Broker: true, Controller: true, newRequest: func() Request { return new(UnregisterBrokerRequest) }, newResponse: func() Response { return new(UnregisterBrokerResponse) }},
	{Key: KeyDescribeTransactions, Name: "DescribeTransactions", Min: 0, Max: 0, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(DescribeTransactionsRequest) }, newResponse: func() Response { return new(DescribeTransactionsResponse) }},
	{Key: KeyListTransactions, Name: "ListTransactions", Min: 0, Max: 2, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(ListTransactionsRequest) }, newResponse: func() Response { return new(ListTransactionsResponse) }},
	{Key: KeyAllocateProducerIds, Name: "AllocateProducerIds", Min: 0, Max: 0, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(AllocateProducerIdsRequest) }, newResponse: func() Response { return new(AllocateProducerIdsResponse) }},
	{Key: KeyConsumerGroupHeartbeat, Name: "ConsumerGroupHeartbeat", Min: 0, Max: 1, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(ConsumerGroupHeartbeatRequest) }, newResponse: func() Response { return new(ConsumerGroupHeartbeatResponse) }},
	{Key: KeyConsumerGroupDescribe, Name: "ConsumerGroupDescribe", Min: 0, Max: 1, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(ConsumerGroupDescribeRequest) }, newResponse: func() Response { return new(ConsumerGroupDescribeResponse) }},
	{Key: KeyControllerRegistration, Name: "ControllerRegistration", Min: 0, Max: 0, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(ControllerRegistrationRequest) }, newResponse: func() Response { return new(ControllerRegistrationResponse) }},
	{Key: KeyGetTelemetrySubscriptions, Name: "GetTelemetrySubscriptions", Min: 0, Max: 0, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(GetTelemetrySubscriptionsRequest) }, newResponse: func() Response { return new(GetTelemetrySubscriptionsResponse) }},
	{Key: KeyPushTelemetry, Name: "PushTelemetry", Min: 0, Max: 0, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(PushTelemetryRequest) }, newResponse: func() Response { return new(PushTelemetryResponse) }},
	{Key: KeyAssignReplicasToDirs, Name: "AssignReplicasToDirs", Min: 0, Max: 0, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(AssignReplicasToDirsRequest) }, newResponse: func() Response { return new(AssignReplicasToDirsResponse) }},
	{Key: KeyListConfigResources, Name: "ListConfigResources", Min: 0, Max: 1, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(ListConfigResourcesRequest) }, newResponse: func() Response { return new(ListConfigResourcesResponse) }},
	{Key: KeyDescribeTopicPartitions, Name: "DescribeTopicPartitions", Min: 0, Max: 0, FlexibleFrom: 0, Broker: true, newRequest: func() Request { return new(DescribeTopicPartitionsRequest) }, newResponse: func() Response { return new(DescribeTopicPartitionsResponse) }},
	{Key: KeyUpdateRaftVoter, Name: "UpdateRaftVoter", Min: 0, Max: 0, FlexibleFrom: 0, Controller: true, newRequest: func() Request { return new(UpdateRaftVoterRequest) }, newResponse: func() Response { return new(UpdateRaftVoterResponse) }},
}

var apiIndex = func() (index [128]*API) {
	for i := range APIs {
		index[APIs[i].Key] = &APIs[i]
	}
	return index
}()

// Lookup is the row of a key.
func Lookup(key int16) (*API, bool) {
	if key < 0 || int(key) >= len(apiIndex) || apiIndex[key] == nil {
		return nil, false
	}
	return apiIndex[key], true
}

// NewRequest is an empty request with its defaults.
func NewRequest(key int16) (Request, bool) {
	a, ok := Lookup(key)
	if !ok {
		return nil, false
	}
	r := a.newRequest()
	r.Reset()
	return r, true
}

// NewResponse is an empty response with its defaults.
func NewResponse(key int16) (Response, bool) {
	a, ok := Lookup(key)
	if !ok {
		return nil, false
	}
	r := a.newResponse()
	r.Reset()
	return r, true
}
