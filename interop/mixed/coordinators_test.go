//go:build interop

package mixed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	coordinated    = "coordinated"
	committedEach  = 20 // records of a transaction in each partition
	groupKey       = 0  // of FindCoordinator
	transactionKey = 1
)

// coordinators have every broker coordinate a transaction over partitions that all of them lead, and the next broker
// the group whose positions a copying transaction commits. Called again, it goes on where it was.
func (c *cluster) coordinators(l ledger, ids []int32) {
	c.t.Helper()
	if l[coordinated] == nil {
		c.createOn(ids[0], coordinated, placed(ids))
	}
	for _, id := range ids {
		l.add(coordinated, c.transact(c.coordinatedBy(id, transactionKey, "writer"), id, len(ids)))
	}
	for i, id := range ids {
		group := c.coordinatedBy(ids[(i+1)%len(ids)], groupKey, "copiers")
		topic := fmt.Sprintf("copied-%d", id)
		if l[topic] == nil {
			c.createOn(id, topic, placed(ids))
		}
		c.copyTransactionally(c.coordinatedBy(id, transactionKey, "copier"), group, topic, l)
	}
	for _, id := range ids {
		c.consumeInGroup(c.coordinatedBy(id, groupKey, "readers"), l)
	}
}

// coordinatedBy is a key whose coordinator is that broker, the same one each time: a broker that was away is made the
// leader again of what it led.
func (c *cluster) coordinatedBy(id int32, kind int8, prefix string) (key string) {
	c.t.Helper()
	client := c.client()
	defer client.Close()
	name := fmt.Sprintf("%s of %d", prefix, id)
	var candidates []string
	for i := range 20 {
		candidates = append(candidates, fmt.Sprintf("%s-%d", prefix, i))
	}
	if known, ok := c.keys[name]; ok {
		candidates = []string{known}
	}
	c.await("a key for "+name, func(ctx context.Context) error {
		request := kmsg.NewPtrFindCoordinatorRequest()
		request.CoordinatorType, request.CoordinatorKeys = kind, candidates
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		for _, one := range response.Coordinators {
			if err = kerr.ErrorForCode(one.ErrorCode); err == nil && one.NodeID == id {
				key = one.Key
				return nil
			}
		}
		_, elected := kadm.NewClient(client).ElectLeaders(ctx, kadm.ElectPreferredReplica, nil)
		return errors.Join(fmt.Errorf("none of %d keys", len(response.Coordinators)), err, elected)
	})
	c.keys[name] = key
	return key
}

// transact commits a transaction with records in every partition and aborts another one. It returns what was committed.
func (c *cluster) transact(id string, by int32, partitions int) map[int32][]string {
	c.t.Helper()
	client := c.client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(coordinated))
	defer client.Close()
	committed := map[int32][]string{}
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			c.t.Fatalf("%s begins: %v%s", id, err, c.outputs())
		}
		for p := range int32(partitions) {
			for i := range committedEach {
				value := fmt.Sprintf("%s %v %d %d", id, end, p, i)
				if err := client.ProduceSync(c.t.Context(), &kgo.Record{Partition: p, Value: []byte(value)}).FirstErr(); err != nil {
					c.t.Fatalf("%s produces to partition %d: %v%s", id, p, err, c.outputs())
				}
				if end == kgo.TryCommit {
					committed[p] = append(committed[p], value)
				}
			}
		}
		c.verifyOpen(id, by, partitions)
		if err := client.EndTransaction(c.t.Context(), end); err != nil {
			c.t.Fatalf("%s ends: %v%s", id, err, c.outputs())
		}
	}
	return committed
}

// verifyOpen asks the coordinator and every leader what is open.
func (c *cluster) verifyOpen(id string, by int32, partitions int) {
	c.t.Helper()
	admin := c.admin(by)
	described, err := admin.DescribeTransactions(c.t.Context(), id)
	if err != nil {
		c.t.Fatalf("describing %s: %v%s", id, err, c.outputs())
	}
	d := described[id]
	if d.Err != nil || d.Coordinator != by || d.State != "Ongoing" || len(d.Topics[coordinated]) != partitions {
		c.t.Errorf("node %d describes %s as %+v", by, id, d)
	}
	var set kadm.TopicsSet
	for p := range int32(partitions) {
		set.Add(coordinated, p)
	}
	producers, err := admin.DescribeProducers(c.t.Context(), set)
	if err != nil {
		c.t.Fatalf("describing producers: %v%s", err, c.outputs())
	}
	open := 0
	producers.EachProducer(func(p kadm.DescribedProducer) {
		if p.ProducerID == d.ProducerID && p.CurrentTxnStartOffset >= 0 && int16(p.ProducerEpoch) == d.ProducerEpoch {
			open++
		}
	})
	if open != partitions {
		c.t.Errorf("%s is open in %d partitions of %d: %+v", id, open, partitions, producers)
	}
}

// copyTransactionally copies what the group has not copied yet, in one transaction with its positions, and checks that
// there is one copy of everything.
func (c *cluster) copyTransactionally(id, group, topic string, l ledger) {
	c.t.Helper()
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(strings.Split(c.bootstrap(), ",")...), kgo.TransactionalID(id), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(coordinated), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer session.Close()
	for copied := l.count(topic); copied < l.count(coordinated); {
		fetches := session.PollFetches(c.t.Context())
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("%s copies: %v%s", id, err, c.outputs())
		}
		if err := session.Begin(); err != nil {
			c.t.Fatalf("%s begins: %v%s", id, err, c.outputs())
		}
		values := map[int32][]string{}
		fetches.EachRecord(func(r *kgo.Record) {
			values[r.Partition] = append(values[r.Partition], string(r.Value))
			session.Produce(c.t.Context(), &kgo.Record{Topic: topic, Partition: r.Partition, Value: r.Value}, nil)
		})
		committed, err := session.End(c.t.Context(), kgo.TryCommit)
		if err != nil {
			c.t.Fatalf("%s ends: %v%s", id, err, c.outputs())
		}
		if committed {
			l.add(topic, values)
			copied += fetches.NumRecords()
		}
	}
	for p, want := range l[coordinated] {
		if !slices.Equal(l[topic][p], want) {
			c.t.Errorf("%s: partition %d has %d copies of %d records, or in another order", topic, p, len(l[topic][p]), len(want))
		}
	}
}

// consumeInGroup has Kafka's console consumer read all that was committed, as the only member of a consumer group
// (KIP-848).
func (c *cluster) consumeInGroup(group string, l ledger) {
	c.t.Helper()
	group = fmt.Sprintf("%s-%d", group, l.count(coordinated))
	want := l.count(coordinated)
	out := tool(c.t, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", c.bootstrap(), "--topic", coordinated, "--group", group,
		"--from-beginning", "--isolation-level", "read_committed", "--command-property", "group.protocol=consumer",
		"--max-messages", strconv.Itoa(want), "--timeout-ms", "60000")
	got := 0
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "writer-") {
			got++
		}
	}
	if got != want {
		c.t.Errorf("kafka-console-consumer in group %s read %d records of %d", group, got, want)
	}
	offsets, err := c.admin(c.brokerIDs()[0]).FetchOffsets(c.t.Context(), group)
	if err != nil || len(offsets.Offsets()[coordinated]) != len(l[coordinated]) {
		c.t.Errorf("group %s has committed %v: %v", group, offsets, err)
	}
}

// count is how many values a topic has.
func (l ledger) count(topic string) (n int) {
	for _, values := range l[topic] {
		n += len(values)
	}
	return n
}
