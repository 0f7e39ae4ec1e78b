//go:build interop

package mixed

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	recordsEach       = 300
	replicationFactor = 3
)

// TestBrokersAmongApacheKafka: a Strom broker joins a cluster whose controller and other brokers are Apache Kafka,
// follows the metadata log, leads partitions, survives the death of each broker, is drained and leaves.
func TestBrokersAmongApacheKafka(t *testing.T) {
	c := newCluster(t, controller(100, kafka), broker(1, kafka), broker(2, kafka), broker(3, strom))
	live(t, c)
}

// TestControllerOfApacheKafka: the controller is Strom, and so are two brokers; the third is Apache Kafka.
func TestControllerOfApacheKafka(t *testing.T) {
	c := newCluster(t, controller(100, strom), broker(1, kafka), broker(2, strom), broker(3, strom))
	live(t, c)
}

// TestQuorumOfApacheKafka: three controllers of Apache Kafka, each of which is killed in turn, and a Strom broker.
func TestQuorumOfApacheKafka(t *testing.T) {
	c := newCluster(t, controller(101, kafka), controller(102, kafka), controller(103, kafka), broker(1, kafka), broker(2, kafka), broker(3, strom))
	live(t, c)
}

// TestThreeNodes: three Strom nodes, brokers and controllers at once, by the same measure, and Kafka's verifiable producer.
func TestThreeNodes(t *testing.T) {
	c := newCluster(t, combined(1, strom), combined(2, strom), combined(3, strom))
	c.createOn(2, "verifiable", placed(c.brokerIDs()))
	out := tool(t, "org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", c.bootstrap(), "--topic", "verifiable", "--max-messages", "5000", "--acks", "-1")
	if got := strings.Count(out, `"name":"producer_send_success"`); got != 5000 || !strings.Contains(out, `"acked":5000`) {
		t.Errorf("kafka-verifiable-producer: %d of 5000 acknowledged", got)
	}
	live(t, c)
}

// live takes a cluster through what happens in one; the last of its brokers leaves it in the end.
func live(t *testing.T, c *cluster) {
	l := ledger{}
	ids := c.brokerIDs()
	for _, through := range ids {
		topic := fmt.Sprintf("through-%d", through)
		c.createOn(through, topic, placed(ids))
		l.add(topic, c.produce(topic, len(ids), recordsEach))
	}
	c.verify(l)
	transactions := ledger{}
	c.coordinators(transactions, ids)
	c.killControllers(l, ids)
	for _, id := range ids {
		c.kill(id)
		c.awaitBrokers(c.running()...)
		for topic := range l {
			l.add(topic, c.produce(topic, len(ids), recordsEach))
		}
		c.verify(l)
		c.start(id)
		c.awaitInSync(l, ids)
		c.preferLeaders(ids)
		for topic := range l {
			l.add(topic, c.produce(topic, len(ids), recordsEach))
		}
		c.verify(l)
	}
	c.coordinators(transactions, ids)
	c.verifyReplicas(l, ids)
	for topic := range transactions {
		c.verifyFiles(topic, placed(ids))
	}
	c.leave(l, ids[len(ids)-1])
}

// killControllers kills each controller of a quorum in turn, and has topics created without it.
func (c *cluster) killControllers(l ledger, ids []int32) {
	c.t.Helper()
	for _, n := range c.nodes {
		if n.isBroker() || c.majority() == c.runningVoters() {
			continue
		}
		c.kill(n.id)
		topic := fmt.Sprintf("without-%d", n.id)
		c.createOn(ids[int(n.id)%len(ids)], topic, placed(ids))
		l.add(topic, c.produce(topic, len(ids), recordsEach))
		c.start(n.id)
	}
	c.verify(l)
}

// awaitInSync waits until every broker says that every replica is in sync.
func (c *cluster) awaitInSync(l ledger, ids []int32) {
	c.t.Helper()
	c.awaitBrokers(ids...)
	for topic := range l {
		for _, asked := range ids {
			c.awaitLeaders(asked, topic, placed(ids))
		}
	}
}

// preferLeaders gives every partition back to its first replica, so that every broker leads and follows.
func (c *cluster) preferLeaders(ids []int32) {
	c.t.Helper()
	results, err := c.admin(ids[0]).ElectLeaders(c.t.Context(), kadm.ElectPreferredReplica, nil)
	if err != nil {
		c.t.Fatalf("preferred leaders: %v%s", err, c.outputs())
	}
	for topic, partitions := range results {
		for p, r := range partitions {
			if r.Err != nil && !errors.Is(r.Err, kerr.ElectionNotNeeded) {
				c.t.Errorf("preferred leader of %s-%d: %v", topic, p, r.Err)
			}
		}
	}
}

// placed gives each broker one partition to lead.
func placed(ids []int32) [][]int32 {
	var all [][]int32
	for i := range ids {
		var replicas []int32
		for r := range replicationFactor {
			replicas = append(replicas, ids[(i+r)%len(ids)])
		}
		all = append(all, replicas)
	}
	return all
}

// leave drains a broker while a producer writes to what it leads, and unregisters it. A clean stop moves the leaderships
// first: nothing that is sent meanwhile fails.
func (c *cluster) leave(l ledger, id int32) {
	c.t.Helper()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.stop(id)
	}()
	for running := true; running; {
		select {
		case <-stopped:
			running = false
		default:
		}
		for topic := range l {
			l.add(topic, c.produce(topic, len(c.brokerIDs()), 1))
		}
	}
	c.awaitBrokers(c.running()...)
	c.verify(l)
	out := tool(c.t, "org.apache.kafka.tools.ClusterTool", "unregister", "--bootstrap-server", c.nodes[c.running()[0]].Addr, "--id", strconv.Itoa(int(id)))
	if want := fmt.Sprintf("Broker %d is no longer registered.", id); !strings.Contains(out, want) {
		c.t.Errorf("kafka-cluster unregister: %s", out)
	}
}

func partitionName(topic string, partition int) string { return fmt.Sprintf("%s-%d", topic, partition) }

// TestObserversStartFromSnapshots: brokers that come when the head of the metadata log has been cleaned away begin with
// the leader's snapshot, and then follow its log.
func TestObserversStartFromSnapshots(t *testing.T) {
	for _, leader := range []kind{kafka, strom} {
		t.Run("from "+string(leader), func(t *testing.T) {
			late := kafka
			if leader == kafka {
				late = strom
			}
			cleaned := controller(100, leader).with("internal.metadata.log.segment.bytes", "12800").with("internal.metadata.delete.delay.millis", "1").
				with("metadata.log.max.record.bytes.between.snapshots", "5000").with("metadata.max.retention.bytes", "10000")
			c := newCluster(t, cleaned, broker(1, kafka), broker(2, late).later())
			for i := range 20 {
				c.createOn(1, fmt.Sprintf("before-%d", i), eight)
			}
			c.awaitCleaning(100)
			c.start(2)
			c.awaitBrokers(1, 2)
			c.awaitLeaders(2, "before-0", eight)
			if first := filepath.Base(c.nodes[2].segments(c, "__cluster_metadata", 0)[0]); first == "00000000000000000000.log" {
				t.Error("node 2 has the metadata log from its beginning")
			}
			l := ledger{}
			c.createOn(2, "after", [][]int32{{1}, {2}})
			l.add("after", c.produce("after", 2, recordsEach))
			c.verify(l)
		})
	}
}

var eight = [][]int32{{1}, {1}, {1}, {1}, {1}, {1}, {1}, {1}}

// awaitCleaning waits until a node has deleted the oldest snapshot of its metadata log, and with it all that came
// before the next one. Apache Kafka does that once a minute.
func (c *cluster) awaitCleaning(id int32) {
	c.t.Helper()
	oldest := ""
	c.awaitFor(3*time.Minute, "cleaning of the metadata log", func(context.Context) error {
		snapshots, err := filepath.Glob(filepath.Join(c.nodes[id].Data, "__cluster_metadata-0", "*.checkpoint"))
		if err != nil {
			return err
		}
		slices.Sort(snapshots)
		if oldest == "" && len(snapshots) > 0 {
			oldest = snapshots[0]
		}
		if len(snapshots) == 0 || snapshots[0] == oldest {
			return fmt.Errorf("%d snapshots, the oldest is %q", len(snapshots), oldest)
		}
		return nil
	})
}

// createOn makes a topic with the given replicas a partition, through one broker, and waits until every broker that runs
// names its leaders.
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
	for _, id := range c.running() {
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

// produce writes n records to each partition with acks=all and returns what was acknowledged, by partition.
func (c *cluster) produce(topic string, partitions, n int) map[int32][]string {
	c.t.Helper()
	client := c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	defer client.Close()
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
	defer client.Close()
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
