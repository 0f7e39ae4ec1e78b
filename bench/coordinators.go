package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// aheadOfKafka is the goal of every row of the coordinators.
var aheadOfKafka = both(target{Times: 1, Meaning: "ahead of Kafka"})

// coordinatorSettings are the brokers', of both systems: without them the rows would measure how long a broker is told to wait.
var coordinatorSettings = []string{"group.initial.rebalance.delay.ms=0", "group.consumer.max.size=2000"}

// coordinatorRows are what groups and transactions are judged by.
var coordinatorRows = append(append(groupRows(),
	row{name: "commits", label: "offset commits, 50 groups at once", measure: loopRow("commits", 50), metrics: loopMetrics("commits")}),
	row{name: "transactions.1", label: "transactions of one record, 1 producer", measure: loopRow("transactions", 1), metrics: loopMetrics("transactions")},
	row{name: "transactions.50", label: "transactions of one record, 50 producers", measure: loopRow("transactions", 50), metrics: loopMetrics("transactions")},
	row{name: "transaction.latency", label: "begin to read_committed consumer, one after another", measure: loopRow("transaction-latency", 1),
		metrics: percentileMetrics(aheadOfKafka, "p50", "p99", "p999")},
)

func loopMetrics(what string) []metric {
	return append([]metric{{key: "rate", label: what, unit: "1/s", better: higher, flow: true, targets: aheadOfKafka}},
		percentileMetrics(aheadOfKafka, "p50", "p999")...)
}

func groupRows() []row {
	var all []row
	for _, protocol := range []string{"classic", "consumer"} {
		for _, members := range []int{100, 1000} {
			all = append(all, row{name: fmt.Sprintf("group.%s.%d", protocol, members), label: fmt.Sprintf("%d members, %s protocol", members, protocol),
				measure: func(m measuring) (sample, error) {
					topic, err := m.newTopicOf(m.ctx, int32(members))
					if err != nil {
						return sample{}, err
					}
					return m.client("group-"+protocol, topic, "-clients", strconv.Itoa(members))
				},
				metrics: []metric{
					{key: "join", label: "all joined", unit: "ms", targets: aheadOfKafka},
					{key: "rebalance", label: "rebalanced after one left", unit: "ms", targets: aheadOfKafka},
				}})
		}
	}
	return all
}

// loopRow runs a client's loop of so many workers on a topic of 50 partitions.
func loopRow(verb string, workers int) measurement {
	return func(m measuring) (sample, error) {
		topic, err := m.newTopicOf(m.ctx, 50)
		if err != nil {
			return sample{}, err
		}
		return m.client(verb, topic, m.timed("-workers", strconv.Itoa(workers))...)
	}
}

// retryEvery is how soon a request is repeated whose coordinator is being made or loads.
const retryEvery = 5 * time.Millisecond

// retry repeats a request while its error says to.
func retry(ctx context.Context, request func() error) error {
	for {
		err := request()
		var code *kerr.Error
		if err == nil || !errors.As(err, &code) || !code.Retriable {
			return err
		}
		if err := pause(ctx, retryEvery); err != nil {
			return errors.Join(code, err)
		}
	}
}

// awaitGroup waits until the coordinator of a group is there and has loaded.
func awaitGroup(ctx context.Context, client *kgo.Client, group string) error {
	return retry(ctx, func() error {
		request := kmsg.NewPtrDescribeGroupsRequest()
		request.Groups = []string{group}
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		err = kerr.ErrorForCode(response.Groups[0].ErrorCode)
		if errors.Is(err, kerr.GroupIDNotFound) {
			return nil
		}
		return err
	})
}

// commitsClient commits offsets of a group of its own in each worker.
func commitsClient(ctx context.Context, o clientOptions) error {
	clients, err := connect(o, o.workers)
	if err != nil {
		return err
	}
	defer closeAll(clients)
	for i := range clients {
		if err := awaitGroup(ctx, clients[0], groupOf(i)); err != nil {
			return err
		}
	}
	topics, err := kadm.NewClient(clients[0]).ListTopics(ctx, o.topic)
	if err != nil {
		return err
	}
	id := topics[o.topic].ID
	offsets := make([]int64, o.workers)
	return tell(loop{workers: o.workers, warm: o.warm, run: o.run, do: func(ctx context.Context, worker int) error {
		offsets[worker]++
		return retry(ctx, func() error { return commit(ctx, clients[worker], o.topic, id, worker, offsets[worker]) })
	}}.measure(ctx))
}

func groupOf(worker int) string { return fmt.Sprintf("bench-%d", worker) }

func commit(ctx context.Context, client *kgo.Client, topic string, id kadm.TopicID, worker int, offset int64) error {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation = groupOf(worker), -1
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = int32(worker), offset
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID, t.Partitions = topic, id, []kmsg.OffsetCommitRequestTopicPartition{p}
	request.Topics = []kmsg.OffsetCommitRequestTopic{t}
	answer, err := client.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
}

// transactional is a producer with a transactional id of its own.
func transactional(o clientOptions, worker int) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.TransactionalID(fmt.Sprintf("bench-%s-%d", o.topic, worker)),
		kgo.DefaultProduceTopic(o.topic), kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// inTransaction produces one record and commits.
func inTransaction(ctx context.Context, producer *kgo.Client, record *kgo.Record) error {
	if err := producer.BeginTransaction(); err != nil {
		return err
	}
	if err := producer.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	return producer.EndTransaction(ctx, kgo.TryCommit)
}

func transactionsClient(ctx context.Context, o clientOptions) error {
	producers := make([]*kgo.Client, o.workers)
	for i := range producers {
		producer, err := transactional(o, i)
		if err != nil {
			return err
		}
		defer producer.Close()
		producers[i] = producer
	}
	value := make([]byte, latencyRecord)
	return tell(loop{workers: o.workers, warm: o.warm, run: o.run, do: func(ctx context.Context, worker int) error {
		return inTransaction(ctx, producers[worker], &kgo.Record{Partition: int32(worker), Value: value})
	}}.measure(ctx))
}

// transactionLatencyClient counts from the begin of a transaction until a consumer has its record.
func transactionLatencyClient(ctx context.Context, o clientOptions) error {
	producer, err := transactional(o, 0)
	if err != nil {
		return err
	}
	defer producer.Close()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMinBytes(1),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer consumer.Close()
	value := make([]byte, latencyRecord)
	return tell(loop{workers: 1, warm: o.warm, run: o.run, do: func(ctx context.Context, _ int) error {
		if err := inTransaction(ctx, producer, &kgo.Record{Value: value}); err != nil {
			return err
		}
		for {
			fetches := consumer.PollFetches(ctx)
			if err := fetches.Err(); err != nil || fetches.NumRecords() > 0 {
				return err
			}
		}
	}}.measure(ctx))
}

// connect makes clients that are used for single requests, each on a connection of its own.
func connect(o clientOptions, n int) ([]*kgo.Client, error) {
	var all []*kgo.Client
	for i := range n {
		client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(o.addr, ",")...), kgo.ClientID(fmt.Sprintf("bench-%d", i)))
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all = append(all, client)
	}
	return all, nil
}

func closeAll(clients []*kgo.Client) {
	for _, c := range clients {
		c.Close()
	}
}
