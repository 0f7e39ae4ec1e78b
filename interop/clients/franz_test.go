//go:build interop

package clients

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is franz-go, in this process.
type franz struct{}

var franzCodecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func (franz) name() string { return "franz-go" }

func (franz) codecs() []string { return everyCodec }

func (franz) equal(wrote, read *record) string { return exactly(wrote, read) }

func (franz) records() []*record { return samples(true) }

func (franz) produce(ctx context.Context, server, topic, codec string, records []*record) ([]int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(server), kgo.DefaultProduceTopic(topic), kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(franzCodecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var all []*kgo.Record
	for _, r := range records {
		one := &kgo.Record{Key: plain(r.Key), Value: plain(r.Value), Timestamp: time.UnixMilli(r.Time)}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, kgo.RecordHeader{Key: h.Name, Value: plain(h.Value)})
		}
		all = append(all, one)
	}
	var offsets []int64
	for _, result := range client.ProduceSync(ctx, all...) {
		if result.Err != nil {
			return nil, result.Err
		}
		offsets = append(offsets, result.Record.Offset)
	}
	return offsets, nil
}

func (franz) consume(ctx context.Context, server string, topics []string) ([]*record, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(server))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var all []*record
	for _, topic := range topics {
		end, ok := ends.Lookup(topic, 0)
		if !ok || end.Err != nil {
			return nil, fmt.Errorf("the end of %s: %w", topic, end.Err)
		}
		got, err := consumeTopic(ctx, server, topic, end.Offset)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
	}
	return all, nil
}

func consumeTopic(ctx context.Context, server, topic string, end int64) ([]*record, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(server),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var all []*record
	for next := int64(0); next < end; {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			one := &record{Topic: topic, Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: text(r.Key), Value: text(r.Value)}
			for _, h := range r.Headers {
				one.Headers = append(one.Headers, &header{h.Key, text(h.Value)})
			}
			all = append(all, one)
			next = r.Offset + 1
		})
	}
	return all, nil
}
