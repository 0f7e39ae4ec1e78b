package wire

import "github.com/stromkafka/strom/internal/model"

// OffsetCommitKey is the key of a record of __consumer_offsets, type 1, version 0.
type OffsetCommitKey struct {
	Group     string
	Topic     string
	Partition int32
}

// Reset sets the defaults.
func (m *OffsetCommitKey) Reset() {
	*m = OffsetCommitKey{}
}

func (m *OffsetCommitKey) code(c *coder, _ int16) {
	c.string(&m.Group)
	c.string(&m.Topic)
	c.int32(&m.Partition)
}

// OffsetCommitValue is the value of a record of __consumer_offsets, type 1, versions 0-4.
type OffsetCommitValue struct {
	Offset          int64
	LeaderEpoch     int32 // v3+
	Metadata        string
	CommitTimestamp int64
	ExpireTimestamp int64      // v1
	TopicID         model.UUID // v4+
}

// Reset sets the defaults.
func (m *OffsetCommitValue) Reset() {
	*m = OffsetCommitValue{LeaderEpoch: -1, ExpireTimestamp: -1}
}

func (m *OffsetCommitValue) code(c *coder, v int16) {
	c.flexible = v == 4
	c.int64(&m.Offset)
	if v >= 3 {
		c.int32(&m.LeaderEpoch)
	}
	c.string(&m.Metadata)
	c.int64(&m.CommitTimestamp)
	if v == 1 {
		c.int64(&m.ExpireTimestamp)
	}
	if c.flexible {
		c.beginTags()
		if c.tag(0, !m.TopicID.IsZero()) {
			c.uuid(&m.TopicID)
			c.endTag()
		}
		c.endTags()
	}
}
