package wire

import "github.com/stromkafka/strom/internal/model"

// AccessControlEntryRecord is record 18 of the metadata log, version 0.
type AccessControlEntryRecord struct {
	ID             model.UUID
	ResourceType   int8
	ResourceName   string
	PatternType    int8
	Principal      string
	Host           string
	Operation      int8
	PermissionType int8
}

// Reset sets the defaults.
func (m *AccessControlEntryRecord) Reset() {
	*m = AccessControlEntryRecord{}
}

// RecordKey is the kind of record.
func (*AccessControlEntryRecord) RecordKey() int16 { return 18 }

func (m *AccessControlEntryRecord) code(c *coder, _ int16) {
	c.flexible = true
	c.uuid(&m.ID)
	c.int8(&m.ResourceType)
	c.string(&m.ResourceName)
	c.int8(&m.PatternType)
	c.string(&m.Principal)
	c.string(&m.Host)
	c.int8(&m.Operation)
	c.int8(&m.PermissionType)
	c.noTags()
}
