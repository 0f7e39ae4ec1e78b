package wire

import "github.com/stromkafka/strom/internal/model"

// TopicRecord is record 2 of the metadata log, version 0.
type TopicRecord struct {
	Name    string
	TopicID model.UUID
}

// Reset sets the defaults.
func (m *TopicRecord) Reset() {
	*m = TopicRecord{}
}

// RecordKey is the kind of record.
func (*TopicRecord) RecordKey() int16 { return 2 }

func (m *TopicRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.Name)
	c.uuid(&m.TopicID)
	c.noTags()
}
