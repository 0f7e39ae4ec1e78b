package otlp

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestDelivery: metrics arrive with the attributes in their resource, and a
// collector that refuses does not stop the next.
func TestDelivery(t *testing.T) {
	got := make(chan []byte, 10)
	refuse := true
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%v %v", err, r.Header)
		}
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		refuse = false
		got <- body
	}))
	defer collector.Close()
	e := NewExporter(collector.URL+"/v1/metrics", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	// MetricsData with two ResourceMetrics, one empty and one with a schema_url.
	in := []byte{0x0a, 0, 0x0a, 4, 0x1a, 2, 'x', 'y'}
	extra := []byte{0x0a, 12, 0x0a, 10, 0x0a, 1, 'a', 0x12, 5, 0x0a, 3, 'b', 'c', 'd'}
	want := bytes.Join([][]byte{{0x0a, 14}, extra, {0x0a, 18, 0x1a, 2, 'x', 'y'}, extra}, nil)
	for range 2 {
		if err := e.Receive(map[string]string{"a": "bcd"}, in); err != nil {
			t.Fatal(err)
		}
		if body := <-got; !bytes.Equal(body, want) {
			t.Errorf("delivered %x, want %x", body, want)
		}
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Error(err)
	}
}

// TestRefused: what is no MetricsData is not passed on, and the queue has an end.
func TestRefused(t *testing.T) {
	e := NewExporter("http://localhost", slog.New(slog.DiscardHandler))
	for _, in := range [][]byte{{1}, {0x0a}, {0x0a, 5, 1}, {0x12, 0}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}} {
		if err := e.Receive(nil, in); err != errMalformed {
			t.Errorf("%x: %v", in, err)
		}
	}
	for range queued {
		if err := e.Receive(nil, []byte{0x0a, 0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Receive(nil, []byte{0x0a, 0}); err != errFull {
		t.Errorf("a full queue took more: %v", err)
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte{0x0a, 4, 0x1a, 2, 'x', 'y'})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := withAttributes(in, map[string]string{"k": "v"})
		if err == nil && len(out) < len(in) {
			t.Fatalf("%x became %x", in, out)
		}
	})
}
