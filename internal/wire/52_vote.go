package wire

import "github.com/stromkafka/strom/internal/model"

// VoteRequest asks Vote, API key 52, versions 0-2.
type VoteRequest struct {
	ClusterID *string
	VoterID   int32 // v1+
	Topics    []VoteRequestTopic
}

// Reset sets the defaults.
func (m *VoteRequest) Reset() {
	*m = VoteRequest{VoterID: -1}
}

// Key is the API key.
func (*VoteRequest) Key() int16 { return KeyVote }
func (*VoteRequest) request()   {}

func (m *VoteRequest) code(c *coder, v int16) {
	c.flexible = true
	c.nullString(&m.ClusterID, true)
	if v >= 1 {
		c.int32(&m.VoterID)
	}
	array(c, v, &m.Topics, false)
	c.noTags()
}

// VoteRequestTopic is part of VoteRequest.
type VoteRequestTopic struct {
	TopicName  string
	Partitions []VoteRequestPartition
}

// Reset sets the defaults.
func (m *VoteRequestTopic) Reset() {
	*m = VoteRequestTopic{}
}

func (m *VoteRequestTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// VoteRequestPartition is part of VoteRequest.
type VoteRequestPartition struct {
	PartitionIndex     int32
	ReplicaEpoch       int32
	ReplicaID          int32
	ReplicaDirectoryID model.UUID // v1+
	VoterDirectoryID   model.UUID // v1+
	LastOffsetEpoch    int32
	LastOffset         int64
	PreVote            bool // v2+
}

// Reset sets the defaults.
func (m *VoteRequestPartition) Reset() {
	*m = VoteRequestPartition{}
}

func (m *VoteRequestPartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int32(&m.ReplicaEpoch)
	c.int32(&m.ReplicaID)
	if v >= 1 {
		c.uuid(&m.ReplicaDirectoryID)
	}
	if v >= 1 {
		c.uuid(&m.VoterDirectoryID)
	}
	c.int32(&m.LastOffsetEpoch)
	c.int64(&m.LastOffset)
	if v == 2 {
		c.bool(&m.PreVote)
	}
	c.noTags()
}

// VoteResponse answers VoteRequest.
type VoteResponse struct {
	ErrorCode     int16
	Topics        []VoteResponseTopic
	NodeEndpoints []VoteResponseNodeEndpoint // v1+, tag 0
}

// Reset sets the defaults.
func (m *VoteResponse) Reset() {
	*m = VoteResponse{}
}

// Key is the API key.
func (*VoteResponse) Key() int16 { return KeyVote }
func (*VoteResponse) response()  {}

func (m *VoteResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int16(&m.ErrorCode)
	array(c, v, &m.Topics, false)
	c.beginTags()
	if v >= 1 && c.tag(0, len(m.NodeEndpoints) > 0) {
		array(c, v, &m.NodeEndpoints, false)
		c.endTag()
	}
	c.endTags()
}

// VoteResponseTopic is part of VoteResponse.
type VoteResponseTopic struct {
	TopicName  string
	Partitions []VoteResponsePartition
}

// Reset sets the defaults.
func (m *VoteResponseTopic) Reset() {
	*m = VoteResponseTopic{}
}

func (m *VoteResponseTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// VoteResponsePartition is part of VoteResponse.
type VoteResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
	LeaderID       int32
	LeaderEpoch    int32
	VoteGranted    bool
}

// Reset sets the defaults.
func (m *VoteResponsePartition) Reset() {
	*m = VoteResponsePartition{}
}

func (m *VoteResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	c.bool(&m.VoteGranted)
	c.noTags()
}

// VoteResponseNodeEndpoint is part of VoteResponse.
type VoteResponseNodeEndpoint struct {
	NodeID int32  // v1+
	Host   string // v1+
	Port   uint16 // v1+
}

// Reset sets the defaults.
func (m *VoteResponseNodeEndpoint) Reset() {
	*m = VoteResponseNodeEndpoint{}
}

func (m *VoteResponseNodeEndpoint) code(c *coder, _ int16) {
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}
