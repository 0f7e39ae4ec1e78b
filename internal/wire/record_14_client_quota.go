package wire

// ClientQuotaRecord is record 14 of the metadata log, version 0.
type ClientQuotaRecord struct {
	Entity []ClientQuotaRecordEntity
	Key    string
	Value  float64
	Remove bool
}

// Reset sets the defaults.
func (m *ClientQuotaRecord) Reset() {
	*m = ClientQuotaRecord{}
}

// RecordKey is the kind of record.
func (*ClientQuotaRecord) RecordKey() int16 { return 14 }

func (m *ClientQuotaRecord) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.Entity, false)
	c.string(&m.Key)
	c.float64(&m.Value)
	c.bool(&m.Remove)
	c.noTags()
}

// ClientQuotaRecordEntity is part of ClientQuotaRecord.
type ClientQuotaRecordEntity struct {
	EntityType string
	EntityName *string
}

// Reset sets the defaults.
func (m *ClientQuotaRecordEntity) Reset() {
	*m = ClientQuotaRecordEntity{}
}

func (m *ClientQuotaRecordEntity) code(c *coder, _ int16) {
	c.string(&m.EntityType)
	c.nullString(&m.EntityName, true)
	c.noTags()
}
