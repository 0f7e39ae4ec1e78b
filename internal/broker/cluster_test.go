package broker_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/broker/brokertest"
	"github.com/stromkafka/strom/internal/vfs"
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
	// For some requests the client keeps a coordinator that is gone until the metadata
	// do not name that node any more.
	c.client = c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1), kgo.MetadataMaxAge(time.Second))
	c.admin = kadm.NewClient(c.client)
	return c
}

func (c *cluster) create(topic string, partitions int) {
	c.t.Helper()
	if _, err := c.admin.CreateTopic(c.ctx, int32(partitions), 3, nil, topic); err != nil {
		c.t.Fatal(err)
	}
}

// createOn creates a topic whose replicas are where the test wants them, one list of
// nodes a partition, the preferred leader first.
func (c *cluster) createOn(topic string, replicas [][]int32) {
	c.t.Helper()
	q := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, -1, -1
	for p, nodes := range replicas {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(p), nodes
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	q.Topics, q.TimeoutMillis = append(q.Topics, t), 10_000
	r, err := q.RequestWith(c.ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(r.Topics[0].ErrorCode)
	}
	if err != nil {
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

// load produces to all partitions of a topic until stopped: numbered records, each
// waited for by nobody, so that many are on their way at any time.
type load struct {
	c       *cluster
	client  *kgo.Client
	stop    chan struct{}
	done    chan struct{}
	mu      sync.Mutex
	written map[int32][]string // acknowledged, by partition and offset
	count   int
	failed  []error
}

func (c *cluster) load(topic string, partitions int) *load {
	l := &load{c: c, client: c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(time.Millisecond)),
		stop: make(chan struct{}), done: make(chan struct{}), written: map[int32][]string{}}
	go func() {
		defer close(l.done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-l.stop:
				if err := l.client.Flush(c.ctx); err != nil {
					l.acknowledged(nil, err)
				}
				return
			}
			r := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: fmt.Appendf(nil, "%d", i)}
			l.client.Produce(c.ctx, r, l.acknowledged)
		}
	}()
	return l
}

func (l *load) acknowledged(r *kgo.Record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed = append(l.failed, err)
		return
	}
	for int64(len(l.written[r.Partition])) <= r.Offset {
		l.written[r.Partition] = append(l.written[r.Partition], "")
	}
	l.written[r.Partition][r.Offset] = string(r.Value)
	l.count++
}

// more waits until n more records are acknowledged.
func (l *load) more(n int) {
	l.c.t.Helper()
	l.mu.Lock()
	n += l.count
	l.mu.Unlock()
	for {
		l.mu.Lock()
		there := l.count >= n
		l.mu.Unlock()
		if there {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-l.c.ctx.Done():
			l.c.t.Fatal("nothing is acknowledged any more")
		}
	}
}

// end stops the load and checks that nothing failed, and that all that was
// acknowledged is read at its offset, once.
func (l *load) end(topic string) {
	t := l.c.t
	t.Helper()
	close(l.stop)
	<-l.done
	l.client.Close()
	if len(l.failed) > 0 {
		t.Fatalf("%d of the produces failed, the first with %v", len(l.failed), l.failed[0])
	}
	for partition, want := range l.written {
		t.Logf("%s-%d: %d records acknowledged", topic, partition, len(want))
		got := l.c.read(topic, partition, len(want))
		seen := map[string]bool{}
		for i, w := range want {
			if w == "" {
				t.Errorf("%s-%d: nobody was acknowledged for offset %d, which has %q", topic, partition, i, got[i])
			} else if got[i] != w {
				t.Errorf("%s-%d: offset %d was acknowledged as %q and has %q", topic, partition, i, w, got[i])
			}
			if seen[got[i]] {
				t.Errorf("%s-%d: %q is there twice", topic, partition, got[i])
			}
			seen[got[i]] = true
		}
	}
}

// read are the first n records of a partition.
func (c *cluster) read(topic string, partition int32, n int) []string {
	c.t.Helper()
	cl := c.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	var got []string
	for len(got) < n {
		fetches := cl.PollFetches(c.ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("%s-%d after %d of %d records: %v", topic, partition, len(got), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}

// sameLogs waits until all replicas of a topic have the same bytes.
func (c *cluster) sameLogs(topic string, partitions int) {
	c.t.Helper()
	for p := range partitions {
		for {
			differ := ""
			var first []byte
			for id := 1; id <= len(c.Nodes); id++ {
				name := fmt.Sprintf("/node-%d/%s-%d/%020d.log", id, topic, p, 0)
				data, err := vfs.ReadFile(c.Nodes[id].FS(), name, 64<<20)
				if err != nil {
					c.t.Fatal(err)
				}
				if first == nil {
					first = data
				} else if !bytes.Equal(first, data) {
					differ = fmt.Sprintf("%s has %d bytes and node 1 has %d", name, len(data), len(first))
				}
			}
			if differ == "" {
				break
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-c.ctx.Done():
				c.t.Fatal(differ)
			}
		}
	}
}

// TestCleanStop stops and starts every broker in turn while a client produces
// with acks=all: leadership moves first, and not one produce fails.
func TestCleanStop(t *testing.T) {
	c := startCluster(t, brokertest.Options{})
	c.create("t", 6)
	l := c.load("t", 6)
	for _, id := range []int{2, 3} {
		l.more(200)
		c.Nodes[id].Stop()
		c.Nodes[id].Start()
		c.await("t", "all are in sync", func(p kadm.PartitionDetail) bool { return len(p.ISR) == 3 })
	}
	l.end("t")
	c.sameLogs("t", 6)
}

// TestKillUnderLoad kills brokers while a client produces with acks=all: what was
// acknowledged is there once and in place, and all replicas end up the same.
func TestKillUnderLoad(t *testing.T) {
	c := startCluster(t, brokertest.Options{})
	c.create("t", 6)
	l := c.load("t", 6)
	for i, id := range []int{2, 3, 2} {
		l.more(200)
		if i == 2 {
			c.Nodes[id].PowerLoss(1)
		} else {
			c.Nodes[id].Kill()
		}
		l.more(200)
		c.Nodes[id].Start()
		c.await("t", "all are in sync", func(p kadm.PartitionDetail) bool { return len(p.ISR) == 3 })
	}
	l.end("t")
	c.sameLogs("t", 6)
}
