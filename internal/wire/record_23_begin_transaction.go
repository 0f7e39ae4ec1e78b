package wire

// BeginTransactionRecord is record 23 of the metadata log, version 0.
type BeginTransactionRecord struct {
	Name *string // tag 0
}

// Reset sets the defaults.
func (m *BeginTransactionRecord) Reset() {
	*m = BeginTransactionRecord{}
}

// RecordKey is the kind of record.
func (*BeginTransactionRecord) RecordKey() int16 { return 23 }

func (m *BeginTransactionRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.beginTags()
	if c.tag(0, m.Name != nil) {
		c.nullString(&m.Name, true)
		c.endTag()
	}
	c.endTags()
}
