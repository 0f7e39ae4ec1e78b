package controller

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// topicConfigs knows three configs: enough to see that the Machine asks.
type topicConfigs struct{ static map[string]string }

func (topicConfigs) ValidateGroup(overrides map[string]string) error {
	return new(config.Values).ValidateGroup(overrides)
}

func (topicConfigs) Validate(overrides map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		switch name {
		case configMinISR, "retention.ms":
			if _, err := strconv.Atoi(overrides[name]); err != nil {
				return kerr.InvalidConfig.With("Invalid value %s for configuration %s: Not a number", overrides[name], name)
			}
		case configUnclean:
		default:
			return fmt.Errorf("Unknown topic config name: %s", name)
		}
	}
	return nil
}

func (c topicConfigs) Value(name string, overrides, cluster, node map[string]string) string {
	for _, values := range []map[string]string{overrides, node, cluster} {
		if v, ok := values[name]; ok {
			return v
		}
	}
	return c.static[name]
}

func (c topicConfigs) Effective(overrides, cluster, node map[string]string) []ConfigValue {
	var all []ConfigValue
	for _, name := range slices.Sorted(maps.Keys(c.static)) {
		value, source := c.Value(name, overrides, cluster, node), int8(5)
		if _, ok := overrides[name]; ok {
			source = 1
		}
		all = append(all, ConfigValue{Name: name, Value: &value, Source: source})
	}
	return all
}

// harness is a Machine, a log that commits at once, and the image that everyone
// else would see.
type harness struct {
	*Machine
	loader *metadata.Draft
	image  *metadata.Image
	now    time.Time
	next   model.Offset
	ids    byte
	denied map[string]bool // "op resource name" that is not allowed
}

func newHarness(seed uint64, change func(*Config)) *harness {
	h := &harness{now: time.UnixMilli(0).UTC(), loader: metadata.NewDraft(metadata.Empty), image: metadata.Empty, denied: map[string]bool{}}
	cfg := Config{
		NodeID: 1, ClusterID: "cluster", SessionTimeout: 9 * time.Second, MaxIdle: 500 * time.Millisecond,
		ImbalanceInterval: 300 * time.Second, UncleanInterval: 300 * time.Second,
		DefaultPartitions: 1, DefaultReplicas: 1, MinISR: 1, DeleteTopics: true,
		Topics:       topicConfigs{map[string]string{configMinISR: "1", configUnclean: "false", "retention.ms": "604800000"}},
		KRaftVersion: func() int16 { return 1 }, Supported: metadata.SupportedFeatures(false),
		Rand:    rand.New(rand.NewPCG(seed, 7)),
		NewUUID: func() model.UUID { h.ids++; return model.UUID{0: 0x70, 15: h.ids} },
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	h.Machine = New(cfg)
	return h
}

func (h *harness) allowed(op auth.Operation, resource auth.ResourceType, name string) bool {
	return !h.denied[fmt.Sprintf("%d %d %s", op, resource, name)]
}

// commit appends and commits what the Machine decided, over the wire's codec.
func (h *harness) commit(r Result) (err error) {
	for _, v := range r.Records {
		b, err := wire.EncodeRecord(v.Version, v.Record)
		if err != nil {
			return err
		}
		record, _, err := wire.DecodeRecord(b)
		if err != nil {
			return err
		}
		if err := h.loader.Apply(record, h.next); err != nil {
			return err
		}
		h.next++
	}
	h.image, _ = h.loader.Image(h.next-1, 1)
	return nil
}

func (h *harness) request(body wire.Request, version int16) Result {
	return h.Handle(h.now, h.next, Request{Body: body, Version: version, Allowed: h.allowed})
}

func dir(broker, n int) model.UUID { return model.UUID{0: 0xd1, 14: byte(broker), 15: byte(n)} }

func registerRequest(id int, incarnation byte, previous model.BrokerEpoch, rack string) *wire.BrokerRegistrationRequest {
	r := &wire.BrokerRegistrationRequest{}
	r.Reset()
	r.BrokerID, r.ClusterID, r.IncarnationID = int32(id), "cluster", model.UUID{1: 1, 15: incarnation}
	r.Listeners = []wire.BrokerRegistrationRequestListener{{Name: "PLAINTEXT", Host: "b" + strconv.Itoa(id), Port: 9092}}
	for _, f := range metadata.SupportedFeatures(false) {
		r.Features = append(r.Features, wire.BrokerRegistrationRequestFeature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	r.LogDirs, r.PreviousBrokerEpoch = []model.UUID{dir(id, 1)}, int64(previous)
	if rack != "" {
		r.Rack = &rack
	}
	return r
}

func (h *harness) beat(id int, fence, shutdown bool) *wire.BrokerHeartbeatRequest {
	r := &wire.BrokerHeartbeatRequest{}
	r.Reset()
	r.BrokerID, r.CurrentMetadataOffset, r.WantFence, r.WantShutDown = int32(id), int64(h.next-1), fence, shutdown
	if b := h.image.Broker(model.NodeID(id)); b != nil {
		r.BrokerEpoch = int64(b.Epoch)
	}
	return r
}

// TestScripts runs the golden scripts: each command is an event, its output what
// the Machine answers and writes.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		h := newHarness(1, nil)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			r, err := h.run(d)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			if r == nil {
				return h.show(d)
			}
			out := describe(*r)
			if n := arg(d, "commit", len(r.Records)); n < len(r.Records) {
				r.Records = r.Records[:n] // the rest is lost with its leader
			}
			if err := h.commit(*r); err != nil {
				d.Fatalf(t, "%v", err)
			}
			return out
		})
	})
}

func arg[V any](d *datadriven.TestData, name string, fallback V) V {
	if !d.HasArg(name) {
		return fallback
	}
	var text string
	for _, a := range d.CmdArgs {
		if a.Key == name {
			text = strings.Join(a.Vals, ",")
		}
	}
	var v V
	switch p := any(&v).(type) {
	case *string:
		*p = text
	case *int:
		*p, _ = strconv.Atoi(text)
	}
	return v
}

func (h *harness) run(d *datadriven.TestData) (*Result, error) {
	result := func(r Result) (*Result, error) { return &r, nil }
	broker := arg(d, "broker", 1)
	switch d.Cmd {
	case "claim":
		var bootstrap []wire.Record
		if v := arg(d, "version", 0); v > 0 {
			bootstrap = metadata.BootstrapRecords(metadata.DefaultLevels(metadata.Version(v)))
		}
		return result(h.Claim(h.image, h.now, h.next, bootstrap))
	case "renounce":
		h.Renounce()
		return &Result{}, nil
	case "register":
		r := registerRequest(broker, byte(arg(d, "incarnation", 1)), model.BrokerEpoch(arg(d, "previous", -1)), arg(d, "rack", ""))
		if d.HasArg("cluster") {
			r.ClusterID = arg(d, "cluster", "")
		}
		if d.HasArg("no-metadata-version") {
			r.Features = slices.DeleteFunc(r.Features, func(f wire.BrokerRegistrationRequestFeature) bool { return f.Name == metadata.FeatureMetadataVersion })
		}
		if d.HasArg("max-version") {
			for i := range r.Features {
				if r.Features[i].Name == metadata.FeatureMetadataVersion {
					r.Features[i].MaxSupportedVersion = int16(arg(d, "max-version", 0))
				}
			}
		}
		if d.HasArg("dirs-of") {
			r.LogDirs = []model.UUID{dir(arg(d, "dirs-of", 0), 1)}
		}
		return result(h.request(r, 4))
	case "heartbeat":
		r := h.beat(broker, d.HasArg("fence"), d.HasArg("shutdown"))
		if d.HasArg("epoch") {
			r.BrokerEpoch = int64(arg(d, "epoch", 0))
		}
		if d.HasArg("offset") {
			r.CurrentMetadataOffset = int64(arg(d, "offset", 0))
		}
		if d.HasArg("offline") {
			r.OfflineLogDirs = []model.UUID{dir(broker, arg(d, "offline", 1))}
		}
		return result(h.request(r, 2))
	case "unregister":
		return result(h.request(&wire.UnregisterBrokerRequest{BrokerID: int32(broker)}, 0))
	case "producer-ids":
		b := h.beat(broker, false, false)
		return result(h.request(&wire.AllocateProducerIdsRequest{BrokerID: b.BrokerID, BrokerEpoch: b.BrokerEpoch}, 0))
	case "send":
		return h.send(d)
	case "deny":
		for _, line := range strings.Split(d.Input, "\n") {
			h.denied[line] = true
		}
		return &Result{}, nil
	case "advance":
		by, err := time.ParseDuration(d.CmdArgs[0].Key)
		h.now = h.now.Add(by)
		return &Result{}, err
	case "tick":
		return result(h.Tick(h.now, h.next))
	case "lost":
		return result(h.Lost(h.now, h.next, model.NodeID(broker), model.BrokerEpoch(h.beat(broker, false, false).BrokerEpoch)))
	case "show":
		return nil, nil
	}
	return nil, fmt.Errorf("unknown command %s", d.Cmd)
}

// send is any request as JSON: key=19 version=7, with forwarded as a broker passes
// it on.
func (h *harness) send(d *datadriven.TestData) (*Result, error) {
	r, ok := wire.NewRequest(int16(arg(d, "key", 0)))
	if !ok {
		return nil, fmt.Errorf("no such API")
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(d.Input)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(r); err != nil {
		return nil, err
	}
	result := h.Handle(h.now, h.next, Request{Body: r, Version: int16(arg(d, "version", 0)), Forwarded: d.HasArg("forwarded"), Allowed: h.allowed})
	return &result, nil
}

// show is the committed image's partitions and brokers, and the deadline.
func (h *harness) show(d *datadriven.TestData) string {
	var b strings.Builder
	for broker := range h.image.Brokers() {
		fmt.Fprintf(&b, "broker %d epoch=%d fenced=%v shutdown=%v\n", broker.ID, broker.Epoch, broker.Fenced, broker.InControlledShutdown)
	}
	for t := range h.image.Topics() {
		for i, p := range t.Partitions {
			fmt.Fprintf(&b, "%s-%d replicas=%v isr=%v elr=%v last=%v leader=%d epoch=%d/%d recovery=%d\n",
				t.Name, i, p.Replicas, p.ISR, p.ELR, p.LastKnownELR, p.Leader, p.LeaderEpoch, p.PartitionEpoch, p.RecoveryState)
		}
	}
	if d.HasArg("deadline") {
		fmt.Fprintf(&b, "deadline in %v\n", h.Deadline().Sub(h.now))
	}
	return b.String()
}

func describe(r Result) string {
	var b strings.Builder
	if r.Err != nil {
		fmt.Fprintf(&b, "error: %v\n", r.Err)
	}
	if r.Response != nil {
		fmt.Fprintf(&b, "%s\n", compact(r.Response))
	}
	for _, v := range r.Records {
		fmt.Fprintf(&b, "  %s v%d\n", compact(v.Record), v.Version)
	}
	if r.Atomic && len(r.Records) > 1 {
		b.WriteString("  atomic\n")
	}
	return b.String()
}

// compact writes a message with only the fields that differ from its defaults.
func compact(m wire.Message) string {
	v := reflect.ValueOf(m).Elem()
	zero := reflect.New(v.Type())
	zero.Interface().(wire.Message).Reset()
	var fields []string
	for i := range v.NumField() {
		if !reflect.DeepEqual(v.Field(i).Interface(), zero.Elem().Field(i).Interface()) {
			fields = append(fields, v.Type().Field(i).Name+"="+text(v.Field(i)))
		}
	}
	return v.Type().Name() + "{" + strings.Join(fields, " ") + "}"
}

func text(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "null"
		}
		return text(v.Elem())
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, text(v.Index(i)))
		}
		return "[" + strings.Join(all, " ") + "]"
	case reflect.Struct:
		if m, ok := v.Addr().Interface().(wire.Message); ok {
			return strings.TrimPrefix(compact(m), v.Type().Name())
		}
	}
	return fmt.Sprint(v.Interface())
}
