package wire

import "github.com/stromkafka/strom/internal/model"

// RemoveTopicRecord is record 9 of the metadata log, version 0.
type RemoveTopicRecord struct {
	TopicID model.UUID
}

// Reset sets the defaults.
func (m *RemoveTopicRecord) Reset() {
	*m = RemoveTopicRecord{}
}

// RecordKey is the kind of record.
func (*RemoveTopicRecord) RecordKey() int16 { return 9 }

func (m *RemoveTopicRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.uuid(&m.TopicID)
	c.noTags()
}
