package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/stromkafka/strom/interop/internal/peer"
	"github.com/stromkafka/strom/interop/internal/raw"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// round is everything measured of one system in one round.
type round struct {
	StartMS    float64            // from exec to the first produce that succeeded
	IdleBytes  int64              // memory with nothing to do
	IdleCPU    float64            // share of a core with nothing to do
	LoadBytes  int64              // the most memory at any time
	Loads      map[string]load    // by row
	Latency    map[string]float64 // milliseconds at a fixed rate, by percentile
	RoundTrips map[string]float64 // milliseconds of EndToEndLatency, by percentile
}

// load is one throughput.
type load struct {
	RecordsPerSecond float64
	MBPerSecond      float64
	BrokerCPUPerGB   float64 // seconds
	ClientCore       float64 // share of its core that the client used
}

// saturated tells that the client, not the broker, set the pace.
func (l load) saturated() bool { return l.ClientCore >= 0.95 }

// produceRow is a row of produced load.
type produceRow struct {
	name    string
	size    int
	acks    string
	records int
}

func produceRows(p plan) []produceRow {
	return []produceRow{
		{"100 B, acks=1", 100, "1", p.Records100},
		{"100 B, acks=all", 100, "all", p.Records100},
		{"1 KB, acks=1", 1000, "1", p.Records1000},
		{"1 KB, acks=all", 1000, "all", p.Records1000},
	}
}

const (
	consumeRow   = "consume, 1 KB"
	consumeTopic = "load-3"
	gigabyte     = 1e9
)

// measure runs one system through everything, on an empty directory that is removed afterwards.
func measure(ctx context.Context, p plan, s system, root, parent string) (_ *round, err error) {
	dir, err := os.MkdirTemp(parent, "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	node, err := peer.Format(ctx, s.options(dir))
	if err != nil {
		return nil, err
	}
	r := &round{Loads: map[string]load{}}
	if err := node.Launch(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, node.Stop()) }()
	if err := firstProduce(ctx, node.Addr); err != nil {
		return nil, fmt.Errorf("first produce: %w: %s", err, node.Output())
	}
	r.StartMS = float64(time.Since(node.Started).Microseconds()) / 1000
	steps := []func(context.Context, plan, *peer.Node, string, *round) error{idle, warm, produces, consumes, latencies, roundTrips}
	for _, step := range steps {
		if err := step(ctx, p, node, root, r); err != nil {
			return nil, err
		}
	}
	r.LoadBytes, err = memory(node.PID(), "VmHWM")
	return r, err
}

// firstProduce tries, every millisecond, to store one record in a topic that nobody has made.
func firstProduce(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := tryProduce(ctx, addr)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Millisecond):
		}
	}
}

// tryProduce looks whether somebody answers before it builds a client, whose own waits are longer than what is measured.
func tryProduce(ctx context.Context, addr string) error {
	conn, err := raw.Dial(addr, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	ask := kmsg.NewPtrMetadataRequest()
	ask.SetVersion(9)
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("first")
	ask.Topics, ask.AllowAutoTopicCreation = append(ask.Topics, topic), true
	_, resp, err := conn.Do(ask)
	if err != nil {
		return err
	}
	if got := resp.(*kmsg.MetadataResponse).Topics; len(got) != 1 || got[0].ErrorCode != 0 || len(got[0].Partitions) == 0 || got[0].Partitions[0].Leader < 0 {
		return errors.New("no leader")
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RetryTimeout(5*time.Second), kgo.RetryBackoffFn(func(int) time.Duration { return time.Millisecond }),
		kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, &kgo.Record{Topic: "first", Value: []byte("first")}).FirstErr()
}

func idle(ctx context.Context, p plan, node *peer.Node, _ string, r *round) error {
	if err := pause(ctx, 2*time.Second); err != nil { // what a start leaves to do
		return err
	}
	before, err := cpu(node.PID())
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(p.IdleSeconds)*time.Second); err != nil {
		return err
	}
	after, err := cpu(node.PID())
	if err != nil {
		return err
	}
	r.IdleCPU = (after - before).Seconds() / float64(p.IdleSeconds)
	r.IdleBytes, err = memory(node.PID(), "VmRSS")
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// withBrokerCPU runs a client and returns the broker's processor time meanwhile.
func withBrokerCPU(node *peer.Node, run func() error) (time.Duration, error) {
	before, err := cpu(node.PID())
	if err != nil {
		return 0, err
	}
	if err := run(); err != nil {
		return 0, err
	}
	after, err := cpu(node.PID())
	return after - before, err
}

// warm gives the broker, a JVM above all, something to do before anything counts.
func warm(ctx context.Context, p plan, node *peer.Node, root string, _ *round) error {
	for _, row := range []produceRow{{size: 100, acks: "all", records: p.Records100 / 3}, {size: 1000, acks: "1", records: p.Records1000 / 3}} {
		if _, err := producerPerformance(ctx, root, node.Addr, "warm", row, 1); err != nil {
			return err
		}
	}
	return nil
}

func produces(ctx context.Context, p plan, node *peer.Node, root string, r *round) error {
	for i, row := range produceRows(p) {
		var l load
		spent, err := withBrokerCPU(node, func() (err error) {
			l, err = producerPerformance(ctx, root, node.Addr, fmt.Sprintf("load-%d", i), row, p.Warmup)
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		l.BrokerCPUPerGB = spent.Seconds() / (float64(row.records+p.Warmup) * float64(row.size) / gigabyte)
		r.Loads[row.name] = l
	}
	return nil
}

func consumes(ctx context.Context, p plan, node *peer.Node, _ string, r *round) error {
	bytes := float64(p.Records1000+p.Warmup) * 1000
	var l load
	spent, err := withBrokerCPU(node, func() (err error) {
		l, err = consumeAll(ctx, node.Addr, consumeTopic, p.Records1000+p.Warmup)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", consumeRow, err)
	}
	l.BrokerCPUPerGB = spent.Seconds() / (bytes / gigabyte)
	r.Loads[consumeRow] = l
	return nil
}

func latencies(ctx context.Context, p plan, node *peer.Node, _ string, r *round) (err error) {
	r.Latency, err = fixedRate(ctx, node.Addr, "latency", p.LatencyRate, p.LatencySeconds)
	return err
}

func roundTrips(ctx context.Context, p plan, node *peer.Node, root string, r *round) (err error) {
	r.RoundTrips, err = endToEndLatency(ctx, root, node.Addr, p.RoundTrips)
	return err
}
