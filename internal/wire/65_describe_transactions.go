package wire

// DescribeTransactionsRequest asks DescribeTransactions, API key 65, version 0.
type DescribeTransactionsRequest struct {
	TransactionalIDs []string
}

// Reset sets the defaults.
func (m *DescribeTransactionsRequest) Reset() {
	*m = DescribeTransactionsRequest{}
}

// Key is the API key.
func (*DescribeTransactionsRequest) Key() int16 { return KeyDescribeTransactions }
func (*DescribeTransactionsRequest) request()   {}

func (m *DescribeTransactionsRequest) code(c *coder, _ int16) {
	c.flexible = true
	list(c, &m.TransactionalIDs, false, (*coder).string)
	c.noTags()
}

// DescribeTransactionsResponse answers DescribeTransactionsRequest.
type DescribeTransactionsResponse struct {
	ThrottleTimeMS    int32
	TransactionStates []DescribeTransactionsResponseState
}

// Reset sets the defaults.
func (m *DescribeTransactionsResponse) Reset() {
	*m = DescribeTransactionsResponse{}
}

// Key is the API key.
func (*DescribeTransactionsResponse) Key() int16 { return KeyDescribeTransactions }
func (*DescribeTransactionsResponse) response()  {}

func (m *DescribeTransactionsResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.TransactionStates, false)
	c.noTags()
}

// DescribeTransactionsResponseState is part of DescribeTransactionsResponse.
type DescribeTransactionsResponseState struct {
	ErrorCode              int16
	TransactionalID        string
	TransactionState       string
	TransactionTimeoutMS   int32
	TransactionStartTimeMS int64
	ProducerID             int64
	ProducerEpoch          int16
	Topics                 []DescribeTransactionsResponseTopic
}

// Reset sets the defaults.
func (m *DescribeTransactionsResponseState) Reset() {
	*m = DescribeTransactionsResponseState{}
}

func (m *DescribeTransactionsResponseState) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.string(&m.TransactionalID)
	c.string(&m.TransactionState)
	c.int32(&m.TransactionTimeoutMS)
	c.int64(&m.TransactionStartTimeMS)
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// DescribeTransactionsResponseTopic is part of DescribeTransactionsResponse.
type DescribeTransactionsResponseTopic struct {
	Topic      string
	Partitions []int32
}

// Reset sets the defaults.
func (m *DescribeTransactionsResponseTopic) Reset() {
	*m = DescribeTransactionsResponseTopic{}
}

func (m *DescribeTransactionsResponseTopic) code(c *coder, _ int16) {
	c.string(&m.Topic)
	list(c, &m.Partitions, false, (*coder).int32)
	c.noTags()
}
