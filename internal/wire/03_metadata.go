package wire

import "github.com/stromkafka/strom/internal/model"

// MetadataRequest asks Metadata, API key 3, versions 0-13.
type MetadataRequest struct {
	Topics                             []MetadataRequestTopic // nil is null
	AllowAutoTopicCreation             bool                   // v4+
	IncludeClusterAuthorizedOperations bool                   // v8-10
	IncludeTopicAuthorizedOperations   bool                   // v8+
}

// Reset sets the defaults.
func (m *MetadataRequest) Reset() {
	*m = MetadataRequest{AllowAutoTopicCreation: true}
}

// Key is the API key.
func (*MetadataRequest) Key() int16 { return KeyMetadata }
func (*MetadataRequest) request()   {}

func (m *MetadataRequest) code(c *coder, v int16) {
	c.flexible = v >= 9
	array(c, v, &m.Topics, v >= 1)
	if v >= 4 {
		c.bool(&m.AllowAutoTopicCreation)
	}
	if v >= 8 && v <= 10 {
		c.bool(&m.IncludeClusterAuthorizedOperations)
	}
	if v >= 8 {
		c.bool(&m.IncludeTopicAuthorizedOperations)
	}
	if c.flexible {
		c.noTags()
	}
}

// MetadataRequestTopic is part of MetadataRequest.
type MetadataRequestTopic struct {
	TopicID model.UUID // v10+
	Name    *string
}

// Reset sets the defaults.
func (m *MetadataRequestTopic) Reset() {
	*m = MetadataRequestTopic{}
}

func (m *MetadataRequestTopic) code(c *coder, v int16) {
	if v >= 10 {
		c.uuid(&m.TopicID)
	}
	c.nullString(&m.Name, v >= 10)
	if c.flexible {
		c.noTags()
	}
}

// MetadataResponse answers MetadataRequest.
type MetadataResponse struct {
	ThrottleTimeMS              int32 // v3+
	Brokers                     []MetadataResponseBroker
	ClusterID                   *string // v2+
	ControllerID                int32   // v1+
	Topics                      []MetadataResponseTopic
	ClusterAuthorizedOperations int32 // v8-10
	ErrorCode                   int16 // v13+
}

// Reset sets the defaults.
func (m *MetadataResponse) Reset() {
	*m = MetadataResponse{ControllerID: -1, ClusterAuthorizedOperations: -2147483648}
}

// Key is the API key.
func (*MetadataResponse) Key() int16 { return KeyMetadata }
func (*MetadataResponse) response()  {}

func (m *MetadataResponse) code(c *coder, v int16) {
	c.flexible = v >= 9
	if v >= 3 {
		c.int32(&m.ThrottleTimeMS)
	}
	array(c, v, &m.Brokers, false)
	if v >= 2 {
		c.nullString(&m.ClusterID, true)
	}
	if v >= 1 {
		c.int32(&m.ControllerID)
	}
	array(c, v, &m.Topics, false)
	if v >= 8 && v <= 10 {
		c.int32(&m.ClusterAuthorizedOperations)
	}
	if v == 13 {
		c.int16(&m.ErrorCode)
	}
	if c.flexible {
		c.noTags()
	}
}

// MetadataResponseBroker is part of MetadataResponse.
type MetadataResponseBroker struct {
	NodeID int32
	Host   string
	Port   int32
	Rack   *string // v1+
}

// Reset sets the defaults.
func (m *MetadataResponseBroker) Reset() {
	*m = MetadataResponseBroker{}
}

func (m *MetadataResponseBroker) code(c *coder, v int16) {
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.int32(&m.Port)
	if v >= 1 {
		c.nullString(&m.Rack, true)
	}
	if c.flexible {
		c.noTags()
	}
}

// MetadataResponseTopic is part of MetadataResponse.
type MetadataResponseTopic struct {
	ErrorCode                 int16
	Name                      *string
	TopicID                   model.UUID // v10+
	IsInternal                bool       // v1+
	Partitions                []MetadataResponsePartition
	TopicAuthorizedOperations int32 // v8+
}

// Reset sets the defaults.
func (m *MetadataResponseTopic) Reset() {
	*m = MetadataResponseTopic{TopicAuthorizedOperations: -2147483648}
}

func (m *MetadataResponseTopic) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.nullString(&m.Name, v >= 12)
	if v >= 10 {
		c.uuid(&m.TopicID)
	}
	if v >= 1 {
		c.bool(&m.IsInternal)
	}
	array(c, v, &m.Partitions, false)
	if v >= 8 {
		c.int32(&m.TopicAuthorizedOperations)
	}
	if c.flexible {
		c.noTags()
	}
}

// MetadataResponsePartition is part of MetadataResponse.
type MetadataResponsePartition struct {
	ErrorCode       int16
	PartitionIndex  int32
	LeaderID        int32
	LeaderEpoch     int32 // v7+
	ReplicaNodes    []int32
	ISRNodes        []int32
	OfflineReplicas []int32 // v5+
}

// Reset sets the defaults.
func (m *MetadataResponsePartition) Reset() {
	*m = MetadataResponsePartition{LeaderEpoch: -1}
}

func (m *MetadataResponsePartition) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.int32(&m.PartitionIndex)
	c.int32(&m.LeaderID)
	if v >= 7 {
		c.int32(&m.LeaderEpoch)
	}
	list(c, &m.ReplicaNodes, false, (*coder).int32)
	list(c, &m.ISRNodes, false, (*coder).int32)
	if v >= 5 {
		list(c, &m.OfflineReplicas, false, (*coder).int32)
	}
	if c.flexible {
		c.noTags()
	}
}
