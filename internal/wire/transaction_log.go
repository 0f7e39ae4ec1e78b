package wire

// TransactionLogKey is the key of a record of __transaction_state, version 0.
// The version stands in front of it as an int16.
type TransactionLogKey struct {
	TransactionalID string
}

// Reset sets the defaults.
func (m *TransactionLogKey) Reset() {
	*m = TransactionLogKey{}
}

func (m *TransactionLogKey) code(c *coder, _ int16) {
	c.string(&m.TransactionalID)
}

// TransactionLogValue is the value of a record of __transaction_state, versions
// 0-1. The version stands in front of it as an int16.
type TransactionLogValue struct {
	ProducerID                       int64
	PreviousProducerID               int64 // v1+, tag 0
	NextProducerID                   int64 // v1+, tag 1
	ProducerEpoch                    int16
	NextProducerEpoch                int16 // v1+, tag 3
	TransactionTimeoutMS             int32
	TransactionStatus                int8
	TransactionPartitions            []TransactionLogValuePartitions // nil is null
	TransactionLastUpdateTimestampMS int64
	TransactionStartTimestampMS      int64
	ClientTransactionVersion         int16 // v1+, tag 2
}

// Reset sets the defaults.
func (m *TransactionLogValue) Reset() {
	*m = TransactionLogValue{PreviousProducerID: -1, NextProducerID: -1, NextProducerEpoch: -1}
}

func (m *TransactionLogValue) code(c *coder, v int16) {
	c.flexible = v >= 1
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	c.int32(&m.TransactionTimeoutMS)
	c.int8(&m.TransactionStatus)
	array(c, v, &m.TransactionPartitions, true)
	c.int64(&m.TransactionLastUpdateTimestampMS)
	c.int64(&m.TransactionStartTimestampMS)
	if !c.flexible {
		return
	}
	c.beginTags()
	if c.tag(0, m.PreviousProducerID != -1) {
		c.int64(&m.PreviousProducerID)
		c.endTag()
	}
	if c.tag(1, m.NextProducerID != -1) {
		c.int64(&m.NextProducerID)
		c.endTag()
	}
	if c.tag(2, m.ClientTransactionVersion != 0) {
		c.int16(&m.ClientTransactionVersion)
		c.endTag()
	}
	if c.tag(3, m.NextProducerEpoch != -1) {
		c.int16(&m.NextProducerEpoch)
		c.endTag()
	}
	c.endTags()
}

// TransactionLogValuePartitions is part of TransactionLogValue.
type TransactionLogValuePartitions struct {
	Topic        string
	PartitionIDs []int32
}

// Reset sets the defaults.
func (m *TransactionLogValuePartitions) Reset() {
	*m = TransactionLogValuePartitions{}
}

func (m *TransactionLogValuePartitions) code(c *coder, _ int16) {
	c.string(&m.Topic)
	list(c, &m.PartitionIDs, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}
