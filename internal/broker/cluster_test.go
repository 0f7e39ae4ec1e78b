package broker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/broker/brokertest"
)

// quick makes a cluster notice a lost broker soon.
var quick = map[string]string{"broker.session.timeout.ms": "1000", "broker.heartbeat.interval.ms": "200"}

// cluster is three brokers and a topic of three partitions with three replicas.
type cluster struct {
	*brokertest.Cluster
	t      *testing.T
	ctx    context.Context
	client *kgo.Client
	admin  *kadm.Client
}

func startCluster(t *testing.T, o brokertest.Options) *cluster {
	t.Helper()
	o.Log = t.Output()
	if o.Config == nil {
		o.Config = quick
	}
	c := &cluster{Cluster: brokertest.Start(t, o), t: t}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(t.Context(), 100*time.Second)
	t.Cleanup(cancel)
	c.client = c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	c.admin = kadm.NewClient(c.client)
	return c
}

func (c *cluster) create(topic string, partitions int) {
	c.t.Helper()
	if _, err := c.admin.CreateTopic(c.ctx, int32(partitions), 3, nil, topic); err != nil {
		c.t.Fatal(err)
	}
}

// produce writes numbered records from first to last to a partition and waits
// for all acknowledgements.
func (c *cluster) produce(topic string, partition int32, first, last int) {
	c.t.Helper()
	var records []*kgo.Record
	for i := first; i < last; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, "%d", i)})
	}
	if err := c.client.ProduceSync(c.ctx, records...).FirstErr(); err != nil {
		c.t.Fatalf("produce %d to %d: %v", first, last, err)
	}
}

// consume expects exactly the records from 0 to n in a partition.
func (c *cluster) consume(topic string, partition int32, n int, opts ...kgo.Opt) {
	c.t.Helper()
	opts = append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	cl := c.Client(opts...)
	defer cl.Close()
	next := 0
	for next < n {
		fetches := cl.PollFetches(c.ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("after %d records: %v", next, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprint(next); string(r.Value) != want || r.Offset != int64(next) {
				c.t.Fatalf("%s-%d: record %q at %d, want %q", topic, partition, r.Value, r.Offset, want)
			}
			next++
		})
	}
}

// partitions are the topic's as one broker tells.
func (c *cluster) partitions(topic string) kadm.PartitionDetails {
	c.t.Helper()
	details, err := c.admin.ListTopics(c.ctx, topic)
	if err != nil || details[topic].Err != nil {
		c.t.Fatal(err, details[topic].Err)
	}
	return details[topic].Partitions
}

// await waits until the partitions of a topic satisfy a condition.
func (c *cluster) await(topic, what string, ok func(kadm.PartitionDetail) bool) {
	c.t.Helper()
	for {
		all, good := c.partitions(topic), 0
		for _, p := range all {
			if ok(p) {
				good++
			}
		}
		if good == len(all) {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-c.ctx.Done():
			c.t.Fatalf("%s: never came; %+v", what, all)
		}
	}
}

// TestLeaderIsKilled: three brokers, replication factor 3, acks=all. A leader is
// killed, everything acknowledged is read from another, more is written, and the
// killed one comes back into the in-sync set with the same records.
func TestLeaderIsKilled(t *testing.T) {
	c := startCluster(t, brokertest.Options{})
	c.create("t", 3)
	for p := range int32(3) {
		c.produce("t", p, 0, 100)
	}
	c.Nodes[2].Kill()
	for p := range int32(3) {
		c.produce("t", p, 100, 200)
		c.consume("t", p, 200)
	}
	c.await("t", "node 2 is gone", func(p kadm.PartitionDetail) bool { return p.Leader != 2 && len(p.ISR) == 2 })
	c.Nodes[2].Start()
	c.await("t", "node 2 is back", func(p kadm.PartitionDetail) bool { return len(p.ISR) == 3 })
	c.Nodes[3].Kill()
	for p := range int32(3) {
		c.produce("t", p, 200, 300)
		c.consume("t", p, 300)
	}
}
