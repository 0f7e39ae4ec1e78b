// Package otlp sends metrics to an OpenTelemetry collector over HTTP. What comes
// in is OpenTelemetry's MetricsData, which has the wire form of the collector's
// request, so it is passed on without being understood but for its outermost
// level, where attributes of the sender are added.
package otlp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// queued bounds the metrics that wait to be sent.
const queued = 256

// patience bounds one delivery.
const patience = 10 * time.Second

// Exporter sends metrics to one collector, one after another.
type Exporter struct {
	endpoint string
	client   *http.Client
	log      *slog.Logger
	waiting  chan []byte
}

// NewExporter sends to an OTLP/HTTP endpoint, such as
// http://localhost:4318/v1/metrics. Run delivers.
func NewExporter(endpoint string, log *slog.Logger) *Exporter {
	return &Exporter{endpoint: endpoint, client: &http.Client{Timeout: patience}, log: log, waiting: make(chan []byte, queued)}
}

// errFull is what a collector that does not keep up costs.
var errFull = errors.New("the collector does not keep up: too many metrics wait to be sent")

// Receive queues metrics with the attributes added to each of their resources. It
// does not wait, and does not keep metrics.
func (e *Exporter) Receive(attributes map[string]string, metrics []byte) error {
	out, err := withAttributes(metrics, attributes)
	if err != nil {
		return err
	}
	select {
	case e.waiting <- out:
		return nil
	default:
		return errFull
	}
}

// Run delivers what is queued until ctx is done. What the collector does not take
// is dropped and logged: metrics are worth less tomorrow.
func (e *Exporter) Run(ctx context.Context) error {
	for {
		select {
		case metrics := <-e.waiting:
			if err := e.send(ctx, metrics); err != nil && ctx.Err() == nil {
				e.log.Warn("metrics of a client were not delivered", "endpoint", e.endpoint, "error", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (e *Exporter) send(ctx context.Context, metrics []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.endpoint, bytes.NewReader(metrics))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	// What is left of a short answer is read, so that the connection is used again.
	_, err = io.CopyN(io.Discard, answer.Body, 64<<10)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answered %s", answer.Status)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

var errMalformed = errors.New("these are not OpenTelemetry metrics")

// withAttributes adds attributes to the resource of every ResourceMetrics:
//
//	MetricsData     { repeated ResourceMetrics resource_metrics = 1 }
//	ResourceMetrics { Resource resource = 1; ... }
//	Resource        { repeated KeyValue attributes = 1; ... }
//
// A second occurrence of an embedded message is merged into the first, so that
// one more resource behind the fields of a ResourceMetrics adds to its own.
func withAttributes(metrics []byte, attributes map[string]string) ([]byte, error) {
	extra := field(nil, 1, resource(attributes))
	out := make([]byte, 0, len(metrics)+len(extra)+16)
	for rest := metrics; len(rest) > 0; {
		tag, n := binary.Uvarint(rest)
		if n <= 0 || tag != 1<<3|2 {
			return nil, errMalformed
		}
		rest = rest[n:]
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, errMalformed
		}
		one := rest[n : n+int(size)]
		rest = rest[n+int(size):]
		out = binary.AppendUvarint(append(out, 1<<3|2), size+uint64(len(extra)))
		out = append(append(out, one...), extra...)
	}
	return out, nil
}

// resource is a Resource of these attributes: KeyValue { string key = 1;
// AnyValue value = 2 }, AnyValue { string string_value = 1 }.
func resource(attributes map[string]string) (out []byte) {
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		pair := field(nil, 1, []byte(name))
		pair = field(pair, 2, field(nil, 1, []byte(attributes[name])))
		out = field(out, 1, pair)
	}
	return out
}

// field appends a field that has a length.
func field(out []byte, number byte, content []byte) []byte {
	out = binary.AppendUvarint(append(out, number<<3|2), uint64(len(content)))
	return append(out, content...)
}
