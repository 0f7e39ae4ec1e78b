package wire

import "github.com/stromkafka/strom/internal/model"

// EndQuorumEpochRequest asks EndQuorumEpoch, API key 54, versions 0-1.
type EndQuorumEpochRequest struct {
	ClusterID       *string
	Topics          []EndQuorumEpochRequestTopic
	LeaderEndpoints []EndQuorumEpochRequestLeaderEndpoint // v1+
}

// Reset sets the defaults.
func (m *EndQuorumEpochRequest) Reset() {
	*m = EndQuorumEpochRequest{}
}

// Key is the API key.
func (*EndQuorumEpochRequest) Key() int16 { return KeyEndQuorumEpoch }
func (*EndQuorumEpochRequest) request()   {}

func (m *EndQuorumEpochRequest) code(c *coder, v int16) {
	c.flexible = v == 1
	c.nullString(&m.ClusterID, true)
	array(c, v, &m.Topics, false)
	if v == 1 {
		array(c, v, &m.LeaderEndpoints, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// EndQuorumEpochRequestTopic is part of EndQuorumEpochRequest.
type EndQuorumEpochRequestTopic struct {
	TopicName  string
	Partitions []EndQuorumEpochRequestPartition
}

// Reset sets the defaults.
func (m *EndQuorumEpochRequestTopic) Reset() {
	*m = EndQuorumEpochRequestTopic{}
}

func (m *EndQuorumEpochRequestTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// EndQuorumEpochRequestPartition is part of EndQuorumEpochRequest.
type EndQuorumEpochRequestPartition struct {
	PartitionIndex      int32
	LeaderID            int32
	LeaderEpoch         int32
	PreferredSuccessors []int32                                   // v0
	PreferredCandidates []EndQuorumEpochRequestPreferredCandidate // v1+
}

// Reset sets the defaults.
func (m *EndQuorumEpochRequestPartition) Reset() {
	*m = EndQuorumEpochRequestPartition{}
}

func (m *EndQuorumEpochRequestPartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	if v == 0 {
		list(c, &m.PreferredSuccessors, false, (*coder).int32)
	}
	if v == 1 {
		array(c, v, &m.PreferredCandidates, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// EndQuorumEpochRequestPreferredCandidate is part of EndQuorumEpochRequest.
type EndQuorumEpochRequestPreferredCandidate struct {
	CandidateID          int32      // v1+
	CandidateDirectoryID model.UUID // v1+
}

// Reset sets the defaults.
func (m *EndQuorumEpochRequestPreferredCandidate) Reset() {
	*m = EndQuorumEpochRequestPreferredCandidate{}
}

func (m *EndQuorumEpochRequestPreferredCandidate) code(c *coder, _ int16) {
	c.int32(&m.CandidateID)
	c.uuid(&m.CandidateDirectoryID)
	c.noTags()
}

// EndQuorumEpochRequestLeaderEndpoint is part of EndQuorumEpochRequest.
type EndQuorumEpochRequestLeaderEndpoint struct {
	Name string // v1+
	Host string // v1+
	Port uint16 // v1+
}

// Reset sets the defaults.
func (m *EndQuorumEpochRequestLeaderEndpoint) Reset() {
	*m = EndQuorumEpochRequestLeaderEndpoint{}
}

func (m *EndQuorumEpochRequestLeaderEndpoint) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}

// EndQuorumEpochResponse answers EndQuorumEpochRequest.
type EndQuorumEpochResponse struct {
	ErrorCode     int16
	Topics        []EndQuorumEpochResponseTopic
	NodeEndpoints []EndQuorumEpochResponseNodeEndpoint // v1+, tag 0
}

// Reset sets the defaults.
func (m *EndQuorumEpochResponse) Reset() {
	*m = EndQuorumEpochResponse{}
}

// Key is the API key.
func (*EndQuorumEpochResponse) Key() int16 { return KeyEndQuorumEpoch }
func (*EndQuorumEpochResponse) response()  {}

func (m *EndQuorumEpochResponse) code(c *coder, v int16) {
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

// EndQuorumEpochResponseTopic is part of EndQuorumEpochResponse.
type EndQuorumEpochResponseTopic struct {
	TopicName  string
	Partitions []EndQuorumEpochResponsePartition
}

// Reset sets the defaults.
func (m *EndQuorumEpochResponseTopic) Reset() {
	*m = EndQuorumEpochResponseTopic{}
}

func (m *EndQuorumEpochResponseTopic) code(c *coder, v int16) {
	c.string(&m.TopicName)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// EndQuorumEpochResponsePartition is part of EndQuorumEpochResponse.
type EndQuorumEpochResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
	LeaderID       int32
	LeaderEpoch    int32
}

// Reset sets the defaults.
func (m *EndQuorumEpochResponsePartition) Reset() {
	*m = EndQuorumEpochResponsePartition{}
}

func (m *EndQuorumEpochResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	if c.flexible {
		c.noTags()
	}
}

// EndQuorumEpochResponseNodeEndpoint is part of EndQuorumEpochResponse.
type EndQuorumEpochResponseNodeEndpoint struct {
	NodeID int32  // v1+
	Host   string // v1+
	Port   uint16 // v1+
}

// Reset sets the defaults.
func (m *EndQuorumEpochResponseNodeEndpoint) Reset() {
	*m = EndQuorumEpochResponseNodeEndpoint{}
}

func (m *EndQuorumEpochResponseNodeEndpoint) code(c *coder, _ int16) {
	c.int32(&m.NodeID)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.noTags()
}
