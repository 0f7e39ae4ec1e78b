package wire

// ConfigRecord is record 4 of the metadata log, version 0.
type ConfigRecord struct {
	ResourceType int8
	ResourceName string
	Name         string
	Value        *string
}

// Reset sets the defaults.
func (m *ConfigRecord) Reset() {
	*m = ConfigRecord{}
}

// RecordKey is the kind of record.
func (*ConfigRecord) RecordKey() int16 { return 4 }

func (m *ConfigRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	c.string(&m.Name)
	c.nullString(&m.Value, true)
	c.noTags()
}
