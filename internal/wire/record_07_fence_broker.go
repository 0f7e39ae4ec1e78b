package wire

// FenceBrokerRecord is record 7 of the metadata log, version 0.
type FenceBrokerRecord struct {
	ID    int32
	Epoch int64
}

// Reset sets the defaults.
func (m *FenceBrokerRecord) Reset() {
	*m = FenceBrokerRecord{}
}

// RecordKey is the kind of record.
func (*FenceBrokerRecord) RecordKey() int16 { return 7 }

func (m *FenceBrokerRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ID)
	c.int64(&m.Epoch)
	c.noTags()
}
