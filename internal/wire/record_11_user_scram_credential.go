package wire

// UserScramCredentialRecord is record 11 of the metadata log, version 0.
type UserScramCredentialRecord struct {
	Name       string
	Mechanism  int8
	Salt       []byte
	StoredKey  []byte
	ServerKey  []byte
	Iterations int32
}

// Reset sets the defaults.
func (m *UserScramCredentialRecord) Reset() {
	*m = UserScramCredentialRecord{}
}

// RecordKey is the kind of record.
func (*UserScramCredentialRecord) RecordKey() int16 { return 11 }

func (m *UserScramCredentialRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.string(&m.Name)
	c.int8(&m.Mechanism)
	c.bytes(&m.Salt, false)
	c.bytes(&m.StoredKey, false)
	c.bytes(&m.ServerKey, false)
	c.int32(&m.Iterations)
	c.noTags()
}
