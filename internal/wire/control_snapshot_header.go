package wire

// SnapshotHeaderRecord is the value of a control record of the metadata log, version 0.
type SnapshotHeaderRecord struct {
	Version                   int16
	LastContainedLogTimestamp int64
}

// Reset sets the defaults.
func (m *SnapshotHeaderRecord) Reset() {
	*m = SnapshotHeaderRecord{}
}

func (m *SnapshotHeaderRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int16(&m.Version)
	c.int64(&m.LastContainedLogTimestamp)
	c.noTags()
}
