package wire

// WriteTxnMarkersRequest asks WriteTxnMarkers, API key 27, versions 1-2.
type WriteTxnMarkersRequest struct {
	Markers []WriteTxnMarkersRequestMarker
}

// Reset sets the defaults.
func (m *WriteTxnMarkersRequest) Reset() {
	*m = WriteTxnMarkersRequest{}
}

// Key is the API key.
func (*WriteTxnMarkersRequest) Key() int16 { return KeyWriteTxnMarkers }
func (*WriteTxnMarkersRequest) request()   {}

func (m *WriteTxnMarkersRequest) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.Markers, false)
	c.noTags()
}

// WriteTxnMarkersRequestMarker is part of WriteTxnMarkersRequest.
type WriteTxnMarkersRequestMarker struct {
	ProducerID         int64
	ProducerEpoch      int16
	TransactionResult  bool // whether it commits
	Topics             []WriteTxnMarkersRequestTopic
	CoordinatorEpoch   int32
	TransactionVersion int8 // v2+
}

// Reset sets the defaults.
func (m *WriteTxnMarkersRequestMarker) Reset() {
	*m = WriteTxnMarkersRequestMarker{}
}

func (m *WriteTxnMarkersRequestMarker) code(c *coder, v int16) {
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	c.bool(&m.TransactionResult)
	array(c, v, &m.Topics, false)
	c.int32(&m.CoordinatorEpoch)
	if v >= 2 {
		c.int8(&m.TransactionVersion)
	}
	c.noTags()
}

// WriteTxnMarkersRequestTopic is part of WriteTxnMarkersRequest.
type WriteTxnMarkersRequestTopic struct {
	Name             string
	PartitionIndexes []int32
}

// Reset sets the defaults.
func (m *WriteTxnMarkersRequestTopic) Reset() {
	*m = WriteTxnMarkersRequestTopic{}
}

func (m *WriteTxnMarkersRequestTopic) code(c *coder, _ int16) {
	c.string(&m.Name)
	list(c, &m.PartitionIndexes, false, (*coder).int32)
	c.noTags()
}

// WriteTxnMarkersResponse answers WriteTxnMarkersRequest.
type WriteTxnMarkersResponse struct {
	Markers []WriteTxnMarkersResponseMarker
}

// Reset sets the defaults.
func (m *WriteTxnMarkersResponse) Reset() {
	*m = WriteTxnMarkersResponse{}
}

// Key is the API key.
func (*WriteTxnMarkersResponse) Key() int16 { return KeyWriteTxnMarkers }
func (*WriteTxnMarkersResponse) response()  {}

func (m *WriteTxnMarkersResponse) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.Markers, false)
	c.noTags()
}

// WriteTxnMarkersResponseMarker is part of WriteTxnMarkersResponse.
type WriteTxnMarkersResponseMarker struct {
	ProducerID int64
	Topics     []WriteTxnMarkersResponseTopic
}

// Reset sets the defaults.
func (m *WriteTxnMarkersResponseMarker) Reset() {
	*m = WriteTxnMarkersResponseMarker{}
}

func (m *WriteTxnMarkersResponseMarker) code(c *coder, v int16) {
	c.int64(&m.ProducerID)
	array(c, v, &m.Topics, false)
	c.noTags()
}

// WriteTxnMarkersResponseTopic is part of WriteTxnMarkersResponse.
type WriteTxnMarkersResponseTopic struct {
	Name       string
	Partitions []WriteTxnMarkersResponsePartition
}

// Reset sets the defaults.
func (m *WriteTxnMarkersResponseTopic) Reset() {
	*m = WriteTxnMarkersResponseTopic{}
}

func (m *WriteTxnMarkersResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	c.noTags()
}

// WriteTxnMarkersResponsePartition is part of WriteTxnMarkersResponse.
type WriteTxnMarkersResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *WriteTxnMarkersResponsePartition) Reset() {
	*m = WriteTxnMarkersResponsePartition{}
}

func (m *WriteTxnMarkersResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.noTags()
}
