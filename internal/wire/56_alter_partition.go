package wire

import "github.com/stromkafka/strom/internal/model"

// AlterPartitionRequest asks AlterPartition, API key 56, versions 2-3.
type AlterPartitionRequest struct {
	BrokerID    int32
	BrokerEpoch int64
	Topics      []AlterPartitionRequestTopic
}

// Reset sets the defaults.
func (m *AlterPartitionRequest) Reset() {
	*m = AlterPartitionRequest{BrokerEpoch: -1}
}

// Key is the API key.
func (*AlterPartitionRequest) Key() int16 { return KeyAlterPartition }
func (*AlterPartitionRequest) request()   {}

func (m *AlterPartitionRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// AlterPartitionRequestTopic is part of AlterPartitionRequest.
type AlterPartitionRequestTopic struct {
	TopicID    model.UUID
	Partitions []AlterPartitionRequestPartition
}

// Reset sets the defaults.
func (m *AlterPartitionRequestTopic) Reset() {
	*m = AlterPartitionRequestTopic{}
}

func (m *AlterPartitionRequestTopic) code(c *coder, v int16) {
	c.uuid(&m.TopicID)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// AlterPartitionRequestPartition is part of AlterPartitionRequest.
type AlterPartitionRequestPartition struct {
	PartitionIndex      int32
	LeaderEpoch         int32
	NewISR              []int32                                // v2
	NewISRWithEpochs    []AlterPartitionRequestNewISRWithEpoch // v3+
	LeaderRecoveryState int8
	PartitionEpoch      int32
}

// Reset sets the defaults.
func (m *AlterPartitionRequestPartition) Reset() {
	*m = AlterPartitionRequestPartition{}
}

func (m *AlterPartitionRequestPartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int32(&m.LeaderEpoch)
	if v == 2 {
		list(c, &m.NewISR, false, (*coder).int32)
	}
	if v == 3 {
		array(c, v, &m.NewISRWithEpochs, false)
	}
	c.int8(&m.LeaderRecoveryState)
	c.int32(&m.PartitionEpoch)
	c.noTags()
}

// AlterPartitionRequestNewISRWithEpoch is part of AlterPartitionRequest.
type AlterPartitionRequestNewISRWithEpoch struct {
	BrokerID    int32 // v3+
	BrokerEpoch int64 // v3+
}

// Reset sets the defaults.
func (m *AlterPartitionRequestNewISRWithEpoch) Reset() {
	*m = AlterPartitionRequestNewISRWithEpoch{BrokerEpoch: -1}
}

func (m *AlterPartitionRequestNewISRWithEpoch) code(c *coder, _ int16) {
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	c.noTags()
}

// AlterPartitionResponse answers AlterPartitionRequest.
type AlterPartitionResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	Topics         []AlterPartitionResponseTopic
}

// Reset sets the defaults.
func (m *AlterPartitionResponse) Reset() {
	*m = AlterPartitionResponse{}
}

// Key is the API key.
func (*AlterPartitionResponse) Key() int16 { return KeyAlterPartition }
func (*AlterPartitionResponse) response()  {}

func (m *AlterPartitionResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// AlterPartitionResponseTopic is part of AlterPartitionResponse.
type AlterPartitionResponseTopic struct {
	TopicID    model.UUID
	Partitions []AlterPartitionResponsePartition
}

// Reset sets the defaults.
func (m *AlterPartitionResponseTopic) Reset() {
	*m = AlterPartitionResponseTopic{}
}

func (m *AlterPartitionResponseTopic) code(c *coder, v int16) {
	c.uuid(&m.TopicID)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// AlterPartitionResponsePartition is part of AlterPartitionResponse.
type AlterPartitionResponsePartition struct {
	PartitionIndex      int32
	ErrorCode           int16
	LeaderID            int32
	LeaderEpoch         int32
	ISR                 []int32
	LeaderRecoveryState int8
	PartitionEpoch      int32
}

// Reset sets the defaults.
func (m *AlterPartitionResponsePartition) Reset() {
	*m = AlterPartitionResponsePartition{}
}

func (m *AlterPartitionResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	list(c, &m.ISR, false, (*coder).int32)
	c.int8(&m.LeaderRecoveryState)
	c.int32(&m.PartitionEpoch)
	c.noTags()
}
