package wire

// UnregisterControllerRecord is record 29 of the metadata log, version 0.
type UnregisterControllerRecord struct {
	ControllerID int32
}

// Reset sets the defaults.
func (m *UnregisterControllerRecord) Reset() {
	*m = UnregisterControllerRecord{}
}

// RecordKey is the kind of record.
func (*UnregisterControllerRecord) RecordKey() int16 { return 29 }

func (m *UnregisterControllerRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ControllerID)
	c.noTags()
}
