package wire

// SnapshotFooterRecord is the value of a control record of the metadata log, version 0.
type SnapshotFooterRecord struct {
	Version int16
}

// Reset sets the defaults.
func (m *SnapshotFooterRecord) Reset() {
	*m = SnapshotFooterRecord{}
}

func (m *SnapshotFooterRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int16(&m.Version)
	c.noTags()
}
