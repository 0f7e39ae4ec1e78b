package wire

import "github.com/stromkafka/strom/internal/model"

// AssignReplicasToDirsRequest asks AssignReplicasToDirs, API key 73, version 0.
type AssignReplicasToDirsRequest struct {
	BrokerID    int32
	BrokerEpoch int64
	Directories []AssignReplicasToDirsRequestDirectory
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsRequest) Reset() {
	*m = AssignReplicasToDirsRequest{BrokerEpoch: -1}
}

// Key is the API key.
func (*AssignReplicasToDirsRequest) Key() int16 { return KeyAssignReplicasToDirs }
func (*AssignReplicasToDirsRequest) request()   {}

func (m *AssignReplicasToDirsRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	array(c, v, &m.Directories, false)
	c.noTags()
}

// AssignReplicasToDirsRequestDirectory is part of AssignReplicasToDirsRequest.
type AssignReplicasToDirsRequestDirectory struct {
	ID     model.UUID
	Topics []AssignReplicasToDirsRequestTopic
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsRequestDirectory) Reset() {
	*m = AssignReplicasToDirsRequestDirectory{}
}

func (m *AssignReplicasToDirsRequestDirectory) code(c *coder, v int16) {
	c.uuid(&m.ID)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// AssignReplicasToDirsRequestTopic is part of AssignReplicasToDirsRequest.
type AssignReplicasToDirsRequestTopic struct {
	TopicID    model.UUID
	Partitions []AssignReplicasToDirsRequestPartition
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsRequestTopic) Reset() {
	*m = AssignReplicasToDirsRequestTopic{}
}

func (m *AssignReplicasToDirsRequestTopic) code(c *coder, v int16) {
	c.uuid(&m.TopicID)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// AssignReplicasToDirsRequestPartition is part of AssignReplicasToDirsRequest.
type AssignReplicasToDirsRequestPartition struct {
	PartitionIndex int32
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsRequestPartition) Reset() {
	*m = AssignReplicasToDirsRequestPartition{}
}

func (m *AssignReplicasToDirsRequestPartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.noTags()
}

// AssignReplicasToDirsResponse answers AssignReplicasToDirsRequest.
type AssignReplicasToDirsResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	Directories    []AssignReplicasToDirsResponseDirectory
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsResponse) Reset() {
	*m = AssignReplicasToDirsResponse{}
}

// Key is the API key.
func (*AssignReplicasToDirsResponse) Key() int16 { return KeyAssignReplicasToDirs }
func (*AssignReplicasToDirsResponse) response()  {}

func (m *AssignReplicasToDirsResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	array(c, v, &m.Directories, false)
	c.noTags()
}

// AssignReplicasToDirsResponseDirectory is part of AssignReplicasToDirsResponse.
type AssignReplicasToDirsResponseDirectory struct {
	ID     model.UUID
	Topics []AssignReplicasToDirsResponseTopic
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsResponseDirectory) Reset() {
	*m = AssignReplicasToDirsResponseDirectory{}
}

func (m *AssignReplicasToDirsResponseDirectory) code(c *coder, v int16) {
	c.uuid(&m.ID)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// AssignReplicasToDirsResponseTopic is part of AssignReplicasToDirsResponse.
type AssignReplicasToDirsResponseTopic struct {
	TopicID    model.UUID
	Partitions []AssignReplicasToDirsResponsePartition
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsResponseTopic) Reset() {
	*m = AssignReplicasToDirsResponseTopic{}
}

func (m *AssignReplicasToDirsResponseTopic) code(c *coder, v int16) {
	c.uuid(&m.TopicID)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// AssignReplicasToDirsResponsePartition is part of AssignReplicasToDirsResponse.
type AssignReplicasToDirsResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *AssignReplicasToDirsResponsePartition) Reset() {
	*m = AssignReplicasToDirsResponsePartition{}
}

func (m *AssignReplicasToDirsResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.noTags()
}
