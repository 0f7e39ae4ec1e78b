package wire

import "github.com/stromkafka/strom/internal/model"

// OffsetCommitRequest asks OffsetCommit, API key 8, versions 2-10.
type OffsetCommitRequest struct {
	GroupID                   string
	GenerationIDOrMemberEpoch int32
	MemberID                  string
	GroupInstanceID           *string // v7+
	RetentionTimeMS           int64   // v2-4
	Topics                    []OffsetCommitRequestTopic
}

// Reset sets the defaults.
func (m *OffsetCommitRequest) Reset() {
	*m = OffsetCommitRequest{GenerationIDOrMemberEpoch: -1, RetentionTimeMS: -1}
}

// Key is the API key.
func (*OffsetCommitRequest) Key() int16 { return KeyOffsetCommit }
func (*OffsetCommitRequest) request()   {}

func (m *OffsetCommitRequest) code(c *coder, v int16) {
	c.flexible = v >= 8
	c.string(&m.GroupID)
	c.int32(&m.GenerationIDOrMemberEpoch)
	c.string(&m.MemberID)
	if v >= 7 {
		c.nullString(&m.GroupInstanceID, true)
	}
	if v <= 4 {
		c.int64(&m.RetentionTimeMS)
	}
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetCommitRequestTopic is part of OffsetCommitRequest.
type OffsetCommitRequestTopic struct {
	Name       string     // v2-9
	TopicID    model.UUID // v10+
	Partitions []OffsetCommitRequestPartition
}

// Reset sets the defaults.
func (m *OffsetCommitRequestTopic) Reset() {
	*m = OffsetCommitRequestTopic{}
}

func (m *OffsetCommitRequestTopic) code(c *coder, v int16) {
	if v <= 9 {
		c.string(&m.Name)
	}
	if v == 10 {
		c.uuid(&m.TopicID)
	}
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetCommitRequestPartition is part of OffsetCommitRequest.
type OffsetCommitRequestPartition struct {
	PartitionIndex       int32
	CommittedOffset      int64
	CommittedLeaderEpoch int32 // v6+
	CommittedMetadata    *string
}

// Reset sets the defaults.
func (m *OffsetCommitRequestPartition) Reset() {
	*m = OffsetCommitRequestPartition{CommittedLeaderEpoch: -1}
}

func (m *OffsetCommitRequestPartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int64(&m.CommittedOffset)
	if v >= 6 {
		c.int32(&m.CommittedLeaderEpoch)
	}
	c.nullString(&m.CommittedMetadata, true)
	if c.flexible {
		c.noTags()
	}
}

// OffsetCommitResponse answers OffsetCommitRequest.
type OffsetCommitResponse struct {
	ThrottleTimeMS int32 // v3+
	Topics         []OffsetCommitResponseTopic
}

// Reset sets the defaults.
func (m *OffsetCommitResponse) Reset() {
	*m = OffsetCommitResponse{}
}

// Key is the API key.
func (*OffsetCommitResponse) Key() int16 { return KeyOffsetCommit }
func (*OffsetCommitResponse) response()  {}

func (m *OffsetCommitResponse) code(c *coder, v int16) {
	c.flexible = v >= 8
	if v >= 3 {
		c.int32(&m.ThrottleTimeMS)
	}
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetCommitResponseTopic is part of OffsetCommitResponse.
type OffsetCommitResponseTopic struct {
	Name       string     // v2-9
	TopicID    model.UUID // v10+
	Partitions []OffsetCommitResponsePartition
}

// Reset sets the defaults.
func (m *OffsetCommitResponseTopic) Reset() {
	*m = OffsetCommitResponseTopic{}
}

func (m *OffsetCommitResponseTopic) code(c *coder, v int16) {
	if v <= 9 {
		c.string(&m.Name)
	}
	if v == 10 {
		c.uuid(&m.TopicID)
	}
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// OffsetCommitResponsePartition is part of OffsetCommitResponse.
type OffsetCommitResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *OffsetCommitResponsePartition) Reset() {
	*m = OffsetCommitResponsePartition{}
}

func (m *OffsetCommitResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	if c.flexible {
		c.noTags()
	}
}
