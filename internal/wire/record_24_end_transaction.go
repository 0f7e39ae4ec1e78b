package wire

// EndTransactionRecord is record 24 of the metadata log, version 0.
type EndTransactionRecord struct {
}

// Reset sets the defaults.
func (m *EndTransactionRecord) Reset() {
	*m = EndTransactionRecord{}
}

// RecordKey is the kind of record.
func (*EndTransactionRecord) RecordKey() int16 { return 24 }

func (m *EndTransactionRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.noTags()
}
