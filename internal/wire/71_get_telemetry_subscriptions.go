package wire

import "github.com/stromkafka/strom/internal/model"

// GetTelemetrySubscriptionsRequest asks GetTelemetrySubscriptions, API key 71, version 0.
type GetTelemetrySubscriptionsRequest struct {
	ClientInstanceID model.UUID
}

// Reset sets the defaults.
func (m *GetTelemetrySubscriptionsRequest) Reset() {
	*m = GetTelemetrySubscriptionsRequest{}
}

// Key is the API key.
func (*GetTelemetrySubscriptionsRequest) Key() int16 { return KeyGetTelemetrySubscriptions }
func (*GetTelemetrySubscriptionsRequest) request()   {}

func (m *GetTelemetrySubscriptionsRequest) code(c *coder, _ int16) {
	c.flexible = true
	c.uuid(&m.ClientInstanceID)
	c.noTags()
}

// GetTelemetrySubscriptionsResponse answers GetTelemetrySubscriptionsRequest.
type GetTelemetrySubscriptionsResponse struct {
	ThrottleTimeMS           int32
	ErrorCode                int16
	ClientInstanceID         model.UUID
	SubscriptionID           int32
	AcceptedCompressionTypes []int8
	PushIntervalMS           int32
	TelemetryMaxBytes        int32
	DeltaTemporality         bool
	RequestedMetrics         []string
}

// Reset sets the defaults.
func (m *GetTelemetrySubscriptionsResponse) Reset() {
	*m = GetTelemetrySubscriptionsResponse{}
}

// Key is the API key.
func (*GetTelemetrySubscriptionsResponse) Key() int16 { return KeyGetTelemetrySubscriptions }
func (*GetTelemetrySubscriptionsResponse) response()  {}

func (m *GetTelemetrySubscriptionsResponse) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.uuid(&m.ClientInstanceID)
	c.int32(&m.SubscriptionID)
	list(c, &m.AcceptedCompressionTypes, false, (*coder).int8)
	c.int32(&m.PushIntervalMS)
	c.int32(&m.TelemetryMaxBytes)
	c.bool(&m.DeltaTemporality)
	list(c, &m.RequestedMetrics, false, (*coder).string)
	c.noTags()
}
