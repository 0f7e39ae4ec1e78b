package wire

// RemoveDelegationTokenRecord is record 26 of the metadata log, version 0.
type RemoveDelegationTokenRecord struct {
	TokenID string
}

// Reset sets the defaults.
func (m *RemoveDelegationTokenRecord) Reset() {
	*m = RemoveDelegationTokenRecord{}
}

// RecordKey is the kind of record.
func (*RemoveDelegationTokenRecord) RecordKey() int16 { return 26 }

func (m *RemoveDelegationTokenRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.TokenID)
	c.noTags()
}
