package wire

// OffsetForLeaderEpochRequest asks OffsetForLeaderEpoch, API key 23, versions 2-4.
type OffsetForLeaderEpochRequest struct {
	ReplicaID int32 // v3+
	Topics    []OffsetForLeaderEpochRequestTopic
}

// Reset sets the defaults.
func (m *OffsetForLeaderEpochRequest) Reset() {
	*m = OffsetForLeaderEpochRequest{ReplicaID: -2}
}

// Key is the API key.
func (*OffsetForLeaderEpochRequest) Key() int16 { return KeyOffsetForLeaderEpoch }
func (*OffsetForLeaderEpochRequest) request()   {}

func (m *OffsetForLeaderEpochRequest) code(c *coder, v int16) {
	c.flexible = v == 4
	if v >= 3 {
		c.int32(&m.ReplicaID)
	}
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetForLeaderEpochRequestTopic is part of OffsetForLeaderEpochRequest.
type OffsetForLeaderEpochRequestTopic struct {
	Topic      string
	Partitions []OffsetForLeaderEpochRequestPartition
}

// Reset sets the defaults.
func (m *OffsetForLeaderEpochRequestTopic) Reset() {
	*m = OffsetForLeaderEpochRequestTopic{}
}

func (m *OffsetForLeaderEpochRequestTopic) code(c *coder, v int16) {
	c.string(&m.Topic)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetForLeaderEpochRequestPartition is part of OffsetForLeaderEpochRequest.
type OffsetForLeaderEpochRequestPartition struct {
	Partition          int32
	CurrentLeaderEpoch int32
	LeaderEpoch        int32
}

// Reset sets the defaults.
func (m *OffsetForLeaderEpochRequestPartition) Reset() {
	*m = OffsetForLeaderEpochRequestPartition{CurrentLeaderEpoch: -1}
}

func (m *OffsetForLeaderEpochRequestPartition) code(c *coder, _ int16) {
	c.int32(&m.Partition)
	c.int32(&m.CurrentLeaderEpoch)
	c.int32(&m.LeaderEpoch)
	if c.flexible {
		c.noTags()
	}
}

// OffsetForLeaderEpochResponse answers OffsetForLeaderEpochRequest.
type OffsetForLeaderEpochResponse struct {
	ThrottleTimeMS int32
	Topics         []OffsetForLeaderEpochResponseTopic
}

// Reset sets the defaults.
func (m *OffsetForLeaderEpochResponse) Reset() {
	*m = OffsetForLeaderEpochResponse{}
}

// Key is the API key.
func (*OffsetForLeaderEpochResponse) Key() int16 { return KeyOffsetForLeaderEpoch }
func (*OffsetForLeaderEpochResponse) response()  {}

func (m *OffsetForLeaderEpochResponse) code(c *coder, v int16) {
	c.flexible = v == 4
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetForLeaderEpochResponseTopic is part of OffsetForLeaderEpochResponse.
type OffsetForLeaderEpochResponseTopic struct {
	Topic      string
	Partitions []OffsetForLeaderEpochResponsePartition
}

// Reset sets the defaults.
func (m *OffsetForLeaderEpochResponseTopic) Reset() {
	*m = OffsetForLeaderEpochResponseTopic{}
}

func (m *OffsetForLeaderEpochResponseTopic) code(c *coder, v int16) {
	c.string(&m.Topic)
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetForLeaderEpochResponsePartition is part of OffsetForLeaderEpochResponse.
type OffsetForLeaderEpochResponsePartition struct {
	ErrorCode   int16
	Partition   int32
	LeaderEpoch int32
	EndOffset   int64
}

// Reset sets the defaults.
func (m *OffsetForLeaderEpochResponsePartition) Reset() {
	*m = OffsetForLeaderEpochResponsePartition{LeaderEpoch: -1, EndOffset: -1}
}

func (m *OffsetForLeaderEpochResponsePartition) code(c *coder, _ int16) {
	c.int16(&m.ErrorCode)
	c.int32(&m.Partition)
	c.int32(&m.LeaderEpoch)
	c.int64(&m.EndOffset)
	if c.flexible {
		c.noTags()
	}
}
