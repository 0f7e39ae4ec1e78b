package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

// segment is segmentio's kafka-go, which is never idempotent and is told no offsets.
type segment struct{}

var segmentCodecs = map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}

func (segment) produce(server, topic, codec string) error {
	records, err := read()
	if err != nil {
		return err
	}
	w := &kafka.Writer{Addr: kafka.TCP(server), Topic: topic, Compression: segmentCodecs[codec], RequiredAcks: kafka.RequireAll,
		Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return 0 }), BatchTimeout: 50 * time.Millisecond}
	var all []kafka.Message
	for _, r := range records {
		m := kafka.Message{Key: r.Key, Value: r.Value, Time: time.UnixMilli(r.Time)}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, kafka.Header{Key: h.Name, Value: h.Value})
		}
		all = append(all, m)
	}
	return errors.Join(w.WriteMessages(context.Background(), all...), w.Close())
}

func (segment) consume(server string, topics []string) error {
	for _, topic := range topics {
		conn, err := kafka.DialLeader(context.Background(), "tcp", server, topic, 0)
		if err != nil {
			return err
		}
		end, err := conn.ReadLastOffset()
		if err := errors.Join(err, conn.Close()); err != nil {
			return err
		}
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{server}, Topic: topic, Partition: 0, MaxWait: 50 * time.Millisecond})
		if err := r.SetOffset(kafka.FirstOffset); err != nil {
			return err
		}
		for next := int64(0); next < end; {
			m, err := r.ReadMessage(context.Background())
			if err != nil {
				return err
			}
			if err := write(segmentRecord(m)); err != nil {
				return err
			}
			next = m.Offset + 1
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	return nil
}

func segmentRecord(m kafka.Message) record {
	r := record{Topic: m.Topic, Offset: m.Offset, Time: m.Time.UnixMilli(), Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, header{h.Key, h.Value})
	}
	return r
}

func (segment) group(server, group string, count int, topic string) error {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{server}, GroupID: group, Topic: topic, MaxWait: 50 * time.Millisecond,
		StartOffset: kafka.FirstOffset, CommitInterval: 0})
	var all []kafka.Message
	for range count {
		m, err := r.FetchMessage(context.Background())
		if err != nil {
			return err
		}
		if err := write(segmentRecord(m)); err != nil {
			return err
		}
		all = append(all, m)
	}
	return errors.Join(r.CommitMessages(context.Background(), all...), r.Close())
}

// share is a member by hand: a Reader does not tell what it is assigned.
func (segment) share(server, group, topic string) error {
	g, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: group, Brokers: []string{server}, Topics: []string{topic},
		HeartbeatInterval: 300 * time.Millisecond, StartOffset: kafka.FirstOffset})
	if err != nil {
		return err
	}
	for ctx := untilEndOfInput(); ; {
		generation, err := g.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return g.Close()
		case errors.Is(err, kafka.GroupCoordinatorNotAvailable):
			continue // the first group of a cluster waits for the topic of all groups
		case err != nil:
			return err
		}
		var numbers []int32
		for _, a := range generation.Assignments[topic] {
			numbers = append(numbers, int32(a.ID))
			generation.Start(func(ctx context.Context) {
				if err := sharePartition(ctx, generation, server, topic, a); err != nil && ctx.Err() == nil {
					panic(err)
				}
			})
		}
		if err := assigned(map[string][]int32{topic: numbers}); err != nil {
			return err
		}
	}
}

// sharePartition reads and commits until the generation ends.
func sharePartition(ctx context.Context, g *kafka.Generation, server, topic string, a kafka.PartitionAssignment) error {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{server}, Topic: topic, Partition: a.ID, MaxWait: 50 * time.Millisecond})
	defer r.Close()
	if err := r.SetOffset(a.Offset); err != nil {
		return err
	}
	for {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return err
		}
		if err := write(segmentRecord(m)); err != nil {
			return err
		}
		if err := g.CommitOffsets(map[string]map[int]int64{topic: {a.ID: m.Offset + 1}}); err != nil {
			return err
		}
	}
}
