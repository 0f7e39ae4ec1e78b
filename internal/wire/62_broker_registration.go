package wire

import "github.com/stromkafka/strom/internal/model"

// BrokerRegistrationRequest asks BrokerRegistration, API key 62, versions 0-4.
type BrokerRegistrationRequest struct {
	BrokerID            int32
	ClusterID           string
	IncarnationID       model.UUID
	Listeners           []BrokerRegistrationRequestListener
	Features            []BrokerRegistrationRequestFeature
	Rack                *string
	IsMigratingZkBroker bool         // v1+
	LogDirs             []model.UUID // v2+
	PreviousBrokerEpoch int64        // v3+
}

// Reset sets the defaults.
func (m *BrokerRegistrationRequest) Reset() {
	*m = BrokerRegistrationRequest{PreviousBrokerEpoch: -1}
}

// Key is the API key.
func (*BrokerRegistrationRequest) Key() int16 { return KeyBrokerRegistration }
func (*BrokerRegistrationRequest) request()   {}

func (m *BrokerRegistrationRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.BrokerID)
	c.string(&m.ClusterID)
	c.uuid(&m.IncarnationID)
	array(c, v, &m.Listeners, false)
	array(c, v, &m.Features, false)
	c.nullString(&m.Rack, true)
	if v >= 1 {
		c.bool(&m.IsMigratingZkBroker)
	}
	if v >= 2 {
		list(c, &m.LogDirs, false, (*coder).uuid)
	}
	if v >= 3 {
		c.int64(&m.PreviousBrokerEpoch)
	}
	c.noTags()
}

// BrokerRegistrationRequestListener is part of BrokerRegistrationRequest.
type BrokerRegistrationRequestListener struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

// Reset sets the defaults.
func (m *BrokerRegistrationRequestListener) Reset() {
	*m = BrokerRegistrationRequestListener{}
}

func (m *BrokerRegistrationRequestListener) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.int16(&m.SecurityProtocol)
	c.noTags()
}

// BrokerRegistrationRequestFeature is part of BrokerRegistrationRequest.
type BrokerRegistrationRequestFeature struct {
	Name                string
	MinSupportedVersion int16
	MaxSupportedVersion int16
}

// Reset sets the defaults.
func (m *BrokerRegistrationRequestFeature) Reset() {
	*m = BrokerRegistrationRequestFeature{}
}

func (m *BrokerRegistrationRequestFeature) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int16(&m.MinSupportedVersion)
	c.int16(&m.MaxSupportedVersion)
	c.noTags()
}

// BrokerRegistrationResponse answers BrokerRegistrationRequest.
type BrokerRegistrationResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	BrokerEpoch    int64
}

// Reset sets the defaults.
func (m *BrokerRegistrationResponse) Reset() {
	*m = BrokerRegistrationResponse{BrokerEpoch: -1}
}

// Key is the API key.
func (*BrokerRegistrationResponse) Key() int16 { return KeyBrokerRegistration }
func (*BrokerRegistrationResponse) response()  {}

func (m *BrokerRegistrationResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.int64(&m.BrokerEpoch)
	c.noTags()
}
