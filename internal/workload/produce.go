package workload

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/history"
)

// producer is a client of the library's own: it batches, pipelines and retries.
// What it reports as an error may have been sent several times, so that is never
// definite.
func (o *Options) producer(name string, acks int16, idempotent bool, partitions []history.Partition) func(context.Context) error {
	return func(ctx context.Context) error {
		opts := []kgo.Opt{
			kgo.ProducerLinger(0), kgo.MaxBufferedRecords(2000), kgo.RecordDeliveryTimeout(o.Patience), kgo.ProduceRequestTimeout(5 * time.Second),
			kgo.UnknownTopicRetries(-1),
		}
		if acks == 1 {
			opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
		}
		if !idempotent {
			opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(5))
		}
		client, err := o.client(name, opts...)
		if err != nil {
			return err
		}
		defer client.Close()
		var open sync.WaitGroup
		numbers := map[history.Partition]int{}
		every := time.NewTicker(o.Every)
		defer every.Stop()
		for ctx.Err() == nil {
			for _, p := range partitions {
				numbers[p]++
				op := history.Op{Kind: history.Send, Client: name, Partition: p, Number: numbers[p], Offset: -1, Acks: acks, Idempotent: idempotent,
					Value: fmt.Sprintf("%s/%s/%d", name, p, numbers[p]), Begin: o.Record.Now()}
				open.Add(1)
				client.TryProduce(context.WithoutCancel(ctx), &kgo.Record{Topic: p.Topic, Partition: p.Index, Value: payload(op.Value, o.Size)},
					func(r *kgo.Record, err error) {
						defer open.Done()
						o.produced(op, r, err)
					})
			}
			select {
			case <-every.C:
			case <-ctx.Done():
			}
		}
		return o.settle(client, &open)
	}
}

// produced records what became of a record. One for which there was no room was
// never sent.
func (o *Options) produced(op history.Op, r *kgo.Record, err error) {
	if errors.Is(err, kgo.ErrMaxBuffered) {
		return
	}
	op.End = o.Record.Now()
	op.Outcome = history.OK
	if err != nil {
		op.Outcome, op.Error = history.Unknown, err.Error()
	} else {
		op.Offset = r.Offset
	}
	o.Record.Add(op)
}

// settle waits for the outcome of all sends. What a client that is closed still
// holds fails, which is an outcome too.
func (o *Options) settle(client *kgo.Client, open *sync.WaitGroup) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*o.Patience)
	defer cancel()
	if err := client.Flush(ctx); err != nil {
		client.Close()
	}
	open.Wait()
	return nil
}

// once is a producer that sends each record by itself and never again, with
// acks=all, so that an error is exactly what the leader answered. Each partition
// has one in flight.
func (o *Options) once(ctx context.Context) error {
	client, err := o.client("once", kgo.RequestRetries(2))
	if err != nil {
		return err
	}
	defer client.Close()
	var running sync.WaitGroup
	for i, p := range o.partitions() {
		s := &sender{options: o, client: client, partition: p, rng: rand.New(rand.NewPCG(o.Seed, uint64(i)))}
		running.Go(func() { s.run(ctx) })
	}
	running.Wait()
	return nil
}

// sender is the producer of one partition.
type sender struct {
	options   *Options
	client    *kgo.Client
	partition history.Partition
	rng       *rand.Rand

	leader int32
	topic  [16]byte
	known  bool // leader and topic are
	number int
}

func (s *sender) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause := s.options.Every/2 + rand.N(s.options.Every)
		if !s.known && !s.findLeader(ctx) {
			pause = 20 * time.Millisecond
		} else if !s.send() {
			s.known = false
			pause = 10 * time.Millisecond
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

func (s *sender) findLeader(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &s.partition.Topic
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, s.client)
	if err != nil || len(response.Topics) != 1 || response.Topics[0].ErrorCode != 0 {
		return false
	}
	for _, p := range response.Topics[0].Partitions {
		if p.Partition == s.partition.Index && p.Leader >= 0 {
			s.leader, s.topic, s.known = p.Leader, response.Topics[0].TopicID, true
		}
	}
	return s.known
}

// send sends one record and reports whether it was acknowledged.
func (s *sender) send() bool {
	o := s.options
	s.number++
	op := history.Op{Kind: history.Send, Client: "once", Partition: s.partition, Number: s.number, Offset: -1, Acks: -1,
		Value: fmt.Sprintf("once/%s/%d", s.partition, s.number), Begin: o.Record.Now()}
	request := s.request(payload(op.Value, o.Size))
	// A request that outlives the cluster's own time-out is one to a node that is gone.
	ctx, cancel := context.WithTimeout(context.Background(), 6*time.Second)
	defer cancel()
	response, err := s.client.Broker(int(s.leader)).Request(ctx, request)
	op.End = o.Record.Now()
	op.Outcome = history.Unknown
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		op.Outcome, op.Error = history.Classify(-1, 0), err.Error()
	case err != nil:
		op.Error = err.Error()
	default:
		s.answered(&op, response.(*kmsg.ProduceResponse))
	}
	o.Record.Add(op)
	return op.Outcome == history.OK
}

func (s *sender) answered(op *history.Op, response *kmsg.ProduceResponse) {
	if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		op.Error = "an answer without the partition"
		return
	}
	answer := response.Topics[0].Partitions[0]
	op.Outcome = history.Classify(answer.ErrorCode, 1)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		op.Error = err.Error()
	} else {
		op.Offset = answer.BaseOffset
	}
}

func (s *sender) request(value []byte) *kmsg.ProduceRequest {
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 5000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = s.partition.Topic, s.topic
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Partition, partition.Records = s.partition.Index, oneRecord(value)
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	return request
}
