package wire

// RemoveUserScramCredentialRecord is record 22 of the metadata log, version 0.
type RemoveUserScramCredentialRecord struct {
	Name      string
	Mechanism int8
}

// Reset sets the defaults.
func (m *RemoveUserScramCredentialRecord) Reset() {
	*m = RemoveUserScramCredentialRecord{}
}

// RecordKey is the kind of record.
func (*RemoveUserScramCredentialRecord) RecordKey() int16 { return 22 }

func (m *RemoveUserScramCredentialRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.Name)
	c.int8(&m.Mechanism)
	c.noTags()
}
