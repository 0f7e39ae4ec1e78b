package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/history"
)

// transactionTimeout is after how long a coordinator aborts what nobody ends.
const transactionTimeout = 10 * time.Second

// transactor is a transactional producer: each transaction is some records in
// several partitions, and is committed or aborted. Now and then another instance
// with the same transactional id takes over in the middle of one, and the first
// goes on as if nothing had happened.
func (o *Options) transactor(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		t := &transactor{options: o, name: name, rng: rand.New(rand.NewPCG(o.Seed, hash(name))), numbers: map[history.Partition]int{}}
		defer t.hangUp()
		for ctx.Err() == nil {
			if err := t.transact(ctx); err != nil {
				return err
			}
			wait(ctx, o.Every)
		}
		return nil
	}
}

func hash(name string) (h uint64) {
	for _, c := range name {
		h = 31*h + uint64(c)
	}
	return h
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// transactor is one transactional id at work. Client is nil until it is needed; a
// client that met with an error is not used again, as its successor has the
// coordinator end what is open.
type transactor struct {
	options *Options
	name    string
	rng     *rand.Rand
	client  *kgo.Client
	count   int // transactions
	numbers map[history.Partition]int
}

func (t *transactor) hangUp() {
	if t.client != nil {
		t.client.Close()
		t.client = nil
	}
}

func (t *transactor) connect() (*kgo.Client, error) {
	return t.options.client(t.name, t.options.transactional(t.name)...)
}

// transact does one transaction. What it sends after it lost its id is part of a
// transaction that is never asked to commit.
func (t *transactor) transact(ctx context.Context) error {
	if t.client == nil {
		var err error
		if t.client, err = t.connect(); err != nil {
			return err
		}
	}
	if err := t.client.BeginTransaction(); err != nil {
		t.hangUp()
		return nil
	}
	t.count++
	id := fmt.Sprintf("%s/%d", t.name, t.count)
	whole := t.send(ctx, id, 1+t.rng.IntN(4))
	if t.rng.IntN(10) == 0 {
		if err := t.usurp(ctx); err != nil {
			return err
		}
		whole = t.send(ctx, id, 1) && whole
	}
	commit := whole && t.rng.IntN(5) > 0
	if !t.end(id, commit, whole) {
		t.hangUp()
	}
	return nil
}

// send writes some records of a transaction and waits for their outcome; it is
// true if each is there for sure.
func (t *transactor) send(ctx context.Context, id string, n int) bool {
	partitions := t.options.partitions()
	s := &sending{options: t.options, client: t.name, txn: id, numbers: t.numbers, through: t.client}
	for range n {
		p := partitions[t.rng.IntN(len(partitions))]
		s.send(ctx, p, "", func(number int) string { return fmt.Sprintf("%s/%s/%d", t.name, p, number) })
	}
	return s.whole()
}

// usurp lets another instance take the transactional id and end what is open.
func (t *transactor) usurp(ctx context.Context) error {
	client, err := t.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, t.options.Patience)
	defer cancel()
	for ctx.Err() == nil {
		if _, _, err := client.ProducerID(ctx); err == nil {
			break
		}
		wait(ctx, backoff(1))
	}
	return nil
}

// end commits or aborts, and is false if the outcome is not known. An abort of
// what may not have been written anywhere need not reach the coordinator: it says
// nothing of records whose outcome is not known.
func (t *transactor) end(id string, commit, whole bool) bool {
	op := history.Op{Kind: history.Abort, Client: t.name, Txn: id, Begin: t.options.Record.Now(), Outcome: history.OK}
	try := kgo.TryAbort
	if commit {
		op.Kind, try = history.Commit, kgo.TryCommit
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.options.Patience)
	defer cancel()
	err := t.client.EndTransaction(ctx, try)
	op.End = t.options.Record.Now()
	return t.options.ended(op, whole, err)
}
