package wire

// OffsetDeleteRequest asks OffsetDelete, API key 47, version 0.
type OffsetDeleteRequest struct {
	GroupID string
	Topics  []OffsetDeleteRequestTopic
}

// Reset sets the defaults.
func (m *OffsetDeleteRequest) Reset() {
	*m = OffsetDeleteRequest{}
}

// Key is the API key.
func (*OffsetDeleteRequest) Key() int16 { return KeyOffsetDelete }
func (*OffsetDeleteRequest) request()   {}

func (m *OffsetDeleteRequest) code(c *coder, v int16) {
	c.string(&m.GroupID)
	array(c, v, &m.Topics, false)
}

// OffsetDeleteRequestTopic is part of OffsetDeleteRequest.
type OffsetDeleteRequestTopic struct {
	Name       string
	Partitions []OffsetDeleteRequestPartition
}

// Reset sets the defaults.
func (m *OffsetDeleteRequestTopic) Reset() {
	*m = OffsetDeleteRequestTopic{}
}

func (m *OffsetDeleteRequestTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
}

// OffsetDeleteRequestPartition is part of OffsetDeleteRequest.
type OffsetDeleteRequestPartition struct {
	PartitionIndex int32
}

// Reset sets the defaults.
func (m *OffsetDeleteRequestPartition) Reset() {
	*m = OffsetDeleteRequestPartition{}
}

func (m *OffsetDeleteRequestPartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
}

// OffsetDeleteResponse answers OffsetDeleteRequest.
type OffsetDeleteResponse struct {
	ErrorCode      int16
	ThrottleTimeMS int32
	Topics         []OffsetDeleteResponseTopic
}

// Reset sets the defaults.
func (m *OffsetDeleteResponse) Reset() {
	*m = OffsetDeleteResponse{}
}

// Key is the API key.
func (*OffsetDeleteResponse) Key() int16 { return KeyOffsetDelete }
func (*OffsetDeleteResponse) response()  {}

func (m *OffsetDeleteResponse) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Topics, false)
}

// OffsetDeleteResponseTopic is part of OffsetDeleteResponse.
type OffsetDeleteResponseTopic struct {
	Name       string
	Partitions []OffsetDeleteResponsePartition
}

// Reset sets the defaults.
func (m *OffsetDeleteResponseTopic) Reset() {
	*m = OffsetDeleteResponseTopic{}
}

func (m *OffsetDeleteResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
}

// OffsetDeleteResponsePartition is part of OffsetDeleteResponse.
type OffsetDeleteResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *OffsetDeleteResponsePartition) Reset() {
	*m = OffsetDeleteResponsePartition{}
}

func (m *OffsetDeleteResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
}
