package wire

// ClearElrRecord is record 28 of the metadata log, version 0.
type ClearElrRecord struct {
	TopicName string
}

// Reset sets the defaults.
func (m *ClearElrRecord) Reset() {
	*m = ClearElrRecord{}
}

// RecordKey is the kind of record.
func (*ClearElrRecord) RecordKey() int16 { return 28 }

func (m *ClearElrRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.TopicName)
	c.noTags()
}
