package wire

import "github.com/stromkafka/strom/internal/model"

// DescribeQuorumRequest asks DescribeQuorum, API key 55, versions 0-2.
type DescribeQuorumRequest struct {
	Topics []DescribeQuorumRequestTopic
}

// Reset sets the defaults.
func (m *DescribeQuorumRequest) Reset() {
	*m = DescribeQuorumRequest{}
}

// Key is the API key.
func (*DescribeQuorumRequest) Key() int16 { return KeyDescribeQuorum }
func (*DescribeQuorumRequest) request()   {}

func (m *DescribeQuorumRequest) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.Topics, false)
	c.noTags()
}

// DescribeQuorumRequestTopic is part of DescribeQuorumRequest.
type DescribeQuorumRequestTopic struct {
	TopicName  string
	Partitions []DescribeQuorumRequestPartition
}

// Reset sets the defaults.
func (m *DescribeQuorumRequestTopic) Reset() {
	*m = DescribeQuorumRequestTopic{}
}

func (m *DescribeQuorumRequestTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// DescribeQuorumRequestPartition is part of DescribeQuorumRequest.
type DescribeQuorumRequestPartition struct {
	PartitionIndex int32
}

// Reset sets the defaults.
func (m *DescribeQuorumRequestPartition) Reset() {
	*m = DescribeQuorumRequestPartition{}
}

func (m *DescribeQuorumRequestPartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.noTags()
}

// DescribeQuorumResponse answers DescribeQuorumRequest.
type DescribeQuorumResponse struct {
	ErrorCode    int16
	ErrorMessage *string // v2+
	Topics       []DescribeQuorumResponseTopic
	Nodes        []DescribeQuorumResponseNode // v2+
}

// Reset sets the defaults.
func (m *DescribeQuorumResponse) Reset() {
	*m = DescribeQuorumResponse{}
}

// Key is the API key.
func (*DescribeQuorumResponse) Key() int16 { return KeyDescribeQuorum }
func (*DescribeQuorumResponse) response()  {}

func (m *DescribeQuorumResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int16(&m.ErrorCode)
	if v == 2 {
		c.nullString(&m.ErrorMessage, true)
	}
	array(c, v, &m.Topics, false)
	if v == 2 {
		array(c, v, &m.Nodes, false)
	}
	c.noTags()
}

// DescribeQuorumResponseTopic is part of DescribeQuorumResponse.
type DescribeQuorumResponseTopic struct {
	TopicName  string
	Partitions []DescribeQuorumResponsePartition
}

// Reset sets the defaults.
func (m *DescribeQuorumResponseTopic) Reset() {
	*m = DescribeQuorumResponseTopic{}
}

func (m *DescribeQuorumResponseTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// DescribeQuorumResponsePartition is part of DescribeQuorumResponse.
type DescribeQuorumResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
	ErrorMessage   *string // v2+
	LeaderID       int32
	LeaderEpoch    int32
	HighWatermark  int64
	CurrentVoters  []DescribeQuorumResponseReplicaState
	Observers      []DescribeQuorumResponseReplicaState
}

// Reset sets the defaults.
func (m *DescribeQuorumResponsePartition) Reset() {
	*m = DescribeQuorumResponsePartition{}
}

func (m *DescribeQuorumResponsePartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	if v == 2 {
		c.nullString(&m.ErrorMessage, true)
	}
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	c.int64(&m.HighWatermark)
	array(c, v, &m.CurrentVoters, false)
	array(c, v, &m.Observers, false)
	c.noTags()
}

// DescribeQuorumResponseReplicaState is part of DescribeQuorumResponse.
type DescribeQuorumResponseReplicaState struct {
	ReplicaID             int32
	ReplicaDirectoryID    model.UUID // v2+
	LogEndOffset          int64
	LastFetchTimestamp    int64 // v1+
	LastCaughtUpTimestamp int64 // v1+
}

// Reset sets the defaults.
func (m *DescribeQuorumResponseReplicaState) Reset() {
	*m = DescribeQuorumResponseReplicaState{LastFetchTimestamp: -1, LastCaughtUpTimestamp: -1}
}

func (m *DescribeQuorumResponseReplicaState) code(c *coder, v int16) {
	c.int32(&m.ReplicaID)
	if v == 2 {
		c.uuid(&m.ReplicaDirectoryID)
	}
	c.int64(&m.LogEndOffset)
	if v >= 1 {
		c.int64(&m.LastFetchTimestamp)
	}
	if v >= 1 {
		c.int64(&m.LastCaughtUpTimestamp)
	}
	c.noTags()
}

// DescribeQuorumResponseNode is part of DescribeQuorumResponse.
type DescribeQuorumResponseNode struct {
	NodeID    int32                            // v2+
	Listeners []DescribeQuorumResponseListener // v2+
}

// Reset sets the defaults.
func (m *DescribeQuorumResponseNode) Reset() {
	*m = DescribeQuorumResponseNode{}
}

func (m *DescribeQuorumResponseNode) code(c *coder, v int16) {
	c.int32(&m.NodeID)
	array(c, v, &m.Listeners, false)
	c.noTags()
}

// DescribeQuorumResponseListener is part of DescribeQuorumResponse.
type DescribeQuorumResponseListener struct {
	Name string // v2+
	Host string // v2+
	Port uint16 // v2+
}

// Reset sets the defaults.
func (m *DescribeQuorumResponseListener) Reset() {
	*m = DescribeQuorumResponseListener{}
}

func (m *DescribeQuorumResponseListener) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}
