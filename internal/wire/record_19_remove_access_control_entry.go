package wire

import "github.com/stromkafka/strom/internal/model"

// RemoveAccessControlEntryRecord is record 19 of the metadata log, version 0.
type RemoveAccessControlEntryRecord struct {
	ID model.UUID
}

// Reset sets the defaults.
func (m *RemoveAccessControlEntryRecord) Reset() {
	*m = RemoveAccessControlEntryRecord{}
}

// RecordKey is the kind of record.
func (*RemoveAccessControlEntryRecord) RecordKey() int16 { return 19 }

func (m *RemoveAccessControlEntryRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.uuid(&m.ID)
	c.noTags()
}
