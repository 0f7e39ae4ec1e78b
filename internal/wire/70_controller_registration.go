package wire

import "github.com/stromkafka/strom/internal/model"

// ControllerRegistrationRequest asks ControllerRegistration, API key 70, version 0.
type ControllerRegistrationRequest struct {
	ControllerID     int32
	IncarnationID    model.UUID
	ZkMigrationReady bool
	Listeners        []ControllerRegistrationRequestListener
	Features         []ControllerRegistrationRequestFeature
}

// Reset sets the defaults.
func (m *ControllerRegistrationRequest) Reset() {
	*m = ControllerRegistrationRequest{}
}

// Key is the API key.
func (*ControllerRegistrationRequest) Key() int16 { return KeyControllerRegistration }
func (*ControllerRegistrationRequest) request()   {}

func (m *ControllerRegistrationRequest) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ControllerID)
	c.uuid(&m.IncarnationID)
	c.bool(&m.ZkMigrationReady)
	array(c, v, &m.Listeners, false)
	array(c, v, &m.Features, false)
	c.noTags()
}

// ControllerRegistrationRequestListener is part of ControllerRegistrationRequest.
type ControllerRegistrationRequestListener struct {
	Name             string
	Host             string
	Port             uint16
	SecurityProtocol int16
}

// Reset sets the defaults.
func (m *ControllerRegistrationRequestListener) Reset() {
	*m = ControllerRegistrationRequestListener{}
}

func (m *ControllerRegistrationRequestListener) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.string(&m.Host)
	c.uint16(&m.Port)
	c.int16(&m.SecurityProtocol)
	c.noTags()
}

// ControllerRegistrationRequestFeature is part of ControllerRegistrationRequest.
type ControllerRegistrationRequestFeature struct {
	Name                string
	MinSupportedVersion int16
	MaxSupportedVersion int16
}

// Reset sets the defaults.
func (m *ControllerRegistrationRequestFeature) Reset() {
	*m = ControllerRegistrationRequestFeature{}
}

func (m *ControllerRegistrationRequestFeature) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.int16(&m.MinSupportedVersion)
	c.int16(&m.MaxSupportedVersion)
	c.noTags()
}

// ControllerRegistrationResponse answers ControllerRegistrationRequest.
type ControllerRegistrationResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
	ErrorMessage   *string
}

// Reset sets the defaults.
func (m *ControllerRegistrationResponse) Reset() {
	*m = ControllerRegistrationResponse{}
}

// Key is the API key.
func (*ControllerRegistrationResponse) Key() int16 { return KeyControllerRegistration }
func (*ControllerRegistrationResponse) response()  {}

func (m *ControllerRegistrationResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.noTags()
}
