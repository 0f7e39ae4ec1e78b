package wire

// FeatureLevelRecord is record 12 of the metadata log, version 0.
type FeatureLevelRecord struct {
	Name         string
	FeatureLevel int16
}

// Reset sets the defaults.
func (m *FeatureLevelRecord) Reset() {
	*m = FeatureLevelRecord{}
}

// RecordKey is the kind of record.
func (*FeatureLevelRecord) RecordKey() int16 { return 12 }

func (m *FeatureLevelRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.Name)
	c.int16(&m.FeatureLevel)
	c.noTags()
}
