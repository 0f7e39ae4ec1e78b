package wire

// UnfenceBrokerRecord is record 8 of the metadata log, version 0.
type UnfenceBrokerRecord struct {
	ID    int32
	Epoch int64
}

// Reset sets the defaults.
func (m *UnfenceBrokerRecord) Reset() {
	*m = UnfenceBrokerRecord{}
}

// RecordKey is the kind of record.
func (*UnfenceBrokerRecord) RecordKey() int16 { return 8 }

func (m *UnfenceBrokerRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ID)
	c.int64(&m.Epoch)
	c.noTags()
}
