package broker_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/broker/brokertest"
)

// transactional makes a cluster of which the coordinators are few and quick.
func transactional(more map[string]string) map[string]string {
	c := map[string]string{
		"transaction.state.log.num.partitions": "3", "offsets.topic.num.partitions": "3",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "200", "group.initial.rebalance.delay.ms": "0",
	}
	for k, v := range quick {
		c[k] = v
	}
	for k, v := range more {
		c[k] = v
	}
	return c
}

// single is one broker on which internal topics have one replica.
func single(t *testing.T, more map[string]string) *cluster {
	t.Helper()
	config := transactional(map[string]string{"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
		"offsets.topic.replication.factor": "1", "default.replication.factor": "1"})
	for k, v := range more {
		config[k] = v
	}
	return startCluster(t, brokertest.Options{Nodes: 1, Config: config})
}

// transact writes values in one transaction and ends it.
func (c *cluster) transact(producer *kgo.Client, topic string, how kgo.TransactionEndTry, values ...string) {
	c.t.Helper()
	c.begin(producer, topic, values...)
	if err := producer.EndTransaction(c.ctx, how); err != nil {
		c.t.Fatalf("end of %v: %v", values, err)
	}
}

// begin begins a transaction and writes values.
func (c *cluster) begin(producer *kgo.Client, topic string, values ...string) {
	c.t.Helper()
	if err := producer.BeginTransaction(); err != nil {
		c.t.Fatal(err)
	}
	if err := c.put(producer, topic, values...); err != nil {
		c.t.Fatalf("write %v: %v", values, err)
	}
}

func (c *cluster) put(producer *kgo.Client, topic string, values ...string) error {
	var records []*kgo.Record
	for i, v := range values {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % len(c.partitions(topic))), Value: []byte(v)})
	}
	return producer.ProduceSync(c.ctx, records...).FirstErr()
}

func (c *cluster) producer(id string, opts ...kgo.Opt) *kgo.Client {
	return c.Client(append([]kgo.Opt{kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1)}, opts...)...)
}

// stable are the values that a reader of committed records sees in a topic, up
// to the last stable offsets as they are now.
func (c *cluster) stable(topic string) []string {
	c.t.Helper()
	ends, err := c.admin.ListCommittedOffsets(c.ctx, topic)
	if err != nil {
		c.t.Fatal(err)
	}
	left := map[int32]int64{}
	from := map[int32]kgo.Offset{}
	ends.Each(func(o kadm.ListedOffset) {
		from[o.Partition] = kgo.NewOffset().AtStart()
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	reader := c.Client(kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	defer reader.Close()
	values := []string{}
	for len(left) > 0 {
		fetches := reader.PollFetches(c.ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
			if r.Offset >= left[r.Partition]-1 {
				delete(left, r.Partition)
			}
		})
	}
	slices.Sort(values)
	return values
}

// expectCommitted waits until exactly these values are committed.
func (c *cluster) expectCommitted(topic string, want ...string) {
	c.t.Helper()
	slices.Sort(want)
	for {
		got := c.stable(topic)
		if slices.Equal(got, want) {
			return
		}
		if c.ctx.Err() != nil || len(got) > len(want) {
			c.t.Fatalf("committed %v, want %v", got, want)
		}
	}
}

// state is what DescribeTransactions says of an id.
func (c *cluster) state(id string) kadm.DescribedTransaction {
	c.t.Helper()
	all, err := c.admin.DescribeTransactions(c.ctx, id)
	if err != nil {
		c.t.Fatal(err)
	}
	return all[id]
}

// A producer commits, aborts and goes on; its epoch rises with each transaction
// (KIP-890). Who reads committed records sees what was committed.
func TestTransactions(t *testing.T) {
	c := single(t, nil)
	if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	p := c.producer("id")
	c.transact(p, "t", kgo.TryCommit, "a", "b")
	c.transact(p, "t", kgo.TryAbort, "c", "d")
	c.expectCommitted("t", "a", "b")
	c.begin(p, "t", "e")
	if s := c.state("id"); s.State != "Ongoing" || s.Topics.Lookup("t", 0) == false || s.ProducerEpoch < 2 {
		t.Errorf("open transaction: %+v", s)
	}
	c.expectCommitted("t", "a", "b")
	if err := p.EndTransaction(c.ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	c.expectCommitted("t", "a", "b", "e")
	listed, err := c.admin.ListTransactions(c.ctx, nil, []string{"CompleteCommit"})
	if err != nil || len(listed) != 1 || listed["id"].State != "CompleteCommit" {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

// A second producer of the same id fences the first, whose open transaction is
// aborted.
func TestZombieIsFenced(t *testing.T) {
	c := single(t, nil)
	if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	zombie := c.producer("id")
	c.begin(zombie, "t", "lost", "lost too")
	successor := c.producer("id")
	c.transact(successor, "t", kgo.TryCommit, "kept")
	err := c.put(zombie, "t", "late")
	if err == nil {
		err = zombie.EndTransaction(c.ctx, kgo.TryCommit)
	}
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		t.Errorf("the zombie heard %v", err)
	}
	c.expectCommitted("t", "kept")
}

// A transaction that nobody ends is aborted when its time is over.
func TestTransactionTimesOut(t *testing.T) {
	c := single(t, nil)
	if _, err := c.admin.CreateTopic(c.ctx, 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	p := c.producer("id", kgo.TransactionTimeout(500*time.Millisecond))
	c.begin(p, "t", "late")
	for c.state("id").State != "CompleteAbort" {
		if c.ctx.Err() != nil {
			t.Fatalf("still %+v", c.state("id"))
		}
	}
	if err := p.EndTransaction(c.ctx, kgo.TryCommit); err == nil {
		t.Error("the transaction was committed after its abort")
	}
	c.expectCommitted("t")
}

// A topic of an open transaction is deleted: the transaction ends all the same.
func TestTransactionOfADeletedTopic(t *testing.T) {
	c := single(t, nil)
	for _, topic := range []string{"kept", "gone"} {
		if _, err := c.admin.CreateTopic(c.ctx, 1, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	p := c.producer("id")
	c.begin(p, "kept", "a")
	if err := c.put(p, "gone", "b"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.admin.DeleteTopic(c.ctx, "gone"); err != nil {
		t.Fatal(err)
	}
	if err := p.EndTransaction(c.ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	for c.state("id").State != "CompleteCommit" && c.ctx.Err() == nil {
	}
	c.expectCommitted("kept", "a")
}

// The broker is killed in the middle: what was committed stays, what is open can
// be ended afterwards, and what was being ended is carried on.
func TestTransactionsOverRestarts(t *testing.T) {
	c := single(t, nil)
	if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	p := c.producer("id")
	c.transact(p, "t", kgo.TryCommit, "a", "b")
	c.begin(p, "t", "c", "d")
	c.Nodes[1].Kill()
	c.Nodes[1].Start()
	c.expectCommitted("t", "a", "b")
	if err := p.EndTransaction(c.ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	c.expectCommitted("t", "a", "b", "c", "d")
	c.Nodes[1].Stop()
	c.Nodes[1].Start()
	c.transact(p, "t", kgo.TryAbort, "e")
	c.transact(p, "t", kgo.TryCommit, "f")
	c.expectCommitted("t", "a", "b", "c", "d", "f")
}

// The power goes in the middle of transactions: what a producer was told to be
// committed is there, whole; what it was not told about is there whole or not at all.
func TestTransactionsOverPowerLoss(t *testing.T) {
	c := single(t, nil)
	if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	var want []string
	for seed := range 6 {
		p := c.producer("id")
		committed, open := fmt.Sprint(seed, "a"), fmt.Sprint(seed, "b")
		c.transact(p, "t", kgo.TryCommit, committed+"0", committed+"1")
		want = append(want, committed+"0", committed+"1")
		c.begin(p, "t", open+"0", open+"1")
		ended := make(chan error, 1)
		if seed%2 == 1 { // the commit is under way, whatever becomes of it
			go func() { ended <- p.EndTransaction(c.ctx, kgo.TryCommit) }()
		} else {
			ended <- errors.New("was not asked for")
		}
		c.Nodes[1].PowerLoss(uint64(seed))
		c.Nodes[1].Start()
		err := <-ended
		c.transact(c.producer("id"), "t", kgo.TryAbort, "nothing")
		if err == nil || seed%2 == 1 && len(c.stable("t")) > len(want) {
			want = append(want, open+"0", open+"1")
		}
		c.expectCommitted("t", want...)
	}
}

// Coordinators move when their brokers are killed, in the middle of transactions
// too. Each transaction ends as its producer was told; of one that the producer
// was told nothing about, all or nothing is there.
func TestCoordinatorsMove(t *testing.T) {
	c := startCluster(t, brokertest.Options{Config: transactional(nil)})
	c.create("t", 3)
	p := c.producer("id")
	var want []string
	for round := range 4 {
		values := []string{fmt.Sprint(round, "a"), fmt.Sprint(round, "b"), fmt.Sprint(round, "c")}
		c.begin(p, "t", values...)
		killed := 0
		if leader := int(c.coordinator("id")); leader != 1 { // which is the controller
			killed = leader
			c.Nodes[killed].Kill()
		}
		how := kgo.TransactionEndTry(round%2 == 0)
		err := p.EndTransaction(c.ctx, how)
		if err != nil { // the client gave up: its successor aborts what is open
			p = c.producer("id")
			c.transact(p, "t", kgo.TryAbort, "nothing")
		}
		if how && err == nil || err != nil && len(c.stable("t")) > len(want) {
			want = append(want, values...)
		}
		if killed > 0 {
			c.Nodes[killed].Start()
		}
		c.expectCommitted("t", want...)
	}
}

// coordinator is the broker that coordinates an id.
func (c *cluster) coordinator(id string) int32 {
	c.t.Helper()
	found := c.admin.FindTxnCoordinators(c.ctx, id)
	if found.Error() != nil || found[id].Err != nil {
		c.t.Fatal(found.Error(), found[id].Err)
	}
	return found[id].NodeID
}

// Transactional ids that nobody uses are forgotten.
func TestTransactionalIDsExpire(t *testing.T) {
	c := single(t, map[string]string{"transactional.id.expiration.ms": "500", "transaction.remove.expired.transaction.cleanup.interval.ms": "200"})
	if _, err := c.admin.CreateTopic(c.ctx, 1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	p := c.producer("id")
	c.transact(p, "t", kgo.TryCommit, "a")
	for !errors.Is(c.state("id").Err, kerr.TransactionalIDNotFound) {
		if c.ctx.Err() != nil {
			t.Fatalf("still %+v", c.state("id"))
		}
	}
	c.transact(c.producer("id"), "t", kgo.TryCommit, "b")
	c.expectCommitted("t", "a", "b")
}

// Consume, transform, produce: what is read is written exactly once, although the
// worker is replaced in the middle and the broker is killed.
func TestExactlyOnceThroughAGroup(t *testing.T) {
	c := single(t, nil)
	for _, topic := range []string{"in", "out"} {
		if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range 60 {
		value := fmt.Sprintf("%03d", i)
		want = append(want, value)
		if err := c.put(c.client, "in", value); err != nil {
			t.Fatal(err)
		}
	}
	c.work("worker", 20, kgo.TryCommit)
	c.work("worker", 10, kgo.TryAbort) // its offsets do not count
	c.Nodes[1].Kill()
	c.Nodes[1].Start()
	c.work("worker", 20, kgo.TryCommit)
	c.work("worker", 20, kgo.TryCommit)
	c.expectCommitted("out", want...)
}

// work copies n records or more from in to out in transactions of a group's member, and
// leaves.
func (c *cluster) work(id string, n int, how kgo.TransactionEndTry) {
	c.t.Helper()
	at := c.Addresses()
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(at...), kgo.Dialer(c.Dial), kgo.TransactionalID(id), kgo.ConsumerGroup("group"), kgo.ConsumeTopics("in"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(50*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		c.t.Fatal(err)
	}
	defer s.Close()
	for n > 0 {
		fetches := s.PollRecords(c.ctx, n)
		if c.ctx.Err() != nil {
			c.t.Fatalf("%d records short: %v", n, c.ctx.Err())
		}
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			c.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			s.Produce(c.ctx, &kgo.Record{Topic: "out", Value: r.Value}, nil)
		})
		ended, err := s.End(c.ctx, how)
		if err != nil {
			c.t.Fatal(err)
		}
		if ended == bool(how) {
			n -= fetches.NumRecords()
		}
		if !how {
			return
		}
	}
}

// Producers commit and abort while brokers are killed. A transaction whose producer
// was told the outcome has it; of every other one all is there or nothing.
func TestTransactionsUnderKills(t *testing.T) {
	c := startCluster(t, brokertest.Options{Config: transactional(nil)})
	c.create("t", 3)
	const producers, rounds = 4, 8
	told := make([]map[string]bool, producers) // by transaction: whether it was committed
	ended := make(chan struct{}, producers*rounds)
	var all sync.WaitGroup
	for i := range producers {
		told[i] = map[string]bool{}
		all.Go(func() { c.transactions(i, rounds, told[i], ended) })
	}
	for n := range producers * rounds {
		switch n { // node 1 is the only controller
		case 5:
			c.Nodes[2].Kill()
		case 11:
			c.Nodes[2].Start()
		case 16:
			c.Nodes[3].Kill()
		case 22:
			c.Nodes[3].Start()
		}
		<-ended
	}
	all.Wait()
	for i := range producers { // who was open is aborted by its successor
		c.transact(c.producer(fmt.Sprint("id", i)), "t", kgo.TryAbort, "last")
	}
	seen := map[string]int{}
	for _, v := range c.stable("t") {
		name, _, _ := strings.Cut(v, "/")
		seen[name]++
	}
	known := 0
	for i := range producers {
		for name, committed := range told[i] {
			known++
			if want := map[bool]int{true: 3, false: 0}[committed]; seen[name] != want {
				t.Errorf("%s: %d records, want %d", name, seen[name], want)
			}
		}
	}
	for name, n := range seen {
		if n != 3 {
			t.Errorf("%s is torn: %d of 3 records", name, n)
		}
	}
	if known < producers*rounds/2 {
		t.Errorf("only %d of %d outcomes are known", known, producers*rounds)
	}
}

// transactions runs transactions of three records, one a partition, notes the
// outcomes that were told, and tells of each that has ended.
func (c *cluster) transactions(i, rounds int, told map[string]bool, ended chan<- struct{}) {
	p := c.producer(fmt.Sprint("id", i))
	for round := range rounds {
		name := fmt.Sprintf("%d.%d", i, round)
		if !c.transaction(p, name, round%3 != 0, told) {
			p = c.producer(fmt.Sprint("id", i)) // as clients do that cannot go on
		}
		ended <- struct{}{}
	}
}

// transaction is one of them. It is false if the producer cannot go on.
func (c *cluster) transaction(p *kgo.Client, name string, commit bool, told map[string]bool) bool {
	if err := p.BeginTransaction(); err != nil {
		return false
	}
	how := kgo.TransactionEndTry(commit)
	var records []*kgo.Record
	for partition := range int32(3) {
		records = append(records, &kgo.Record{Topic: "t", Partition: partition, Value: fmt.Appendf(nil, "%s/%d", name, partition)})
	}
	if p.ProduceSync(c.ctx, records...).FirstErr() != nil {
		how = kgo.TryAbort
	}
	if err := p.EndTransaction(c.ctx, how); err != nil {
		return false
	}
	told[name] = bool(how)
	return true
}

// Under the older levels of transaction.version clients add partitions themselves,
// and the epoch stays from one transaction to the next.
func TestTransactionsOfOlderVersions(t *testing.T) {
	for _, level := range []int16{1, 0} {
		t.Run(fmt.Sprint(level), func(t *testing.T) {
			c := single(t, nil)
			if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, "t"); err != nil {
				t.Fatal(err)
			}
			c.feature("transaction.version", level)
			p := c.producer("id")
			c.transact(p, "t", kgo.TryCommit, "a", "b")
			epoch := c.state("id").ProducerEpoch
			c.transact(p, "t", kgo.TryAbort, "c")
			c.transact(p, "t", kgo.TryCommit, "d", "e")
			if now := c.state("id").ProducerEpoch; now != epoch {
				t.Errorf("epoch %d, then %d", epoch, now)
			}
			c.begin(p, "t", "f")
			c.Nodes[1].Kill()
			c.Nodes[1].Start()
			c.transact(c.producer("id"), "t", kgo.TryCommit, "g")
			if err := p.EndTransaction(c.ctx, kgo.TryCommit); err == nil {
				t.Error("a zombie has committed")
			}
			c.expectCommitted("t", "a", "b", "d", "e", "g")
			c.copyOnce(20)
		})
	}
}

// copyOnce copies n records in a transaction of a group, and nothing the second time.
func (c *cluster) copyOnce(n int) {
	c.t.Helper()
	for _, topic := range []string{"in", "out"} {
		if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, topic); err != nil {
			c.t.Fatal(err)
		}
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("%03d", i))
		if err := c.put(c.client, "in", want[i]); err != nil {
			c.t.Fatal(err)
		}
	}
	c.work("worker", n/2, kgo.TryCommit)
	c.work("worker", n/2, kgo.TryCommit)
	c.expectCommitted("out", want...)
}

// feature sets the level of a feature, down too.
func (c *cluster) feature(name string, level int16) {
	c.t.Helper()
	q := kmsg.NewPtrUpdateFeaturesRequest()
	f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	f.Feature, f.MaxVersionLevel, f.UpgradeType, f.AllowDowngrade = name, level, 2, true
	q.FeatureUpdates = append(q.FeatureUpdates, f)
	r, err := q.RequestWith(c.ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(r.ErrorCode)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Every replica tells of the producers that it knows, not the leader alone.
func TestFollowersDescribeProducers(t *testing.T) {
	c := startCluster(t, brokertest.Options{Config: transactional(nil)})
	c.create("t", 1)
	c.transact(c.producer("id"), "t", kgo.TryCommit, "a")
	for id := range int32(3) {
		q := kmsg.NewPtrDescribeProducersRequest()
		topic := kmsg.NewDescribeProducersRequestTopic()
		topic.Topic, topic.Partitions = "t", []int32{0}
		q.Topics = append(q.Topics, topic)
		for {
			r, err := c.client.Broker(int(id+1)).Request(c.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			p := r.(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0]
			if p.ErrorCode != 0 {
				t.Fatalf("broker %d: %v", id+1, kerr.ErrorForCode(p.ErrorCode))
			}
			if len(p.ActiveProducers) == 1 { // a follower may be a moment behind
				break
			}
		}
	}
}
