package broker

import (
	"context"

	api "github.com/stromkafka/strom/internal/api/telemetry"
	"github.com/stromkafka/strom/internal/otlp"
	"github.com/stromkafka/strom/internal/telemetry"
	"github.com/stromkafka/strom/internal/wire"
)

// serveTelemetry serves client telemetry if there is a collector to send it to.
// Without one ApiVersions does not list its keys, as Apache Kafka's does not
// without a plug-in that takes metrics: clients then measure nothing.
func (n *node) serveTelemetry(ctx context.Context, p *parts) {
	endpoint := n.values.String("client.telemetry.otlp.endpoint")
	if endpoint == "" {
		return
	}
	exporter := otlp.NewExporter(endpoint, n.loggers.Logger("telemetry"))
	p.start(ctx, "client telemetry", exporter.Run)
	maxBytes := n.values.Int("telemetry.max.bytes")
	clients := api.NewClients(telemetry.Config{MaxBytes: maxBytes, NewID: n.newUUID}, n.view.Image)
	n.clientRoutes.Handle(wire.KeyGetTelemetrySubscriptions, &api.GetTelemetrySubscriptions{Clients: clients, MaxBytes: maxBytes})
	n.clientRoutes.Handle(wire.KeyPushTelemetry, &api.PushTelemetry{Clients: clients, Receiver: collector{exporter}, MaxBytes: maxBytes, Log: n.loggers.Logger("telemetry")})
}

// collector is the exporter as the handlers know it.
type collector struct{ *otlp.Exporter }

// Receive implements api.Receiver.
func (c collector) Receive(from api.Sender, metrics []byte) error {
	return c.Exporter.Receive(from, metrics)
}
