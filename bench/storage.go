package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The goals of the rows of storage.
var (
	asFast  = both(target{Times: 1, Meaning: "at least Kafka's, which does not sync"})
	synced  = map[string]target{policyFsync: {Times: 10, Meaning: "10x Kafka with flush.messages=1"}}
	ahead1  = map[string]target{policyFsync: {Times: 1, Meaning: "at least Kafka's with flush.messages=1"}}
	sooner  = both(target{Times: 1, Meaning: "no worse"})
	started = both(target{AtMost: 3000, Meaning: "within 3 s"})
)

// storageRows are what the journal, the cleaner and many partitions are judged by.
var storageRows = append(smallRows(),
	row{name: "compaction", label: "compaction, 1 KB records, half of the keys twice", once: true, measure: measureCompaction,
		metrics: []metric{{key: "rate", label: "cleaned", unit: "MB/CPU-s", better: higher, targets: sooner}}},
	row{name: "partitions.10000", label: "10,000 partitions", once: true, measure: measureManyPartitions, metrics: []metric{
		{key: "create", label: "created in", unit: "ms", targets: sooner},
		{key: "start", label: "clean stop, then exec to first acknowledged produce", unit: "ms", targets: started},
		{key: "memory", label: "memory (RSS) after that", unit: "MB", targets: both(target{AtMost: 200, Meaning: "at most 200 MB"})}}},
)

// smallRows produce small batches: 100 B records, each acknowledged by itself, over many partitions.
func smallRows() []row {
	var all []row
	for _, flushed := range []bool{false, true} {
		for _, partitions := range []int{1, 100, 1000} {
			for _, producers := range []int{1, 50} {
				s := small{partitions: partitions, producers: producers}
				r := row{name: s.name("small"), label: s.label(), measure: s.measure,
					metrics: append([]metric{{key: "rate", label: "records", unit: "1/s", better: higher, flow: true, targets: asFast}},
						percentileMetrics(sooner, "p50", "p999")...)}
				if flushed {
					s.flushed = true
					goal := ahead1
					if partitions >= 100 && producers >= 50 {
						goal = synced
					}
					r = row{name: s.name("synced"), label: s.label() + ", Kafka with flush.messages=1", once: true, measure: s.measure,
						metrics: append([]metric{{key: "rate", label: "records", unit: "1/s", better: higher, flow: true, targets: goal}},
							percentileMetrics(ahead1, "p50", "p999")...)}
				}
				all = append(all, r)
			}
		}
	}
	return all
}

// small is produce in small batches.
type small struct {
	partitions, producers int
	flushed               bool // the topic asks for a sync after each record, which Strom makes anyway
}

// inFlight is how many records wait for their acknowledgement at any time.
func (s small) inFlight() int { return max(64, 4*s.producers) }

func (s small) name(kind string) string {
	return fmt.Sprintf("%s.%dp.%dproducers", kind, s.partitions, s.producers)
}

func (s small) label() string {
	return fmt.Sprintf("%d partitions, %d producers, %d records of 100 B in flight, acks=all", s.partitions, s.producers, s.inFlight())
}

func (s small) measure(m measuring) (sample, error) {
	configs := map[string]*string{}
	if s.flushed {
		configs["flush.messages"] = kadm.StringPtr("1")
	}
	topic, err := m.newTopicWith(m.ctx, int32(s.partitions), configs)
	if err != nil {
		return sample{}, err
	}
	return m.client("small", topic, m.timed("-clients", strconv.Itoa(s.producers), "-workers", strconv.Itoa(s.inFlight()))...)
}

// smallClient keeps a number of records in flight, one a worker, to partitions in turn.
func smallClient(ctx context.Context, o clientOptions) error {
	producers := make([]*kgo.Client, o.clients)
	for i := range producers {
		producer, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.ClientID(fmt.Sprintf("bench-%d", i)), kgo.RequiredAcks(kgo.AllISRAcks()),
			kgo.ProducerLinger(0), kgo.DefaultProduceTopic(o.topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.UnknownTopicRetries(-1), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			return err
		}
		defer producer.Close()
		producers[i] = producer
	}
	value := make([]byte, latencyRecord)
	return tell(loop{workers: o.workers, warm: o.warm, run: o.run, do: func(ctx context.Context, worker int) error {
		return producers[worker%len(producers)].ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr()
	}}.measure(ctx))
}

// manyTopics times manyPartitions are the partitions of the row with 10,000.
const (
	manyTopics     = 10
	manyPartitions = 1000
	manyTimeout    = 5 * time.Minute
)

// measureManyPartitions creates them, stops the broker cleanly and starts it again.
func measureManyPartitions(m measuring) (sample, error) {
	ctx, cancel := context.WithTimeout(m.ctx, manyTimeout)
	defer cancel()
	began := time.Now()
	for range manyTopics {
		if _, err := m.newTopicOf(ctx, manyPartitions); err != nil {
			return sample{}, err
		}
	}
	created := time.Since(began)
	n := m.nodes[0]
	if err := n.stop(); err != nil {
		return sample{}, err
	}
	settle()
	restarted, err := start(n.command)
	if err != nil {
		return sample{}, err
	}
	n.process = restarted
	ready, err := m.firstProduce(ctx)
	if err != nil {
		return sample{}, err
	}
	if err := pause(ctx, m.plan.Settle); err != nil {
		return sample{}, err
	}
	held, err := memoryOf(n.pid())
	if err != nil {
		return sample{}, err
	}
	return sample{values: map[string]float64{"create": milliseconds(created), "start": milliseconds(ready), "memory": float64(held.now) / 1e6}}, nil
}

const (
	compactedKeys  = 100_000
	compactedBytes = 2 * compactedKeys * 1024 // written, half of which is to go
	cleanTimeout   = 3 * time.Minute
	cleanPoll      = 250 * time.Millisecond
)

// measureCompaction writes every key twice while the cleaner may not touch it, then lets it, and counts the processor
// time until the log has shrunk to what must remain, less what an idle broker would have used.
func measureCompaction(m measuring) (sample, error) {
	topic, err := m.newTopicWith(m.ctx, 1, map[string]*string{
		"cleanup.policy": kadm.StringPtr("compact"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.01"), "segment.bytes": kadm.StringPtr("16777216"),
		"min.compaction.lag.ms": kadm.StringPtr("86400000"),
	})
	if err != nil {
		return sample{}, err
	}
	if _, err := m.client("keyed", topic); err != nil {
		return sample{}, err
	}
	settle()
	client, err := kgo.NewClient(kgo.SeedBrokers(m.seeds()...))
	if err != nil {
		return sample{}, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	pid := m.nodes[0].pid()
	from, err := cpuTime(pid)
	if err != nil {
		return sample{}, err
	}
	if _, err := admin.AlterTopicConfigs(m.ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "min.compaction.lag.ms", Value: kadm.StringPtr("0")}}, topic); err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithTimeout(m.ctx, cleanTimeout)
	defer cancel()
	for {
		size, err := logSize(ctx, admin, topic)
		if err != nil {
			return sample{}, err
		}
		if size < compactedBytes*6/10 {
			break
		}
		if err := pause(ctx, cleanPoll); err != nil {
			return sample{}, fmt.Errorf("the log has %d MB and is not clean: %w", size/1e6, err)
		}
	}
	to, err := cpuTime(pid)
	if err != nil {
		return sample{}, err
	}
	return sample{values: map[string]float64{"rate": float64(compactedBytes) / 1e6 / (to - from).Seconds()}}, nil
}

func logSize(ctx context.Context, admin *kadm.Client, topic string) (int64, error) {
	set := kadm.TopicsSet{}
	set.Add(topic, 0)
	dirs, err := admin.DescribeAllLogDirs(ctx, set)
	if err != nil {
		return 0, err
	}
	var size int64
	for _, broker := range dirs {
		broker.EachPartition(func(p kadm.DescribedLogDirPartition) { size += p.Size })
	}
	return size, nil
}

// keyedClient writes every key twice, values that compress badly.
func keyedClient(ctx context.Context, o clientOptions) error {
	producer, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.DefaultProduceTopic(o.topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer producer.Close()
	for range 2 {
		for key := range compactedKeys {
			producer.Produce(ctx, &kgo.Record{Key: fmt.Appendf(nil, "key-%06d", key), Value: make([]byte, 1000)}, nil)
		}
		if err := producer.Flush(ctx); err != nil {
			return err
		}
	}
	return tell(map[string]float64{}, nil)
}
