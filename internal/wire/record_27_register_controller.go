package wire

import "github.com/stromkafka/strom/internal/model"

// RegisterControllerRecord is record 27 of the metadata log, version 0.
type RegisterControllerRecord struct {
	ControllerID     int32
	IncarnationID    model.UUID
	ZkMigrationReady bool
	EndPoints        []RegisterControllerRecordEndPoint
	Features         []RegisterControllerRecordFeature
}

// Reset sets the defaults.
func (m *RegisterControllerRecord) Reset() {
	*m = RegisterControllerRecord{}
}

// RecordKey is the kind of record.
func (*RegisterControllerRecord) RecordKey() int16 { return 27 }

func (m *RegisterControllerRecord) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ControllerID)
	c.uuid(&m.IncarnationID)
	c.bool(&m.ZkMigrationReady)
	array(c, v, &m.EndPoints, false)
	array(c, v, &m.Features, false)
	c.noTags()
}

// RegisterControllerRecordEndPoint is part of RegisterControllerRecord.
type RegisterControllerRecordEndPoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

// Reset sets the defaults.
func (m *RegisterControllerRecordEndPoint) Reset() {
	*m = RegisterControllerRecordEndPoint{}
}

func (m *RegisterControllerRecordEndPoint) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.int16(&m.SecurityProtocol)
	c.noTags()
}

// RegisterControllerRecordFeature is part of RegisterControllerRecord.
type RegisterControllerRecordFeature struct {
	Name                string
	MinSupportedVersion int16
	MaxSupportedVersion int16
}

// Reset sets the defaults.
func (m *RegisterControllerRecordFeature) Reset() {
	*m = RegisterControllerRecordFeature{}
}

func (m *RegisterControllerRecordFeature) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int16(&m.MinSupportedVersion)
	c.int16(&m.MaxSupportedVersion)
	c.noTags()
}
