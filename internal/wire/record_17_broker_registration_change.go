package wire

import "github.com/stromkafka/strom/internal/model"

// BrokerRegistrationChangeRecord is record 17 of the metadata log, versions 0-3.
type BrokerRegistrationChangeRecord struct {
	BrokerID             int32
	BrokerEpoch          int64
	Fenced               int8         // tag 0
	InControlledShutdown int8         // v1+, tag 1
	LogDirs              []model.UUID // v2+, tag 2
	CordonedLogDirs      []model.UUID // v3+, tag 3, nil is null
}

// Reset sets the defaults.
func (m *BrokerRegistrationChangeRecord) Reset() {
	*m = BrokerRegistrationChangeRecord{}
}

// RecordKey is the kind of record.
func (*BrokerRegistrationChangeRecord) RecordKey() int16 { return 17 }

func (m *BrokerRegistrationChangeRecord) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	c.beginTags()
	if c.tag(0, m.Fenced != 0) {
		c.int8(&m.Fenced)
		c.endTag()
	}
	if v >= 1 && c.tag(1, m.InControlledShutdown != 0) {
		c.int8(&m.InControlledShutdown)
		c.endTag()
	}
	if v >= 2 && c.tag(2, len(m.LogDirs) > 0) {
		list(c, &m.LogDirs, false, (*coder).uuid)
		c.endTag()
	}
	if v == 3 && c.tag(3, m.CordonedLogDirs != nil) {
		list(c, &m.CordonedLogDirs, true, (*coder).uuid)
		c.endTag()
	}
	c.endTags()
}
