package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	latencyRecord = 100 // bytes
	// drainTimeout is how long the last records may take after they were due.
	drainTimeout = 10 * time.Second
	// maxLatency is what a histogram holds, in microseconds; more is counted as that.
	maxLatency = int64(60e6)
)

// latencyClient sends records at a fixed rate whatever comes back (an open loop) and reads them from the partition. A
// record's latency counts from the moment it was due, which it carries, to the moment the application has it: a stall is
// charged to every record that waited behind it. Every record must arrive, once and in order.
func latencyClient(ctx context.Context, o clientOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.ClientID("bench-consumer"), kgo.FetchMinBytes(1),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer consumer.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.ClientID("bench-producer"), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(0), kgo.DefaultProduceTopic(o.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(1<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer producer.Close()

	schedule := schedule{began: time.Now(), interval: time.Second / time.Duration(o.rate)}
	total := uint64((o.warm + o.run) / schedule.interval)
	var refused atomic.Pointer[error]
	go schedule.send(ctx, producer, total, func(err error) { refused.CompareAndSwap(nil, &err) })

	ctx, stop := context.WithDeadline(ctx, schedule.due(total).Add(drainTimeout))
	defer stop()
	histogram, err := schedule.receive(ctx, consumer, total, uint64(o.warm/schedule.interval))
	if failed := refused.Load(); failed != nil {
		err = errors.Join(*failed, err)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(percentiles(histogram))
}

// A schedule says when each record is due.
type schedule struct {
	began    time.Time
	interval time.Duration
}

func (s schedule) due(n uint64) time.Time { return s.began.Add(time.Duration(n) * s.interval) }

// send produces record n when it is due, or at once when that has passed. A record is its number and padding.
func (s schedule) send(ctx context.Context, producer *kgo.Client, total uint64, refused func(error)) {
	for n := range total {
		if wait := time.Until(s.due(n)); wait > 0 {
			time.Sleep(wait)
		}
		value := make([]byte, latencyRecord)
		binary.BigEndian.PutUint64(value, n)
		producer.TryProduce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				refused(fmt.Errorf("produce: %w", err))
			}
		})
	}
}

// receive reads all records and keeps the latencies of those after the warm-up, in microseconds.
func (s schedule) receive(ctx context.Context, consumer *kgo.Client, total, warm uint64) (*hdrhistogram.Histogram, error) {
	histogram := hdrhistogram.New(1, maxLatency, 3)
	next := uint64(0)
	for next < total {
		fetches := consumer.PollFetches(ctx)
		now := time.Now()
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("record %d of %d: %w", next, total, err)
		}
		for _, record := range fetches.Records() {
			if len(record.Value) != latencyRecord || binary.BigEndian.Uint64(record.Value) != next {
				return nil, fmt.Errorf("offset %d does not hold record %d: lost, repeated or out of order", record.Offset, next)
			}
			if next >= warm {
				took := min(max(now.Sub(s.due(next)).Microseconds(), 1), maxLatency)
				if err := histogram.RecordValue(took); err != nil {
					return nil, err
				}
			}
			next++
		}
	}
	return histogram, nil
}

// percentiles in milliseconds, by the keys of the row's metrics.
func percentiles(h *hdrhistogram.Histogram) map[string]float64 {
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1e3 }
	return map[string]float64{"p50": at(50), "p99": at(99), "p999": at(99.9)}
}
