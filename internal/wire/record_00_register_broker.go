package wire

import "github.com/stromkafka/strom/internal/model"

// RegisterBrokerRecord is record 0 of the metadata log, versions 0-4.
type RegisterBrokerRecord struct {
	BrokerID             int32
	IsMigratingZkBroker  bool // v2+
	IncarnationID        model.UUID
	BrokerEpoch          int64
	EndPoints            []RegisterBrokerRecordEndPoint
	Features             []RegisterBrokerRecordFeature
	Rack                 *string
	Fenced               bool
	InControlledShutdown bool         // v1+
	LogDirs              []model.UUID // v3+, tag 0
	CordonedLogDirs      []model.UUID // v4+, tag 1, nil is null
}

// Reset sets the defaults.
func (m *RegisterBrokerRecord) Reset() {
	*m = RegisterBrokerRecord{Fenced: true}
}

// RecordKey is the kind of record.
func (*RegisterBrokerRecord) RecordKey() int16 { return 0 }

func (m *RegisterBrokerRecord) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	if v >= 2 {
		c.bool(&m.IsMigratingZkBroker)
	}
	c.uuid(&m.IncarnationID)
	c.int64(&m.BrokerEpoch)
	array(c, v, &m.EndPoints, false)
	array(c, v, &m.Features, false)
	c.nullString(&m.Rack, true)
	c.bool(&m.Fenced)
	if v >= 1 {
		c.bool(&m.InControlledShutdown)
	}
	c.beginTags()
	if v >= 3 && c.tag(0, len(m.LogDirs) > 0) {
		list(c, &m.LogDirs, false, (*coder).uuid)
		c.endTag()
	}
	if v == 4 && c.tag(1, m.CordonedLogDirs != nil) {
		list(c, &m.CordonedLogDirs, true, (*coder).uuid)
		c.endTag()
	}
	c.endTags()
}

// RegisterBrokerRecordEndPoint is part of RegisterBrokerRecord.
type RegisterBrokerRecordEndPoint struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

// Reset sets the defaults.
func (m *RegisterBrokerRecordEndPoint) Reset() {
	*m = RegisterBrokerRecordEndPoint{}
}

func (m *RegisterBrokerRecordEndPoint) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.int16(&m.SecurityProtocol)
	c.noTags()
}

// RegisterBrokerRecordFeature is part of RegisterBrokerRecord.
type RegisterBrokerRecordFeature struct {
	Name                string
	MinSupportedVersion int16
	MaxSupportedVersion int16
}

// Reset sets the defaults.
func (m *RegisterBrokerRecordFeature) Reset() {
	*m = RegisterBrokerRecordFeature{}
}

func (m *RegisterBrokerRecordFeature) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int16(&m.MinSupportedVersion)
	c.int16(&m.MaxSupportedVersion)
	c.noTags()
}
