package wire

import "github.com/stromkafka/strom/internal/model"

// PushTelemetryRequest asks PushTelemetry, API key 72, version 0.
type PushTelemetryRequest struct {
	ClientInstanceID model.UUID
	SubscriptionID   int32
	Terminating      bool
	CompressionType  int8
	Metrics          []byte
}

// Reset sets the defaults.
func (m *PushTelemetryRequest) Reset() {
	*m = PushTelemetryRequest{}
}

// Key is the API key.
func (*PushTelemetryRequest) Key() int16 { return KeyPushTelemetry }
func (*PushTelemetryRequest) request()   {}

func (m *PushTelemetryRequest) code(c *coder, _ int16) {
	c.flexible = true
	c.uuid(&m.ClientInstanceID)
	c.int32(&m.SubscriptionID)
	c.bool(&m.Terminating)
	c.int8(&m.CompressionType)
	c.bytes(&m.Metrics, false)
	c.noTags()
}

// PushTelemetryResponse answers PushTelemetryRequest.
type PushTelemetryResponse struct {
	ThrottleTimeMS int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *PushTelemetryResponse) Reset() {
	*m = PushTelemetryResponse{}
}

// Key is the API key.
func (*PushTelemetryResponse) Key() int16 { return KeyPushTelemetry }
func (*PushTelemetryResponse) response()  {}

func (m *PushTelemetryResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.noTags()
}
