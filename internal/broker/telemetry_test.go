package broker_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

const clientMetricsConfigs = 16

// served reports whether ApiVersions lists a key.
func (l *life) served(t *testing.T, key int16) bool {
	t.Helper()
	answer, err := ask[*wire.ApiVersionsResponse](l, &wire.ApiVersionsRequest{ClientSoftwareName: "test", ClientSoftwareVersion: "1", NodeID: -1})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(answer.APIKeys, func(k wire.ApiVersionsResponseAPIKey) bool { return k.APIKey == key })
}

// KIP-714: what clients are asked for follows the configs, and what they push
// reaches the collector; without a collector nobody is asked.
func TestClientTelemetry(t *testing.T) {
	delivered := make(chan []byte, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		delivered <- body
	}))
	defer collector.Close()
	l, err := boot(t, vfs.NewMem(), "client.telemetry.otlp.endpoint="+collector.URL, "telemetry.max.bytes=5000")
	if err != nil {
		t.Fatal(err)
	}
	if !l.served(t, wire.KeyGetTelemetrySubscriptions) || !l.served(t, wire.KeyPushTelemetry) {
		t.Fatal("telemetry is not advertised")
	}
	for key, value := range map[string]string{"metrics": "org.apache.kafka.consumer.", "interval.ms": "1000"} {
		if err := l.alter(clientMetricsConfigs, "all", key, value); err != nil {
			t.Fatal(err)
		}
	}
	asked, err := ask[*wire.GetTelemetrySubscriptionsResponse](l, &wire.GetTelemetrySubscriptionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if asked.ErrorCode != 0 || asked.PushIntervalMS != 1000 || asked.TelemetryMaxBytes != 5000 || !slices.Equal(asked.RequestedMetrics, []string{"org.apache.kafka.consumer."}) {
		t.Fatalf("%+v", asked)
	}
	push := func(id int32, metrics []byte) int16 {
		answer, err := ask[*wire.PushTelemetryResponse](l, &wire.PushTelemetryRequest{ClientInstanceID: asked.ClientInstanceID, SubscriptionID: id, Metrics: metrics})
		if err != nil {
			t.Fatal(err)
		}
		return answer.ErrorCode
	}
	if code := push(asked.SubscriptionID, []byte{0x0a, 4, 0x1a, 2, 'x', 'y'}); code != 0 {
		t.Fatal(kerr.FromCode(code))
	}
	if body := <-delivered; !bytes.Contains(body, []byte("xy")) || !bytes.Contains(body, []byte(asked.ClientInstanceID.String())) {
		t.Errorf("delivered %q", body)
	}
	if code := push(asked.SubscriptionID, []byte{0x0a, 0}); code != kerr.ThrottlingQuotaExceeded.Code {
		t.Errorf("at once again: %v", kerr.FromCode(code))
	}
	if err := l.stop(); err != nil {
		t.Error(err)
	}
}

func TestNoTelemetryWithoutCollector(t *testing.T) {
	l, err := boot(t, vfs.NewMem())
	if err != nil {
		t.Fatal(err)
	}
	if l.served(t, wire.KeyGetTelemetrySubscriptions) || l.served(t, wire.KeyPushTelemetry) {
		t.Error("telemetry is advertised")
	}
	if err := l.stop(); err != nil {
		t.Error(err)
	}
}
