package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// samsa is sarama.
type samsa struct{}

var saramaCodecs = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.MaxWaitTime = 50 * time.Millisecond
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	return c
}

func saramaMessage(topic string, r record) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: topic, Timestamp: time.UnixMilli(r.Time)}
	if r.Key != nil {
		m.Key = sarama.ByteEncoder(r.Key)
	}
	if r.Value != nil {
		m.Value = sarama.ByteEncoder(r.Value)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
	}
	return m
}

func (samsa) produce(server, topic, codec string) error {
	records, err := read()
	if err != nil {
		return err
	}
	c := saramaConfig()
	c.Producer.Compression = saramaCodecs[codec]
	if codec == "plain" {
		c.Producer.Idempotent, c.Producer.RequiredAcks = false, sarama.WaitForLocal
	}
	producer, err := sarama.NewSyncProducer([]string{server}, c)
	if err != nil {
		return err
	}
	var all []*sarama.ProducerMessage
	for _, r := range records {
		all = append(all, saramaMessage(topic, r))
	}
	if err := producer.SendMessages(all); err != nil {
		return err
	}
	for _, m := range all {
		fmt.Println(m.Offset)
	}
	return producer.Close()
}

func (samsa) consume(server string, topics []string) error {
	client, err := sarama.NewClient([]string{server}, saramaConfig())
	if err != nil {
		return err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		end, err := client.GetOffset(topic, 0, sarama.OffsetNewest)
		if err != nil {
			return err
		}
		partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		for next := int64(0); next < end; {
			m := <-partition.Messages()
			if err := write(saramaRecord(m)); err != nil {
				return err
			}
			next = m.Offset + 1
		}
		if err := partition.Close(); err != nil {
			return err
		}
	}
	return errors.Join(consumer.Close(), client.Close())
}

func saramaRecord(m *sarama.ConsumerMessage) record {
	r := record{Topic: m.Topic, Offset: m.Offset, Time: m.Timestamp.UnixMilli(), Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, header{string(h.Key), h.Value})
	}
	return r
}

func (samsa) group(server, group string, count int, topic string) error {
	c := saramaConfig()
	c.Consumer.Offsets.AutoCommit.Enable = false
	g, err := sarama.NewConsumerGroup([]string{server}, group, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := &member{cancel: cancel, records: make(chan *sarama.ConsumerMessage), count: count}
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{topic}, m); err != nil {
			return err
		}
	}
	return errors.Join(m.err, g.Close())
}

// member is a member of a group until it has read what it was to read.
type member struct {
	cancel  func()
	records chan *sarama.ConsumerMessage
	count   int
	err     error
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	go func() {
		for {
			select {
			case r := <-m.records:
				m.err = errors.Join(m.err, write(saramaRecord(r)))
				s.MarkMessage(r, "")
				if m.count--; m.count == 0 {
					s.Commit()
					m.cancel()
					return
				}
			case <-s.Context().Done():
				return
			}
		}
	}()
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case r, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			select {
			case m.records <- r:
			case <-s.Context().Done():
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (samsa) share(server, group, topic string) error {
	c := saramaConfig()
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	g, err := sarama.NewConsumerGroup([]string{server}, group, c)
	if err != nil {
		return err
	}
	for ctx := untilEndOfInput(); ctx.Err() == nil; {
		if err := g.Consume(ctx, []string{topic}, sharer{}); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return g.Close()
}

// sharer prints what it is assigned and what it reads, and commits that.
type sharer struct{}

func (sharer) Setup(s sarama.ConsumerGroupSession) error { return assigned(s.Claims()) }

func (sharer) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (sharer) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		if err := write(saramaRecord(m)); err != nil {
			return err
		}
		s.MarkMessage(m, "")
		s.Commit()
	}
	return nil
}

func (samsa) transact(server, id, topic string) error {
	records, err := read()
	if err != nil {
		return err
	}
	c := saramaConfig()
	c.Producer.Transaction.ID = id
	producer, err := sarama.NewSyncProducer([]string{server}, c)
	if err != nil {
		return err
	}
	for at := 0; at < len(records); at += 10 {
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		var all []*sarama.ProducerMessage
		for _, r := range records[at:min(at+10, len(records))] {
			all = append(all, saramaMessage(topic, r))
		}
		if err := producer.SendMessages(all); err != nil {
			return err
		}
		end := producer.CommitTxn
		if at/10%2 == 1 {
			end = producer.AbortTxn
		}
		if err := end(); err != nil {
			return err
		}
	}
	return producer.Close()
}

func (samsa) copy(server, id, group string, count int, from, to string) error {
	c := saramaConfig()
	c.Consumer.Offsets.AutoCommit.Enable = false
	g, err := sarama.NewConsumerGroup([]string{server}, group, c)
	if err != nil {
		return err
	}
	p := saramaConfig()
	p.Producer.Transaction.ID = id
	producer, err := sarama.NewSyncProducer([]string{server}, p)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := &copier{producer: producer, group: group, to: to, left: count, done: cancel}
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{from}, m); err != nil {
			return err
		}
	}
	return errors.Join(m.err, producer.Close(), g.Close())
}

// copier is the one member of its group, of a topic of one partition.
type copier struct {
	producer  sarama.SyncProducer
	group, to string
	left      int
	done      func()
	err       error
}

func (*copier) Setup(sarama.ConsumerGroupSession) error { return nil }

func (*copier) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *copier) ConsumeClaim(_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	var ten []*sarama.ConsumerMessage
	for message := range claim.Messages() {
		if ten = append(ten, message); len(ten) < min(10, m.left) {
			continue
		}
		m.err = errors.Join(m.transact(ten, m.producer.AbortTxn), m.transact(ten, m.producer.CommitTxn))
		m.left -= len(ten)
		ten = nil
		if m.left == 0 || m.err != nil {
			m.done()
			return nil
		}
	}
	return nil
}

func (m *copier) transact(ten []*sarama.ConsumerMessage, end func() error) error {
	if err := m.producer.BeginTxn(); err != nil {
		return err
	}
	var all []*sarama.ProducerMessage
	for _, r := range ten {
		all = append(all, saramaMessage(m.to, saramaRecord(r)))
	}
	if err := m.producer.SendMessages(all); err != nil {
		return err
	}
	if err := m.producer.AddMessageToTxn(ten[len(ten)-1], m.group, nil); err != nil {
		return err
	}
	return end()
}
