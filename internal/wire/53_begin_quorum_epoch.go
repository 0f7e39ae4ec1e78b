package wire

import "github.com/stromkafka/strom/internal/model"

// BeginQuorumEpochRequest asks BeginQuorumEpoch, API key 53, versions 0-1.
type BeginQuorumEpochRequest struct {
	ClusterID       *string
	VoterID         int32 // v1+
	Topics          []BeginQuorumEpochRequestTopic
	LeaderEndpoints []BeginQuorumEpochRequestLeaderEndpoint // v1+
}

// Reset sets the defaults.
func (m *BeginQuorumEpochRequest) Reset() {
	*m = BeginQuorumEpochRequest{VoterID: -1}
}

// Key is the API key.
func (*BeginQuorumEpochRequest) Key() int16 { return KeyBeginQuorumEpoch }
func (*BeginQuorumEpochRequest) request()   {}

func (m *BeginQuorumEpochRequest) code(c *coder, v int16) {
	c.flexible = v == 1
	c.nullString(&m.ClusterID, true)
	if v == 1 {
		c.int32(&m.VoterID)
	}
	array(c, v, &m.Topics, false)
	if v == 1 {
		array(c, v, &m.LeaderEndpoints, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// BeginQuorumEpochRequestTopic is part of BeginQuorumEpochRequest.
type BeginQuorumEpochRequestTopic struct {
	TopicName  string
	Partitions []BeginQuorumEpochRequestPartition
}

// Reset sets the defaults.
func (m *BeginQuorumEpochRequestTopic) Reset() {
	*m = BeginQuorumEpochRequestTopic{}
}

func (m *BeginQuorumEpochRequestTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// BeginQuorumEpochRequestPartition is part of BeginQuorumEpochRequest.
type BeginQuorumEpochRequestPartition struct {
	PartitionIndex   int32
	VoterDirectoryID model.UUID // v1+
	LeaderID         int32
	LeaderEpoch      int32
}

// Reset sets the defaults.
func (m *BeginQuorumEpochRequestPartition) Reset() {
	*m = BeginQuorumEpochRequestPartition{}
}

func (m *BeginQuorumEpochRequestPartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	if v == 1 {
		c.uuid(&m.VoterDirectoryID)
	}
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	if c.flexible {
		c.noTags()
	}
}

// BeginQuorumEpochRequestLeaderEndpoint is part of BeginQuorumEpochRequest.
type BeginQuorumEpochRequestLeaderEndpoint struct {
	Name string // v1+
	Host string // v1+
	Port uint16 // v1+
}

// Reset sets the defaults.
func (m *BeginQuorumEpochRequestLeaderEndpoint) Reset() {
	*m = BeginQuorumEpochRequestLeaderEndpoint{}
}

func (m *BeginQuorumEpochRequestLeaderEndpoint) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}

// BeginQuorumEpochResponse answers BeginQuorumEpochRequest.
type BeginQuorumEpochResponse struct {
	ErrorCode     int16
	Topics        []BeginQuorumEpochResponseTopic
	NodeEndpoints []BeginQuorumEpochResponseNodeEndpoint // v1+, tag 0
}

// Reset sets the defaults.
func (m *BeginQuorumEpochResponse) Reset() {
	*m = BeginQuorumEpochResponse{}
}

// Key is the API key.
func (*BeginQuorumEpochResponse) Key() int16 { return KeyBeginQuorumEpoch }
func (*BeginQuorumEpochResponse) response()  {}

func (m *BeginQuorumEpochResponse) code(c *coder, v int16) {
	c.flexible = v == 1
	c.int16(&m.ErrorCode)
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.beginTags()
		if c.tag(0, len(m.NodeEndpoints) > 0) {
			array(c, v, &m.NodeEndpoints, false)
			c.endTag()
		}
		c.endTags()
	}
}

// BeginQuorumEpochResponseTopic is part of BeginQuorumEpochResponse.
type BeginQuorumEpochResponseTopic struct {
	TopicName  string
	Partitions []BeginQuorumEpochResponsePartition
}

// Reset sets the defaults.
func (m *BeginQuorumEpochResponseTopic) Reset() {
	*m = BeginQuorumEpochResponseTopic{}
}

func (m *BeginQuorumEpochResponseTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// BeginQuorumEpochResponsePartition is part of BeginQuorumEpochResponse.
type BeginQuorumEpochResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
	LeaderID       int32
	LeaderEpoch    int32
}

// Reset sets the defaults.
func (m *BeginQuorumEpochResponsePartition) Reset() {
	*m = BeginQuorumEpochResponsePartition{}
}

func (m *BeginQuorumEpochResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	if c.flexible {
		c.noTags()
	}
}

// BeginQuorumEpochResponseNodeEndpoint is part of BeginQuorumEpochResponse.
type BeginQuorumEpochResponseNodeEndpoint struct {
	NodeID int32  // v1+
	Host   string // v1+
	Port   uint16 // v1+
}

// Reset sets the defaults.
func (m *BeginQuorumEpochResponseNodeEndpoint) Reset() {
	*m = BeginQuorumEpochResponseNodeEndpoint{}
}

func (m *BeginQuorumEpochResponseNodeEndpoint) code(c *coder, _ int16) {
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}
