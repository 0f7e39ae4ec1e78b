package telemetry

import (
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// world is Instances, the time, and what is set on client metrics resources.
type world struct {
	*testing.T
	*Instances
	now   time.Time
	draft *metadata.Draft
	next  model.Offset
}

func newWorld(t *testing.T) *world {
	made := byte(100)
	w := &world{T: t, now: time.UnixMilli(1_700_000_000_000), draft: metadata.NewDraft(metadata.Empty)}
	w.Instances = New(Config{MaxBytes: 1000, NewID: func() model.UUID { made++; return model.UUID{made} }})
	return w
}

// set puts key=value pairs on a resource; an empty value deletes.
func (w *world) set(name string, pairs ...string) {
	w.Helper()
	for i := 0; i < len(pairs); i += 2 {
		r := &wire.ConfigRecord{ResourceType: metadata.ConfigClientMetrics, ResourceName: name, Name: pairs[i], Value: &pairs[i+1]}
		if pairs[i+1] == "" {
			r.Value = nil
		}
		if err := w.draft.Apply(r, w.next); err != nil {
			w.Fatal(err)
		}
		w.next++
	}
	img, _ := w.draft.Image(w.next, 1)
	w.Follow(img)
}

func (w *world) get(id model.UUID, c Client, want error) Subscribed {
	w.Helper()
	s, err := w.Get(w.now, id, c)
	if !errors.Is(err, want) && err != want {
		w.Fatalf("get: %v, want %v", err, want)
	}
	return s
}

func (w *world) push(s Subscribed, change func(*Push), want error) {
	w.Helper()
	p := Push{Instance: s.Instance, ID: s.ID}
	if change != nil {
		change(&p)
	}
	if _, err := w.Push(w.now, p, Client{}); !errors.Is(err, want) && err != want {
		w.Fatalf("push: %v, want %v", err, want)
	}
}

// A client that matches several subscriptions gets all their metrics at the
// shortest interval; one that matches none gets none, every five minutes.
func TestSubscription(t *testing.T) {
	w := newWorld(t)
	id := "app-7"
	client := Client{ID: &id, SoftwareName: "apache-kafka-java", SoftwareVersion: "4.3.1", Address: "10.0.0.7", Port: "41234"}
	if s := w.get(model.UUID{}, client, nil); len(s.Metrics) != 0 || s.Interval != 5*time.Minute || s.Instance.IsZero() {
		t.Errorf("without a subscription: %+v", s)
	}
	w.set("a", "metrics", "b.,a.", "interval.ms", "2000", "match", "client_id=app-[0-9],client_source_address=10\\..*")
	w.set("b", "metrics", "a.,c.", "interval.ms", "1000", "match", "client_software_version=4\\..*,client_source_port=4.*")
	w.set("other", "metrics", "*", "match", "client_id=app")
	s := w.get(model.UUID{}, client, nil)
	if !slices.Equal(s.Metrics, []string{"a.", "b.", "c."}) || s.Interval != time.Second {
		t.Errorf("two match: %+v", s)
	}
	if anonymous := w.get(model.UUID{}, Client{}, nil); len(anonymous.Metrics) != 0 {
		t.Errorf("what is not known matches no pattern: %+v", anonymous)
	}
	w.set("all", "metrics", "*")
	all := w.get(s.Instance, client, nil)
	if !slices.Equal(all.Metrics, []string{"*"}) || all.ID == s.ID || all.Instance != s.Instance {
		t.Errorf("a change shows at once and has another id: %+v", all)
	}
}

// The order of requests that Apache Kafka's ClientMetricsManager allows.
func TestPacing(t *testing.T) {
	w := newWorld(t)
	w.set("a", "metrics", "m.", "interval.ms", "1000")
	s := w.get(model.UUID{}, Client{}, nil)
	w.get(s.Instance, Client{}, kerr.ThrottlingQuotaExceeded)
	w.push(s, nil, nil) // at once after a get
	w.push(s, nil, kerr.ThrottlingQuotaExceeded)
	w.now = w.now.Add(time.Second)
	w.push(s, func(p *Push) { p.ID++ }, kerr.UnknownSubscriptionID)
	w.get(s.Instance, Client{}, nil) // who was told that it does not know its subscription may ask
	w.push(s, nil, kerr.ThrottlingQuotaExceeded)
	w.now = w.now.Add(time.Second)
	w.push(s, func(p *Push) { p.Compression = 5 }, kerr.UnsupportedCompressionType)
	w.get(s.Instance, Client{}, nil)
	w.now = w.now.Add(time.Second)
	w.push(s, func(p *Push) { p.Size = 1001 }, kerr.TelemetryTooLarge)
	w.get(s.Instance, Client{}, kerr.ThrottlingQuotaExceeded)
	w.push(s, func(p *Push) { p.Terminating, p.Size = true, 1000 }, nil) // the last one may come early
	w.push(s, func(p *Push) { p.Terminating = true }, kerr.InvalidRequest)
	w.push(s, func(p *Push) { p.Instance = model.UUID{} }, kerr.InvalidRequest)
}

// A client is forgotten when its connection ends, when it is not heard of, and
// when there are too many.
func TestForgetting(t *testing.T) {
	w := newWorld(t)
	w.set("a", "interval.ms", "1000")
	first := w.get(model.UUID{1: 1}, Client{Connection: "x"}, nil)
	if !first.First {
		t.Error("the connection's end is not asked for")
	}
	w.Disconnected("x")
	w.Disconnected("x")
	if w.Len() != 0 {
		t.Errorf("%d are known after the only one went", w.Len())
	}
	w.get(model.UUID{1: 1}, Client{Connection: "y"}, nil) // not throttled: it is new again
	w.now = w.now.Add(leastMemory + time.Millisecond)
	w.get(model.UUID{1: 2}, Client{Connection: "z"}, nil)
	if w.Len() != 1 {
		t.Errorf("%d are known, one of them silent for long", w.Len())
	}
	for n := range maxInstances + 10 {
		w.get(model.UUID{2: 1, 14: byte(n >> 8), 15: byte(n)}, Client{Connection: strconv.Itoa(n)}, nil)
	}
	if w.Len() > maxInstances || len(w.known) != w.Len() {
		t.Errorf("%d are known", w.Len())
	}
}

// What could not be delivered is told to the client, and starts no new wait.
func TestFailed(t *testing.T) {
	w := newWorld(t)
	s := w.get(model.UUID{}, Client{}, nil)
	w.push(s, nil, nil)
	w.Failed(s.Instance)
	w.Failed(model.UUID{9: 9})
	w.get(s.Instance, Client{}, kerr.ThrottlingQuotaExceeded)
}
