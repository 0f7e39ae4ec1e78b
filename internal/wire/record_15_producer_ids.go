package wire

// ProducerIdsRecord is record 15 of the metadata log, version 0.
type ProducerIdsRecord struct {
	BrokerID       int32
	BrokerEpoch    int64
	NextProducerID int64
}

// Reset sets the defaults.
func (m *ProducerIdsRecord) Reset() {
	*m = ProducerIdsRecord{BrokerEpoch: -1}
}

// RecordKey is the kind of record.
func (*ProducerIdsRecord) RecordKey() int16 { return 15 }

func (m *ProducerIdsRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	c.int64(&m.NextProducerID)
	c.noTags()
}
