package telemetry

import (
	"context"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/telemetry"
	"github.com/stromkafka/strom/internal/wire"
)

// GetTelemetrySubscriptions serves version 0 (KIP-714): what a client is to
// measure and how often it pushes. It needs no right.
type GetTelemetrySubscriptions struct {
	Clients  *Clients
	MaxBytes int // telemetry.max.bytes
}

// accepted are the compressions to push with, the best first.
var accepted = []int8{int8(compress.Zstd), int8(compress.LZ4), int8(compress.Gzip), int8(compress.Snappy)}

// Handle implements server.Handler.
func (h *GetTelemetrySubscriptions) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.GetTelemetrySubscriptionsRequest)
	var s telemetry.Subscribed
	var err error
	h.Clients.do(ctx, r, func(all *telemetry.Instances) bool {
		s, err = all.Get(r.ReceivedAt, body.ClientInstanceID, client(r))
		return s.First
	})
	if err != nil {
		return &wire.GetTelemetrySubscriptionsResponse{ErrorCode: kerr.Code(err)}
	}
	return &wire.GetTelemetrySubscriptionsResponse{ClientInstanceID: s.Instance, SubscriptionID: s.ID, AcceptedCompressionTypes: accepted,
		PushIntervalMS: int32(s.Interval.Milliseconds()), TelemetryMaxBytes: int32(h.MaxBytes), DeltaTemporality: true, RequestedMetrics: s.Metrics}
}
