package wire

// DescribeProducersRequest asks DescribeProducers, API key 61, version 0.
type DescribeProducersRequest struct {
	Topics []DescribeProducersRequestTopic
}

// Reset sets the defaults.
func (m *DescribeProducersRequest) Reset() {
	*m = DescribeProducersRequest{}
}

// Key is the API key.
func (*DescribeProducersRequest) Key() int16 { return KeyDescribeProducers }
func (*DescribeProducersRequest) request()   {}

func (m *DescribeProducersRequest) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.Topics, false)
	c.noTags()
}

// DescribeProducersRequestTopic is part of DescribeProducersRequest.
type DescribeProducersRequestTopic struct {
	Name             string
	PartitionIndexes []int32
}

// Reset sets the defaults.
func (m *DescribeProducersRequestTopic) Reset() {
	*m = DescribeProducersRequestTopic{}
}

func (m *DescribeProducersRequestTopic) code(c *coder, _ int16) {
	c.string(&m.Name)
	list(c, &m.PartitionIndexes, false, (*coder).int32)
	c.noTags()
}

// DescribeProducersResponse answers DescribeProducersRequest.
type DescribeProducersResponse struct {
	ThrottleTimeMS int32
	Topics         []DescribeProducersResponseTopic
}

// Reset sets the defaults.
func (m *DescribeProducersResponse) Reset() {
	*m = DescribeProducersResponse{}
}

// Key is the API key.
func (*DescribeProducersResponse) Key() int16 { return KeyDescribeProducers }
func (*DescribeProducersResponse) response()  {}

func (m *DescribeProducersResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// DescribeProducersResponseTopic is part of DescribeProducersResponse.
type DescribeProducersResponseTopic struct {
	Name       string
	Partitions []DescribeProducersResponsePartition
}

// Reset sets the defaults.
func (m *DescribeProducersResponseTopic) Reset() {
	*m = DescribeProducersResponseTopic{}
}

func (m *DescribeProducersResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// DescribeProducersResponsePartition is part of DescribeProducersResponse.
type DescribeProducersResponsePartition struct {
	PartitionIndex  int32
	ErrorCode       int16
	ErrorMessage    *string
	ActiveProducers []DescribeProducersResponseProducer
}

// Reset sets the defaults.
func (m *DescribeProducersResponsePartition) Reset() {
	*m = DescribeProducersResponsePartition{}
}

func (m *DescribeProducersResponsePartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	array(c, v, &m.ActiveProducers, false)
	c.noTags()
}

// DescribeProducersResponseProducer is part of DescribeProducersResponse.
type DescribeProducersResponseProducer struct {
	ProducerID            int64
	ProducerEpoch         int32
	LastSequence          int32
	LastTimestamp         int64
	CoordinatorEpoch      int32
	CurrentTxnStartOffset int64
}

// Reset sets the defaults.
func (m *DescribeProducersResponseProducer) Reset() {
	*m = DescribeProducersResponseProducer{LastSequence: -1, LastTimestamp: -1, CurrentTxnStartOffset: -1}
}

func (m *DescribeProducersResponseProducer) code(c *coder, _ int16) {
	c.int64(&m.ProducerID)
	c.int32(&m.ProducerEpoch)
	c.int32(&m.LastSequence)
	c.int64(&m.LastTimestamp)
	c.int32(&m.CoordinatorEpoch)
	c.int64(&m.CurrentTxnStartOffset)
	c.noTags()
}
