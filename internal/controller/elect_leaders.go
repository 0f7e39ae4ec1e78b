package controller

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// The types of an ElectLeaders (KIP-460).
const (
	typePreferred int8 = 0
	typeUnclean   int8 = 1
)

var (
	errNotNeeded   = kerr.ElectionNotNeeded.With("Leader election not needed for topic partition.")
	errNoPreferred = kerr.PreferredLeaderNotAvailable.With("The preferred leader was not available.")
	errNoEligible  = kerr.EligibleLeadersNotAvailable.With("Eligible topic partition leaders are not available.")
)

// electLeaders elects the preferred leaders, or any leaders for partitions that
// have none, of the named partitions or of all. Of all, those that need no
// election are not answered.
func (m *Machine) electLeaders(r *wire.ElectLeadersRequest) wire.Response {
	response := &wire.ElectLeadersResponse{ReplicaElectionResults: []wire.ElectLeadersResponseReplicaElectionResult{}}
	if r.ElectionType != typePreferred && r.ElectionType != typeUnclean {
		return RefuseElections(r, kerr.InvalidRequest.With("Unknown election type %d", r.ElectionType))
	}
	var records []wire.Record
	elect := func(topic string, partitions []int32, all bool) {
		result := wire.ElectLeadersResponseReplicaElectionResult{Topic: topic}
		for _, index := range partitions {
			record, err := m.electOne(topic, index, r.ElectionType)
			if all && kerr.Code(err) == kerr.ElectionNotNeeded.Code {
				continue
			}
			if record != nil {
				records = append(records, record)
			}
			result.PartitionResult = append(result.PartitionResult, electionResult(index, err))
		}
		response.ReplicaElectionResults = append(response.ReplicaElectionResults, result)
	}
	if r.TopicPartitions == nil {
		for t := range m.draft.Topics() {
			indexes := make([]int32, len(t.Partitions))
			for i := range indexes {
				indexes[i] = int32(i)
			}
			elect(t.Name, indexes, true)
		}
	}
	elected := map[place]bool{}
	for _, t := range r.TopicPartitions {
		elect(t.Topic, t.Partitions, false)
	}
	if len(records) > maxRecords {
		return RefuseElections(r, errTooMany)
	}
	for _, record := range records {
		change := record.(*wire.PartitionChangeRecord)
		at := place{model.TopicID(change.TopicID), change.PartitionID}
		if !elected[at] { // a partition may be named twice
			elected[at] = true
			m.emit(record)
		}
	}
	return response
}

func (m *Machine) electOne(topic string, index int32, kind int8) (wire.Record, error) {
	t := m.draft.Topic(topic)
	if t == nil {
		return nil, kerr.UnknownTopicOrPartition.With("No such topic as %s", topic)
	}
	p := m.draft.Partition(t.ID, index)
	if p == nil {
		return nil, kerr.UnknownTopicOrPartition.With("No such partition as %s-%d", topic, index)
	}
	how, none := electPreferred, errNoPreferred
	needed := p.Leader != p.Replicas[0]
	if kind == typeUnclean {
		how, none, needed = electUnclean, errNoEligible, !p.HasLeader()
	}
	if !needed {
		return nil, errNotNeeded
	}
	c := m.change(t, index, m.active)
	c.election = how
	record := c.build()
	if record == nil {
		return nil, none
	}
	return record, nil
}

func electionResult(index int32, err error) wire.ElectLeadersResponsePartitionResult {
	return wire.ElectLeadersResponsePartitionResult{PartitionID: index, ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
}

// RefuseElections answers every named partition with one error.
func RefuseElections(r *wire.ElectLeadersRequest, err error) *wire.ElectLeadersResponse {
	response := &wire.ElectLeadersResponse{ErrorCode: kerr.Code(err), ReplicaElectionResults: []wire.ElectLeadersResponseReplicaElectionResult{}}
	for _, t := range r.TopicPartitions {
		result := wire.ElectLeadersResponseReplicaElectionResult{Topic: t.Topic}
		for _, index := range t.Partitions {
			result.PartitionResult = append(result.PartitionResult, electionResult(index, err))
		}
		response.ReplicaElectionResults = append(response.ReplicaElectionResults, result)
	}
	return response
}
