package wire

// DeleteRecordsRequest asks DeleteRecords, API key 21, versions 0-2.
type DeleteRecordsRequest struct {
	Topics    []DeleteRecordsRequestTopic
	TimeoutMS int32
}

// Reset sets the defaults.
func (m *DeleteRecordsRequest) Reset() {
	*m = DeleteRecordsRequest{}
}

// Key is the API key.
func (*DeleteRecordsRequest) Key() int16 { return KeyDeleteRecords }
func (*DeleteRecordsRequest) request()   {}

func (m *DeleteRecordsRequest) code(c *coder, v int16) {
	c.flexible = v >= 2
	array(c, v, &m.Topics, false)
	c.int32(&m.TimeoutMS)
	if c.flexible {
		c.noTags()
	}
}

// DeleteRecordsRequestTopic is part of DeleteRecordsRequest.
type DeleteRecordsRequestTopic struct {
	Name       string
	Partitions []DeleteRecordsRequestPartition
}

// Reset sets the defaults.
func (m *DeleteRecordsRequestTopic) Reset() {
	*m = DeleteRecordsRequestTopic{}
}

func (m *DeleteRecordsRequestTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// DeleteRecordsRequestPartition is part of DeleteRecordsRequest.
type DeleteRecordsRequestPartition struct {
	PartitionIndex int32
	Offset         int64 // -1 is the high watermark
}

// Reset sets the defaults.
func (m *DeleteRecordsRequestPartition) Reset() {
	*m = DeleteRecordsRequestPartition{}
}

func (m *DeleteRecordsRequestPartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int64(&m.Offset)
	if c.flexible {
		c.noTags()
	}
}

// DeleteRecordsResponse answers DeleteRecordsRequest.
type DeleteRecordsResponse struct {
	ThrottleTimeMS int32
	Topics         []DeleteRecordsResponseTopic
}

// Reset sets the defaults.
func (m *DeleteRecordsResponse) Reset() {
	*m = DeleteRecordsResponse{}
}

// Key is the API key.
func (*DeleteRecordsResponse) Key() int16 { return KeyDeleteRecords }
func (*DeleteRecordsResponse) response()  {}

func (m *DeleteRecordsResponse) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// DeleteRecordsResponseTopic is part of DeleteRecordsResponse.
type DeleteRecordsResponseTopic struct {
	Name       string
	Partitions []DeleteRecordsResponsePartition
}

// Reset sets the defaults.
func (m *DeleteRecordsResponseTopic) Reset() {
	*m = DeleteRecordsResponseTopic{}
}

func (m *DeleteRecordsResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// DeleteRecordsResponsePartition is part of DeleteRecordsResponse.
type DeleteRecordsResponsePartition struct {
	PartitionIndex int32
	LowWatermark   int64
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *DeleteRecordsResponsePartition) Reset() {
	*m = DeleteRecordsResponsePartition{}
}

func (m *DeleteRecordsResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int64(&m.LowWatermark)
	c.int16(&m.ErrorCode)
	if c.flexible {
		c.noTags()
	}
}
