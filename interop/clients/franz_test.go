//go:build interop

package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is franz-go, in this process.
type franz struct{}

var franzCodecs = map[string]kgo.CompressionCodec{
	plainWrites: kgo.NoCompression(),
	"none":      kgo.NoCompression(),
	"gzip":      kgo.GzipCompression(),
	"snappy":    kgo.SnappyCompression(),
	"lz4":       kgo.Lz4Compression(),
	"zstd":      kgo.ZstdCompression(),
}

func (franz) name() string { return "franz-go" }

func (franz) codecs() []string { return append(slices.Clone(everyCodec), plainWrites) }

func (franz) equal(wrote, read *record) string { return exactly(wrote, read) }

func (franz) records() []*record { return samples(true) }

func (franz) produce(ctx context.Context, server, topic, codec string, records []*record) ([]int64, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(server), kgo.DefaultProduceTopic(topic), kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(franzCodecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(50 * time.Millisecond)}
	if codec == plainWrites {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var all []*kgo.Record
	for _, r := range records {
		all = append(all, toFranz(r))
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

func (franz) groupProtocols() []string { return []string{"classic", "consumer"} }

func (franz) group(ctx context.Context, server, group, protocol, topic string, count int) ([]*record, error) {
	client, err := kgo.NewClient(franzMember(server, group, protocol, topic)...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var all []*record
	for len(all) < count {
		fetches := client.PollRecords(ctx, count-len(all))
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) { all = append(all, franzRecord(r)) })
	}
	return all, client.CommitUncommittedOffsets(ctx)
}

func franzMember(server, group, protocol, topic string) []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(server), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(300 * time.Millisecond), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.MetadataMaxAge(500 * time.Millisecond)}
	if strings.HasPrefix(topic, "^") {
		opts = append(opts, kgo.ConsumeRegex())
	}
	if protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	return opts
}

func (franz) transactional() bool { return true }

func (franz) transact(ctx context.Context, server, id, topic string, records []*record) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(server), kgo.TransactionalID(id), kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	for at := 0; at < len(records); at += 10 {
		if err := client.BeginTransaction(); err != nil {
			return err
		}
		for _, r := range records[at:min(at+10, len(records))] {
			client.Produce(ctx, toFranz(r), nil)
		}
		if err := errors.Join(client.Flush(ctx), client.EndTransaction(ctx, kgo.TransactionEndTry(at/10%2 == 0))); err != nil {
			return err
		}
	}
	return nil
}

func (franz) copy(ctx context.Context, server, id, group string, count int, from, to string) error {
	session, err := kgo.NewGroupTransactSession(append(franzMember(server, group, "classic", from), kgo.TransactionalID(id),
		kgo.DefaultProduceTopic(to), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer session.Close()
	for left, abort := count, true; left > 0; abort = !abort {
		fetches := session.PollRecords(ctx, 10)
		if err := errors.Join(fetches.Err(), ctx.Err()); err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { session.Produce(ctx, toFranz(franzRecord(r)), nil) })
		// What is aborted is read again.
		committed, err := session.End(ctx, kgo.TransactionEndTry(!abort))
		if err != nil {
			return err
		}
		if committed {
			left -= fetches.NumRecords()
		}
	}
	return nil
}

func toFranz(r *record) *kgo.Record {
	one := &kgo.Record{Key: plain(r.Key), Value: plain(r.Value), Timestamp: time.UnixMilli(r.Time)}
	for _, h := range r.Headers {
		one.Headers = append(one.Headers, kgo.RecordHeader{Key: h.Name, Value: plain(h.Value)})
	}
	return one
}

func franzRecord(r *kgo.Record) *record {
	one := &record{Topic: r.Topic, Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: text(r.Key), Value: text(r.Value)}
	for _, h := range r.Headers {
		one.Headers = append(one.Headers, &header{h.Key, text(h.Value)})
	}
	return one
}

func consumeTopic(ctx context.Context, server, topic string, end int64) ([]*record, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(server),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
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
			if !r.Attrs.IsControl() {
				all = append(all, franzRecord(r))
			}
			next = r.Offset + 1
		})
	}
	return all, nil
}
