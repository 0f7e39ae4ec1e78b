package wire

// AbortTransactionRecord is record 25 of the metadata log, version 0.
type AbortTransactionRecord struct {
	Reason *string // tag 0
}

// Reset sets the defaults.
func (m *AbortTransactionRecord) Reset() {
	*m = AbortTransactionRecord{}
}

// RecordKey is the kind of record.
func (*AbortTransactionRecord) RecordKey() int16 { return 25 }

func (m *AbortTransactionRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.beginTags()
	if c.tag(0, m.Reason != nil) {
		c.nullString(&m.Reason, true)
		c.endTag()
	}
	c.endTags()
}
