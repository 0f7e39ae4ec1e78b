package wire

import "github.com/stromkafka/strom/internal/model"

// BrokerHeartbeatRequest asks BrokerHeartbeat, API key 63, versions 0-2.
type BrokerHeartbeatRequest struct {
	BrokerID              int32
	BrokerEpoch           int64
	CurrentMetadataOffset int64
	WantFence             bool
	WantShutDown          bool
	OfflineLogDirs        []model.UUID // v1+, tag 0
	CordonedLogDirs       []model.UUID // v2+, tag 1, nil is null
}

// Reset sets the defaults.
func (m *BrokerHeartbeatRequest) Reset() {
	*m = BrokerHeartbeatRequest{BrokerEpoch: -1}
}

// Key is the API key.
func (*BrokerHeartbeatRequest) Key() int16 { return KeyBrokerHeartbeat }
func (*BrokerHeartbeatRequest) request()   {}

func (m *BrokerHeartbeatRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.int64(&m.BrokerEpoch)
	c.int64(&m.CurrentMetadataOffset)
	c.bool(&m.WantFence)
	c.bool(&m.WantShutDown)
	c.beginTags()
	if v >= 1 && c.tag(0, len(m.OfflineLogDirs) > 0) {
		list(c, &m.OfflineLogDirs, false, (*coder).uuid)
		c.endTag()
	}
	if v == 2 && c.tag(1, m.CordonedLogDirs != nil) {
		list(c, &m.CordonedLogDirs, true, (*coder).uuid)
		c.endTag()
	}
	c.endTags()
}

// BrokerHeartbeatResponse answers BrokerHeartbeatRequest.
type BrokerHeartbeatResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	IsCaughtUp     bool
	IsFenced       bool
	ShouldShutDown bool
}

// Reset sets the defaults.
func (m *BrokerHeartbeatResponse) Reset() {
	*m = BrokerHeartbeatResponse{IsFenced: true}
}

// Key is the API key.
func (*BrokerHeartbeatResponse) Key() int16 { return KeyBrokerHeartbeat }
func (*BrokerHeartbeatResponse) response()  {}

func (m *BrokerHeartbeatResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.bool(&m.IsCaughtUp)
	c.bool(&m.IsFenced)
	c.bool(&m.ShouldShutDown)
	c.noTags()
}
