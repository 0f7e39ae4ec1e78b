package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/telemetry"
	"github.com/stromkafka/strom/internal/wire"
)

// receiver keeps what it is given, or refuses it.
type receiver struct {
	from    Sender
	metrics string
	refuses error
}

func (r *receiver) Receive(from Sender, metrics []byte) error {
	r.from, r.metrics = from, string(metrics)
	return r.refuses
}

// world is both handlers with one client on one connection.
type world struct {
	*testing.T
	clients  *Clients
	get      *GetTelemetrySubscriptions
	push     *PushTelemetry
	receiver *receiver
	ctx      context.Context
	now      time.Time
}

func newWorld(t *testing.T, ctx context.Context) *world {
	ids := byte(0)
	clients := NewClients(telemetry.Config{MaxBytes: 100, NewID: func() model.UUID { ids++; return model.UUID{1: ids} }},
		func() *metadata.Image { return metadata.Empty })
	r := &receiver{}
	return &world{t, clients, &GetTelemetrySubscriptions{Clients: clients, MaxBytes: 100},
		&PushTelemetry{Clients: clients, Receiver: r, MaxBytes: 100, Log: slog.New(slog.DiscardHandler)}, r, ctx, time.UnixMilli(1_700_000_000_000)}
}

func (w *world) request(body wire.Request) *server.Request {
	id := "app"
	return &server.Request{Header: wire.RequestHeader{ClientID: &id}, Body: body, ConnectionID: "c", ClientHost: "10.0.0.1", ClientPort: "4711",
		Software: server.Software{Name: "test", Version: "1"}, ReceivedAt: w.now}
}

func (w *world) asked() *wire.GetTelemetrySubscriptionsResponse {
	w.Helper()
	return w.get.Handle(w.ctx, w.request(&wire.GetTelemetrySubscriptionsRequest{})).(*wire.GetTelemetrySubscriptionsResponse)
}

func (w *world) pushed(to *wire.GetTelemetrySubscriptionsResponse, codec compress.Codec, metrics []byte) error {
	w.Helper()
	body := &wire.PushTelemetryRequest{ClientInstanceID: to.ClientInstanceID, SubscriptionID: to.SubscriptionID, CompressionType: int8(codec), Metrics: metrics}
	w.now = w.now.Add(time.Hour)
	return kerr.FromCode(w.push.Handle(w.ctx, w.request(body)).(*wire.PushTelemetryResponse).ErrorCode)
}

// TestPush: what a client pushes reaches the receiver decompressed and with the
// client's name; what cannot be decompressed, or is not taken, is INVALID_RECORD.
func TestPush(t *testing.T) {
	w := newWorld(t, t.Context())
	s := w.asked()
	packed, err := compress.Compress(compress.Zstd, 3, nil, []byte("metrics"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.pushed(s, compress.Zstd, packed); err != nil || w.receiver.metrics != "metrics" {
		t.Errorf("%v, received %q", err, w.receiver.metrics)
	}
	for name, want := range map[string]string{"client_instance_id": s.ClientInstanceID.String(), "client_id": "app",
		"client_software_name": "test", "client_source_address": "10.0.0.1", "client_source_port": "4711"} {
		if got := w.receiver.from[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	bomb, err := compress.Compress(compress.Zstd, 3, nil, make([]byte, expansion*100+1))
	if err != nil {
		t.Fatal(err)
	}
	for what, metrics := range map[string][]byte{"garbage": {1, 2, 3}, "a bomb": bomb} {
		if err := w.pushed(s, compress.Zstd, metrics); !errors.Is(err, kerr.InvalidRecord) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.receiver.refuses = errors.New("no")
	if err := w.pushed(s, compress.None, []byte("metrics")); !errors.Is(err, kerr.InvalidRecord) {
		t.Errorf("what is not taken: %v", err)
	}
}

// TestDisconnected: a client is forgotten when its connection ends.
func TestDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWorld(t, ctx)
		w.asked()
		if n := w.clients.instances.Len(); n != 1 {
			t.Errorf("%d clients are known", n)
		}
		cancel()
		synctest.Wait()
		if n := w.clients.instances.Len(); n != 0 {
			t.Errorf("%d clients are known without a connection", n)
		}
	})
}
