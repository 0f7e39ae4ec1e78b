package wire

import "github.com/stromkafka/strom/internal/model"

// OffsetFetchRequest asks OffsetFetch, API key 9, versions 1-10.
type OffsetFetchRequest struct {
	GroupID       string                    // v1-7
	Topics        []OffsetFetchRequestTopic // v1-7, nil is null
	Groups        []OffsetFetchRequestGroup // v8+
	RequireStable bool                      // v7+
}

// Reset sets the defaults.
func (m *OffsetFetchRequest) Reset() {
	*m = OffsetFetchRequest{}
}

// Key is the API key.
func (*OffsetFetchRequest) Key() int16 { return KeyOffsetFetch }
func (*OffsetFetchRequest) request()   {}

func (m *OffsetFetchRequest) code(c *coder, v int16) {
	c.flexible = v >= 6
	if v <= 7 {
		c.string(&m.GroupID)
	}
	if v <= 7 {
		array(c, v, &m.Topics, v >= 2)
	}
	if v >= 8 {
		array(c, v, &m.Groups, false)
	}
	if v >= 7 {
		c.bool(&m.RequireStable)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchRequestTopic is part of OffsetFetchRequest.
type OffsetFetchRequestTopic struct {
	Name             string  // v1-7
	PartitionIndexes []int32 // v1-7
}

// Reset sets the defaults.
func (m *OffsetFetchRequestTopic) Reset() {
	*m = OffsetFetchRequestTopic{}
}

func (m *OffsetFetchRequestTopic) code(c *coder, v int16) {
	if v <= 7 {
		c.string(&m.Name)
	}
	if v <= 7 {
		list(c, &m.PartitionIndexes, false, (*coder).int32)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchRequestGroup is part of OffsetFetchRequest.
type OffsetFetchRequestGroup struct {
	GroupID     string                         // v8+
	MemberID    *string                        // v9+
	MemberEpoch int32                          // v9+
	Topics      []OffsetFetchRequestGroupTopic // v8+, nil is null
}

// Reset sets the defaults.
func (m *OffsetFetchRequestGroup) Reset() {
	*m = OffsetFetchRequestGroup{MemberEpoch: -1}
}

func (m *OffsetFetchRequestGroup) code(c *coder, v int16) {
	if v >= 8 {
		c.string(&m.GroupID)
	}
	if v >= 9 {
		c.nullString(&m.MemberID, true)
	}
	if v >= 9 {
		c.int32(&m.MemberEpoch)
	}
	if v >= 8 {
		array(c, v, &m.Topics, true)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchRequestGroupTopic is part of OffsetFetchRequest.
type OffsetFetchRequestGroupTopic struct {
	Name             string     // v8-9
	TopicID          model.UUID // v10+
	PartitionIndexes []int32    // v8+
}

// Reset sets the defaults.
func (m *OffsetFetchRequestGroupTopic) Reset() {
	*m = OffsetFetchRequestGroupTopic{}
}

func (m *OffsetFetchRequestGroupTopic) code(c *coder, v int16) {
	if v >= 8 && v <= 9 {
		c.string(&m.Name)
	}
	if v == 10 {
		c.uuid(&m.TopicID)
	}
	if v >= 8 {
		list(c, &m.PartitionIndexes, false, (*coder).int32)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchResponse answers OffsetFetchRequest.
type OffsetFetchResponse struct {
	ThrottleTimeMS int32                      // v3+
	Topics         []OffsetFetchResponseTopic // v1-7
	ErrorCode      int16                      // v2-7
	Groups         []OffsetFetchResponseGroup // v8+
}

// Reset sets the defaults.
func (m *OffsetFetchResponse) Reset() {
	*m = OffsetFetchResponse{}
}

// Key is the API key.
func (*OffsetFetchResponse) Key() int16 { return KeyOffsetFetch }
func (*OffsetFetchResponse) response()  {}

func (m *OffsetFetchResponse) code(c *coder, v int16) {
	c.flexible = v >= 6
	if v >= 3 {
		c.int32(&m.ThrottleTimeMS)
	}
	if v <= 7 {
		array(c, v, &m.Topics, false)
	}
	if v >= 2 && v <= 7 {
		c.int16(&m.ErrorCode)
	}
	if v >= 8 {
		array(c, v, &m.Groups, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchResponseTopic is part of OffsetFetchResponse.
type OffsetFetchResponseTopic struct {
	Name       string                         // v1-7
	Partitions []OffsetFetchResponsePartition // v1-7
}

// Reset sets the defaults.
func (m *OffsetFetchResponseTopic) Reset() {
	*m = OffsetFetchResponseTopic{}
}

func (m *OffsetFetchResponseTopic) code(c *coder, v int16) {
	if v <= 7 {
		c.string(&m.Name)
	}
	if v <= 7 {
		array(c, v, &m.Partitions, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchResponsePartition is part of OffsetFetchResponse.
type OffsetFetchResponsePartition struct {
	PartitionIndex       int32   // v1-7
	CommittedOffset      int64   // v1-7
	CommittedLeaderEpoch int32   // v5-7
	Metadata             *string // v1-7
	ErrorCode            int16   // v1-7
}

// Reset sets the defaults.
func (m *OffsetFetchResponsePartition) Reset() {
	*m = OffsetFetchResponsePartition{CommittedLeaderEpoch: -1}
}

func (m *OffsetFetchResponsePartition) code(c *coder, v int16) {
	if v <= 7 {
		c.int32(&m.PartitionIndex)
	}
	if v <= 7 {
		c.int64(&m.CommittedOffset)
	}
	if v >= 5 && v <= 7 {
		c.int32(&m.CommittedLeaderEpoch)
	}
	if v <= 7 {
		c.nullString(&m.Metadata, true)
	}
	if v <= 7 {
		c.int16(&m.ErrorCode)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchResponseGroup is part of OffsetFetchResponse.
type OffsetFetchResponseGroup struct {
	GroupID   string                          // v8+
	Topics    []OffsetFetchResponseGroupTopic // v8+
	ErrorCode int16                           // v8+
}

// Reset sets the defaults.
func (m *OffsetFetchResponseGroup) Reset() {
	*m = OffsetFetchResponseGroup{}
}

func (m *OffsetFetchResponseGroup) code(c *coder, v int16) {
	if v >= 8 {
		c.string(&m.GroupID)
	}
	if v >= 8 {
		array(c, v, &m.Topics, false)
	}
	if v >= 8 {
		c.int16(&m.ErrorCode)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchResponseGroupTopic is part of OffsetFetchResponse.
type OffsetFetchResponseGroupTopic struct {
	Name       string                                   // v8-9
	TopicID    model.UUID                               // v10+
	Partitions []OffsetFetchResponseGroupTopicPartition // v8+
}

// Reset sets the defaults.
func (m *OffsetFetchResponseGroupTopic) Reset() {
	*m = OffsetFetchResponseGroupTopic{}
}

func (m *OffsetFetchResponseGroupTopic) code(c *coder, v int16) {
	if v >= 8 && v <= 9 {
		c.string(&m.Name)
	}
	if v == 10 {
		c.uuid(&m.TopicID)
	}
	if v >= 8 {
		array(c, v, &m.Partitions, false)
	}
	if c.flexible {
		c.noTags()
	}
}

// OffsetFetchResponseGroupTopicPartition is part of OffsetFetchResponse.
type OffsetFetchResponseGroupTopicPartition struct {
	PartitionIndex       int32   // v8+
	CommittedOffset      int64   // v8+
	CommittedLeaderEpoch int32   // v8+
	Metadata             *string // v8+
	ErrorCode            int16   // v8+
}

// Reset sets the defaults.
func (m *OffsetFetchResponseGroupTopicPartition) Reset() {
	*m = OffsetFetchResponseGroupTopicPartition{CommittedLeaderEpoch: -1}
}

func (m *OffsetFetchResponseGroupTopicPartition) code(c *coder, v int16) {
	if v >= 8 {
		c.int32(&m.PartitionIndex)
	}
	if v >= 8 {
		c.int64(&m.CommittedOffset)
	}
	if v >= 8 {
		c.int32(&m.CommittedLeaderEpoch)
	}
	if v >= 8 {
		c.nullString(&m.Metadata, true)
	}
	if v >= 8 {
		c.int16(&m.ErrorCode)
	}
	if c.flexible {
		c.noTags()
	}
}
