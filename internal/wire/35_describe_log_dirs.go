package wire

// DescribeLogDirsRequest asks DescribeLogDirs, API key 35, versions 1-5.
type DescribeLogDirsRequest struct {
	Topics []DescribeLogDirsRequestTopic // nil is null
}

// Reset sets the defaults.
func (m *DescribeLogDirsRequest) Reset() {
	*m = DescribeLogDirsRequest{}
}

// Key is the API key.
func (*DescribeLogDirsRequest) Key() int16 { return KeyDescribeLogDirs }
func (*DescribeLogDirsRequest) request()   {}

func (m *DescribeLogDirsRequest) code(c *coder, v int16) {
	c.flexible = v >= 2
	array(c, v, &m.Topics, true)
	if c.flexible {
		c.noTags()
	}
}

// DescribeLogDirsRequestTopic is part of DescribeLogDirsRequest.
type DescribeLogDirsRequestTopic struct {
	Topic      string
	Partitions []int32
}

// Reset sets the defaults.
func (m *DescribeLogDirsRequestTopic) Reset() {
	*m = DescribeLogDirsRequestTopic{}
}

func (m *DescribeLogDirsRequestTopic) code(c *coder, _ int16) {
	c.string(&m.Topic)
	list(c, &m.Partitions, false, (*coder).int32)
	if c.flexible {
		c.noTags()
	}
}

// DescribeLogDirsResponse answers DescribeLogDirsRequest.
type DescribeLogDirsResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16 // v3+
	Results        []DescribeLogDirsResponseResult
}

// Reset sets the defaults.
func (m *DescribeLogDirsResponse) Reset() {
	*m = DescribeLogDirsResponse{}
}

// Key is the API key.
func (*DescribeLogDirsResponse) Key() int16 { return KeyDescribeLogDirs }
func (*DescribeLogDirsResponse) response()  {}

func (m *DescribeLogDirsResponse) code(c *coder, v int16) {
	c.flexible = v >= 2
	c.int32(&m.ThrottleTimeMS)
	if v >= 3 {
		c.int16(&m.ErrorCode)
	}
	array(c, v, &m.Results, false)
	if c.flexible {
		c.noTags()
	}
}

// DescribeLogDirsResponseResult is part of DescribeLogDirsResponse.
type DescribeLogDirsResponseResult struct {
	ErrorCode   int16
	LogDir      string
	Topics      []DescribeLogDirsResponseTopic
	TotalBytes  int64 // v4+
	UsableBytes int64 // v4+
	IsCordoned  bool  // v5+
}

// Reset sets the defaults.
func (m *DescribeLogDirsResponseResult) Reset() {
	*m = DescribeLogDirsResponseResult{TotalBytes: -1, UsableBytes: -1}
}

func (m *DescribeLogDirsResponseResult) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.string(&m.LogDir)
	array(c, v, &m.Topics, false)
	if v >= 4 {
		c.int64(&m.TotalBytes)
	}
	if v >= 4 {
		c.int64(&m.UsableBytes)
	}
	if v >= 5 {
		c.bool(&m.IsCordoned)
	}
	if c.flexible {
		c.noTags()
	}
}

// DescribeLogDirsResponseTopic is part of DescribeLogDirsResponse.
type DescribeLogDirsResponseTopic struct {
	Name       string
	Partitions []DescribeLogDirsResponsePartition
}

// Reset sets the defaults.
func (m *DescribeLogDirsResponseTopic) Reset() {
	*m = DescribeLogDirsResponseTopic{}
}

func (m *DescribeLogDirsResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// DescribeLogDirsResponsePartition is part of DescribeLogDirsResponse.
type DescribeLogDirsResponsePartition struct {
	PartitionIndex int32
	PartitionSize  int64
	OffsetLag      int64
	IsFutureKey    bool
}

// Reset sets the defaults.
func (m *DescribeLogDirsResponsePartition) Reset() {
	*m = DescribeLogDirsResponsePartition{}
}

func (m *DescribeLogDirsResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int64(&m.PartitionSize)
	c.int64(&m.OffsetLag)
	c.bool(&m.IsFutureKey)
	if c.flexible {
		c.noTags()
	}
}
