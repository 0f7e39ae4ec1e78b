//go:build interop

package mixed

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const recordsEach = 500

// TestBrokerAmongApacheKafka: a Strom broker in a cluster whose controller and other brokers are Apache Kafka.
func TestBrokerAmongApacheKafka(t *testing.T) {
	c := newCluster(t, controller(100, kafka), broker(1, kafka), broker(2, kafka), broker(3, strom))
	exercise(t, c)
}

// TestControllerOfApacheKafka: Apache Kafka brokers in a cluster whose controller is Strom.
func TestControllerOfApacheKafka(t *testing.T) {
	c := newCluster(t, controller(100, strom), broker(1, kafka), broker(2, strom), broker(3, strom))
	exercise(t, c)
}

// exercise makes a topic with one partition on each broker, asking each broker in turn, and reads and writes all of them.
func exercise(t *testing.T, c *cluster) {
	ids := c.brokerIDs()
	for _, through := range ids {
		topic := fmt.Sprintf("through-%d", through)
		c.createOn(through, topic, oneReplicaEach(ids))
		values := c.produce(topic, len(ids), recordsEach)
		c.verifyConsumed(topic, values)
	}
}

func oneReplicaEach(ids []int32) [][]int32 {
	var all [][]int32
	for _, id := range ids {
		all = append(all, []int32{id})
	}
	return all
}

// createOn makes a topic with the given replicas a partition, through one broker, and waits until every broker names its leaders.
func (c *cluster) createOn(through int32, topic string, replicas [][]int32) {
	c.t.Helper()
	client := c.client(kgo.SeedBrokers(c.nodes[through].Addr))
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30000
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, -1, -1
	for i, r := range replicas {
		assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		assignment.Partition, assignment.Replicas = int32(i), r
		one.ReplicaAssignment = append(one.ReplicaAssignment, assignment)
	}
	request.Topics = append(request.Topics, one)
	// To this broker itself, which forwards it.
	response, err := client.Broker(int(through)).Request(c.t.Context(), request)
	if err != nil {
		c.t.Fatalf("creating %s through %d: %v%s", topic, through, err, c.outputs())
	}
	if e := response.(*kmsg.CreateTopicsResponse).Topics[0]; e.ErrorCode != 0 {
		c.t.Fatalf("creating %s through %d: error %d: %s", topic, through, e.ErrorCode, *e.ErrorMessage)
	}
	for _, id := range c.brokerIDs() {
		c.awaitLeaders(id, topic, replicas)
	}
}

// awaitLeaders waits until the broker names a leader and the whole in-sync set of each partition.
func (c *cluster) awaitLeaders(id int32, topic string, replicas [][]int32) {
	c.t.Helper()
	admin := c.admin(id)
	c.await(fmt.Sprintf("leaders of %s as node %d sees them", topic, id), func(ctx context.Context) error {
		topics, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return err
		}
		for _, p := range topics[topic].Partitions.Sorted() {
			isr := slices.Sorted(slices.Values(p.ISR))
			if want := slices.Sorted(slices.Values(replicas[p.Partition])); p.Err != nil || p.Leader < 0 || !slices.Equal(isr, want) {
				return fmt.Errorf("partition %d: leader %d, in sync %v of %v: %v", p.Partition, p.Leader, isr, want, p.Err)
			}
		}
		if got := len(topics[topic].Partitions); got != len(replicas) {
			return fmt.Errorf("%d partitions: %v", got, topics[topic].Err)
		}
		return nil
	})
}

// produce writes n records to each partition with acks=all and returns what was acknowledged: partition to values by offset.
func (c *cluster) produce(topic string, partitions, n int) map[int32][]string {
	c.t.Helper()
	client := c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	acknowledged := map[int32][]string{}
	for p := range int32(partitions) {
		var records []*kgo.Record
		for i := range n {
			records = append(records, &kgo.Record{Partition: p, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "%s %d %d", topic, p, i)})
		}
		for _, result := range client.ProduceSync(c.t.Context(), records...) {
			if result.Err != nil {
				c.t.Fatalf("producing to %s %d: %v%s", topic, p, result.Err, c.outputs())
			}
			acknowledged[p] = append(acknowledged[p], string(result.Record.Value))
		}
	}
	return acknowledged
}

// verifyConsumed reads the topic and compares with what was acknowledged, in order.
func (c *cluster) verifyConsumed(topic string, want map[int32][]string) {
	c.t.Helper()
	client := c.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	missing := 0
	for _, values := range want {
		missing += len(values)
	}
	got := map[int32][]string{}
	for missing > 0 {
		fetches := client.PollFetches(c.t.Context())
		if err := fetches.Err0(); err != nil {
			c.t.Fatal(err)
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			c.t.Fatalf("consuming %s %d: %v", topic, partition, err)
		})
		fetches.EachRecord(func(r *kgo.Record) {
			got[r.Partition] = append(got[r.Partition], string(r.Value))
			missing--
		})
	}
	for p, values := range want {
		if !slices.Equal(got[p], values) {
			c.t.Errorf("%s %d: %d records consumed, %d acknowledged, or in another order", topic, p, len(got[p]), len(values))
		}
	}
}
