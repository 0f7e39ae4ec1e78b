package wire

// UnregisterBrokerRecord is record 1 of the metadata log, version 0.
type UnregisterBrokerRecord struct {
	BrokerID    int32
	BrokerEpoch int64
}

// Reset sets the defaults.
func (m *UnregisterBrokerRecord) Reset() {
	*m = UnregisterBrokerRecord{}
}

// RecordKey is the kind of record.
func (*UnregisterBrokerRecord) RecordKey() int16 { return 1 }

func (m *UnregisterBrokerRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	c.noTags()
}
