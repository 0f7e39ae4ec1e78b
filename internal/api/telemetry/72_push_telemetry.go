package telemetry

import (
	"context"
	"log/slog"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/telemetry"
	"github.com/stromkafka/strom/internal/wire"
)

// PushTelemetry serves version 0 (KIP-714): metrics of a client go to the
// receiver, with what is known of the client. It needs no right. Metrics that the
// receiver does not take are refused with INVALID_RECORD, as in Kafka.
type PushTelemetry struct {
	Clients  *Clients
	Receiver Receiver
	MaxBytes int // telemetry.max.bytes
	Log      *slog.Logger
}

// expansion bounds what compressed metrics may become, as a multiple of what may
// be pushed. Metrics repeat their names and compress well.
const expansion = 32

// Handle implements server.Handler.
func (h *PushTelemetry) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.PushTelemetryRequest)
	push := telemetry.Push{Instance: body.ClientInstanceID, ID: body.SubscriptionID, Terminating: body.Terminating,
		Compression: body.CompressionType, Size: len(body.Metrics)}
	var err error
	h.Clients.do(ctx, r, func(all *telemetry.Instances) (first bool) {
		first, err = all.Push(r.ReceivedAt, push, client(r))
		return first
	})
	if err == nil && len(body.Metrics) > 0 {
		err = h.receive(ctx, r, body)
	}
	return &wire.PushTelemetryResponse{ErrorCode: kerr.Code(err)}
}

func (h *PushTelemetry) receive(ctx context.Context, r *server.Request, body *wire.PushTelemetryRequest) error {
	metrics, err := compress.Decompress(compress.Codec(body.CompressionType), nil, body.Metrics, expansion*h.MaxBytes)
	if err == nil {
		err = h.Receiver.Receive(sender(body, r), metrics)
	}
	if err == nil {
		return nil
	}
	h.Log.Error("the metrics of a client were not taken", "instance", body.ClientInstanceID.String(), "client", r.ClientID(), "error", err)
	h.Clients.do(ctx, r, func(all *telemetry.Instances) bool {
		all.Failed(body.ClientInstanceID)
		return false
	})
	return kerr.InvalidRecord
}

// sender names a client as KIP-714 names its attributes.
func sender(body *wire.PushTelemetryRequest, r *server.Request) Sender {
	s := Sender{"client_instance_id": body.ClientInstanceID.String(), "client_id": r.ClientID(), "principal": r.Principal.Name}
	c := client(r)
	for name, value := range map[string]string{
		"client_software_name": c.SoftwareName, "client_software_version": c.SoftwareVersion,
		"client_source_address": c.Address, "client_source_port": c.Port,
	} {
		if value != "" {
			s[name] = value
		}
	}
	return s
}
