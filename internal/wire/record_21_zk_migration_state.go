package wire

// ZkMigrationStateRecord is record 21 of the metadata log, version 0.
type ZkMigrationStateRecord struct {
	ZkMigrationState int8
}

// Reset sets the defaults.
func (m *ZkMigrationStateRecord) Reset() {
	*m = ZkMigrationStateRecord{}
}

// RecordKey is the kind of record.
func (*ZkMigrationStateRecord) RecordKey() int16 { return 21 }

func (m *ZkMigrationStateRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.int8(&m.ZkMigrationState)
	c.noTags()
}
