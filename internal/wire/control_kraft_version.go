package wire

// KRaftVersionRecord is the value of a control record of the metadata log, version 0.
type KRaftVersionRecord struct {
	Version      int16
	KRaftVersion int16
}

// Reset sets the defaults.
func (m *KRaftVersionRecord) Reset() {
	*m = KRaftVersionRecord{}
}

func (m *KRaftVersionRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int16(&m.Version)
	c.int16(&m.KRaftVersion)
	c.noTags()
}
