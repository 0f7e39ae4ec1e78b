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
