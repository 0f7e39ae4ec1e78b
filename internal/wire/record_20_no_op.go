package wire

// NoOpRecord is record 20 of the metadata log, version 0.
type NoOpRecord struct {
}

// Reset sets the defaults.
func (m *NoOpRecord) Reset() {
	*m = NoOpRecord{}
}

// RecordKey is the kind of record.
func (*NoOpRecord) RecordKey() int16 { return 20 }

func (m *NoOpRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.noTags()
}
