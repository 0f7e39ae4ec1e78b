package wire

// AddPartitionsToTxnRequest asks AddPartitionsToTxn, API key 24, versions 0-5.
// Clients send up to version 3, brokers from version 4 on.
type AddPartitionsToTxnRequest struct {
	Transactions              []AddPartitionsToTxnRequestTransaction // v4+
	V3AndBelowTransactionalID string                                 // v0-v3
	V3AndBelowProducerID      int64                                  // v0-v3
	V3AndBelowProducerEpoch   int16                                  // v0-v3
	V3AndBelowTopics          []AddPartitionsToTxnRequestTopic       // v0-v3
}

// Reset sets the defaults.
func (m *AddPartitionsToTxnRequest) Reset() {
	*m = AddPartitionsToTxnRequest{}
}

// Key is the API key.
func (*AddPartitionsToTxnRequest) Key() int16 { return KeyAddPartitionsToTxn }
func (*AddPartitionsToTxnRequest) request()   {}

func (m *AddPartitionsToTxnRequest) code(c *coder, v int16) {
	c.flexible = v >= 3
	if v >= 4 {
		array(c, v, &m.Transactions, false)
	} else {
		c.string(&m.V3AndBelowTransactionalID)
		c.int64(&m.V3AndBelowProducerID)
		c.int16(&m.V3AndBelowProducerEpoch)
		array(c, v, &m.V3AndBelowTopics, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// AddPartitionsToTxnRequestTransaction is part of AddPartitionsToTxnRequest.
type AddPartitionsToTxnRequestTransaction struct {
	TransactionalID string
	ProducerID      int64
	ProducerEpoch   int16
	VerifyOnly      bool
	Topics          []AddPartitionsToTxnRequestTopic
}

// Reset sets the defaults.
func (m *AddPartitionsToTxnRequestTransaction) Reset() {
	*m = AddPartitionsToTxnRequestTransaction{}
}

func (m *AddPartitionsToTxnRequestTransaction) code(c *coder, v int16) {
	c.string(&m.TransactionalID)
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	c.bool(&m.VerifyOnly)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// AddPartitionsToTxnRequestTopic is part of AddPartitionsToTxnRequest.
type AddPartitionsToTxnRequestTopic struct {
	Name       string
	Partitions []int32
}

// Reset sets the defaults.
func (m *AddPartitionsToTxnRequestTopic) Reset() {
	*m = AddPartitionsToTxnRequestTopic{}
}

func (m *AddPartitionsToTxnRequestTopic) code(c *coder, _ int16) {
	c.string(&m.Name)
	list(c, &m.Partitions, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}

// AddPartitionsToTxnResponse answers AddPartitionsToTxnRequest.
type AddPartitionsToTxnResponse struct {
	ThrottleTimeMS           int32
	ErrorCode                int16                              // v4+
	ResultsByTransaction     []AddPartitionsToTxnResponseResult // v4+
	ResultsByTopicV3AndBelow []AddPartitionsToTxnResponseTopic  // v0-v3
}

// Reset sets the defaults.
func (m *AddPartitionsToTxnResponse) Reset() {
	*m = AddPartitionsToTxnResponse{}
}

// Key is the API key.
func (*AddPartitionsToTxnResponse) Key() int16 { return KeyAddPartitionsToTxn }
func (*AddPartitionsToTxnResponse) response()  {}

func (m *AddPartitionsToTxnResponse) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.int32(&m.ThrottleTimeMS)
	if v >= 4 {
		c.int16(&m.ErrorCode)
		array(c, v, &m.ResultsByTransaction, false)
	} else {
		array(c, v, &m.ResultsByTopicV3AndBelow, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// AddPartitionsToTxnResponseResult is part of AddPartitionsToTxnResponse.
type AddPartitionsToTxnResponseResult struct {
	TransactionalID string
	TopicResults    []AddPartitionsToTxnResponseTopic
}

// Reset sets the defaults.
func (m *AddPartitionsToTxnResponseResult) Reset() {
	*m = AddPartitionsToTxnResponseResult{}
}

func (m *AddPartitionsToTxnResponseResult) code(c *coder, v int16) {
	c.string(&m.TransactionalID)
	array(c, v, &m.TopicResults, false)
	c.noTags()
}

// AddPartitionsToTxnResponseTopic is part of AddPartitionsToTxnResponse.
type AddPartitionsToTxnResponseTopic struct {
	Name               string
	ResultsByPartition []AddPartitionsToTxnResponsePartition
}

// Reset sets the defaults.
func (m *AddPartitionsToTxnResponseTopic) Reset() {
	*m = AddPartitionsToTxnResponseTopic{}
}

func (m *AddPartitionsToTxnResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.ResultsByPartition, false)
	if c.flexible {
		c.noTags()
	}
}

// AddPartitionsToTxnResponsePartition is part of AddPartitionsToTxnResponse.
type AddPartitionsToTxnResponsePartition struct {
	PartitionIndex     int32
	PartitionErrorCode int16
}

// Reset sets the defaults.
func (m *AddPartitionsToTxnResponsePartition) Reset() {
	*m = AddPartitionsToTxnResponsePartition{}
}

func (m *AddPartitionsToTxnResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.PartitionErrorCode)
	if c.flexible {
		c.noTags()
	}
}
