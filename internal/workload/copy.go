package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/history"
)

// Copies is what the copiers do: as members of one group they read topic From and
// write what they read to topic To, each batch in one transaction with their
// positions, so that each record is copied exactly once (KIP-447).
type Copies struct{ From, To string }

// copiers is the name of their group.
const copiers = "copiers"

// copied is how many records one transaction copies at most.
const copied = 50

// copier is one member. A session that met with an error is not used again.
func (o *Options) copier(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		c := &copier{options: o, name: name, rng: rand.New(rand.NewPCG(o.Seed, hash(name))), numbers: map[history.Partition]int{}}
		defer c.hangUp()
		for ctx.Err() == nil {
			if err := c.copy(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

type copier struct {
	options *Options
	name    string
	rng     *rand.Rand
	session *kgo.GroupTransactSession
	count   int // transactions
	numbers map[history.Partition]int
}

func (c *copier) hangUp() {
	if c.session != nil {
		c.session.CloseAllowingRebalance()
		c.session = nil
	}
}

func (c *copier) connect() error {
	o := c.options
	var err error
	c.session, err = kgo.NewGroupTransactSession(append(append(o.common(c.name), o.transactional(c.name)...),
		kgo.ConsumerGroup(copiers), kgo.ConsumeTopics(o.Copies.From), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond), kgo.SessionTimeout(6*time.Second), kgo.RebalanceTimeout(10*time.Second))...)
	return err
}

// copy copies what one poll returns. Now and then a member leaves and joins again.
func (c *copier) copy(ctx context.Context) error {
	if c.session == nil {
		if err := c.connect(); err != nil {
			return fmt.Errorf("client %s: %w", c.name, err)
		}
	}
	records := c.poll(ctx)
	if len(records) == 0 {
		return nil
	}
	if err := c.session.Begin(); err != nil {
		c.hangUp()
		return nil
	}
	c.count++
	id := fmt.Sprintf("%s/%d", c.name, c.count)
	whole := c.send(ctx, id, records)
	if !c.end(id, whole) || c.rng.IntN(30) == 0 {
		c.hangUp()
	}
	return nil
}

// poll reads; where the members stand is the group's affair, and after each
// transaction may be elsewhere.
func (c *copier) poll(ctx context.Context) []*kgo.Record {
	o := c.options
	waiting, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	now := o.Record.Now()
	op := history.Op{Kind: history.Poll, Client: c.name, Begin: now}
	fetches := c.session.PollRecords(waiting, copied)
	op.End = o.Record.Now()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if len(f.Records) > 0 {
			op.Reads = append(op.Reads, readOf(f))
		}
	})
	if len(op.Reads) > 0 {
		o.Record.Add(history.Op{Kind: history.Assign, Client: c.name, Begin: now, End: now})
		o.Record.Add(op)
	}
	return fetches.Records()
}

// send writes the copies; it is true if each is there for sure.
func (c *copier) send(ctx context.Context, id string, records []*kgo.Record) bool {
	o := c.options
	s := &sending{options: o, client: c.name, txn: id, numbers: c.numbers, through: c.session.Client()}
	for _, r := range records {
		source := history.Source(history.Partition{Topic: r.Topic, Index: r.Partition}, r.Offset)
		s.send(ctx, history.Partition{Topic: o.Copies.To, Index: r.Partition % o.Topics[o.Copies.To]}, source,
			func(int) string { return fmt.Sprintf("%s/%s/%d", c.name, source, c.count) })
	}
	return s.whole()
}

// end commits, unless the group has moved on or something was not written; it is
// false if the outcome is not known.
func (c *copier) end(id string, whole bool) bool {
	o := c.options
	op := history.Op{Kind: history.Commit, Client: c.name, Txn: id, Begin: o.Record.Now(), Outcome: history.OK}
	ctx, cancel := context.WithTimeout(context.Background(), o.Patience)
	defer cancel()
	committed, err := c.session.End(ctx, kgo.TransactionEndTry(whole))
	op.End = o.Record.Now()
	if err == nil && !committed {
		op.Kind = history.Abort
	}
	if !whole && err != nil {
		op.Kind = history.Abort
	}
	return o.ended(op, whole, err)
}
