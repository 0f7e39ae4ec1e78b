package wire

// ListOffsetsRequest asks ListOffsets, API key 2, versions 1-11.
type ListOffsetsRequest struct {
	ReplicaID      int32
	IsolationLevel int8 // v2+
	Topics         []ListOffsetsRequestTopic
	TimeoutMS      int32 // v10+
}

// Reset sets the defaults.
func (m *ListOffsetsRequest) Reset() {
	*m = ListOffsetsRequest{}
}

// Key is the API key.
func (*ListOffsetsRequest) Key() int16 { return KeyListOffsets }
func (*ListOffsetsRequest) request()   {}

func (m *ListOffsetsRequest) code(c *coder, v int16) {
	c.flexible = v >= 6
	c.int32(&m.ReplicaID)
	if v >= 2 {
		c.int8(&m.IsolationLevel)
	}
	array(c, v, &m.Topics, false)
	if v >= 10 {
		c.int32(&m.TimeoutMS)
	}
	if c.flexible {
		c.noTags()
	}
}

// ListOffsetsRequestTopic is part of ListOffsetsRequest.
type ListOffsetsRequestTopic struct {
	Name       string
	Partitions []ListOffsetsRequestPartition
}

// Reset sets the defaults.
func (m *ListOffsetsRequestTopic) Reset() {
	*m = ListOffsetsRequestTopic{}
}

func (m *ListOffsetsRequestTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// ListOffsetsRequestPartition is part of ListOffsetsRequest.
type ListOffsetsRequestPartition struct {
	PartitionIndex     int32
	CurrentLeaderEpoch int32 // v4+
	Timestamp          int64
}

// Reset sets the defaults.
func (m *ListOffsetsRequestPartition) Reset() {
	*m = ListOffsetsRequestPartition{CurrentLeaderEpoch: -1}
}

func (m *ListOffsetsRequestPartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	if v >= 4 {
		c.int32(&m.CurrentLeaderEpoch)
	}
	c.int64(&m.Timestamp)
	if c.flexible {
		c.noTags()
	}
}

// ListOffsetsResponse answers ListOffsetsRequest.
type ListOffsetsResponse struct {
	ThrottleTimeMS int32 // v2+
	Topics         []ListOffsetsResponseTopic
}

// Reset sets the defaults.
func (m *ListOffsetsResponse) Reset() {
	*m = ListOffsetsResponse{}
}

// Key is the API key.
func (*ListOffsetsResponse) Key() int16 { return KeyListOffsets }
func (*ListOffsetsResponse) response()  {}

func (m *ListOffsetsResponse) code(c *coder, v int16) {
	c.flexible = v >= 6
	if v >= 2 {
		c.int32(&m.ThrottleTimeMS)
	}
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// ListOffsetsResponseTopic is part of ListOffsetsResponse.
type ListOffsetsResponseTopic struct {
	Name       string
	Partitions []ListOffsetsResponsePartition
}

// Reset sets the defaults.
func (m *ListOffsetsResponseTopic) Reset() {
	*m = ListOffsetsResponseTopic{}
}

func (m *ListOffsetsResponseTopic) code(c *coder, v int16) {
	c.string(&m.Name)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// ListOffsetsResponsePartition is part of ListOffsetsResponse.
type ListOffsetsResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
	Timestamp      int64
	Offset         int64
	LeaderEpoch    int32 // v4+
}

// Reset sets the defaults.
func (m *ListOffsetsResponsePartition) Reset() {
	*m = ListOffsetsResponsePartition{Timestamp: -1, Offset: -1, LeaderEpoch: -1}
}

func (m *ListOffsetsResponsePartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	c.int64(&m.Timestamp)
	c.int64(&m.Offset)
	if v >= 4 {
		c.int32(&m.LeaderEpoch)
	}
	if c.flexible {
		c.noTags()
	}
}
