// Package verify asks the coordinators of transactions whether partitions are part
// of them, and has them added for clients that leave that to the broker (KIP-890).
//
// A coordinator that is this broker is asked directly. Another one has at most one
// question on its way; who asks meanwhile shares the next one, so that many
// producers cost one round trip. Nothing runs while nobody asks.
package verify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Client is what a client knows of, by the version of its request.
type Client int8

const (
	// Old clients add partitions themselves.
	Old Client = iota
	// Abortable clients know TRANSACTION_ABORTABLE besides.
	Abortable
	// Adding clients leave adding partitions to the broker (transaction version
	// 2), and their epoch rises with every transaction.
	Adding
)

// Producing is the client of a Produce request of a version.
func Producing(version int16) Client {
	switch {
	case version > 11:
		return Adding
	case version > 10:
		return Abortable
	}
	return Old
}

// Committing is the client of a TxnOffsetCommit request of a version.
func Committing(version int16) Client {
	switch {
	case version > 4:
		return Adding
	case version > 3:
		return Abortable
	}
	return Old
}

// Transaction is the one that a producer says it is in.
type Transaction struct {
	ID       string // the transactional id
	Producer model.ProducerID
	Epoch    int16
	Client   Client
}

// Options are what a Verifier is built from.
type Options struct {
	Self  model.NodeID
	Image func() *metadata.Image
	// Coordinator is the broker that coordinates a transactional id, as the image
	// has it; model.NoNode if there is none.
	Coordinator func(img *metadata.Image, id string) model.NodeID
	// Connect reaches another broker.
	Connect func(ctx context.Context, node model.NodeID) (*link.Link, error)
	// Local is this broker's own coordinator.
	Local func(ctx context.Context, r *wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse
	// Backoff and Patience say how often and for how long an Adding client's
	// question is asked again while its last transaction is being completed:
	// add.partitions.to.txn.retry.backoff.ms and .max.ms.
	Backoff, Patience time.Duration
	// Timeout is how long a question may be on its way.
	Timeout time.Duration
	Now     func() time.Time
	Log     *slog.Logger
}

// Verifier asks the coordinators.
type Verifier struct {
	o Options

	mu      sync.Mutex
	running context.Context // nil before Run
	nodes   map[model.NodeID]*node
	senders sync.WaitGroup
}

// New makes a Verifier that answers COORDINATOR_NOT_AVAILABLE until it runs.
func New(o Options) *Verifier { return &Verifier{o: o, nodes: map[model.NodeID]*node{}} }

// Run lets questions be asked until the context ends.
func (v *Verifier) Run(ctx context.Context) error {
	v.mu.Lock()
	v.running = ctx
	v.mu.Unlock()
	<-ctx.Done()
	// A sender is only begun with the lock held and while the context lives.
	v.mu.Lock()
	nodes := v.nodes
	v.nodes = map[model.NodeID]*node{}
	v.mu.Unlock()
	v.senders.Wait()
	for _, n := range nodes {
		n.hangUp()
	}
	return nil
}

// Verify asks whether the partitions are part of the transaction; for an Adding
// client they are made part of it. It returns the errors of those that are not, as
// the coordinator gives them, in the terms that the client knows.
func (v *Verifier) Verify(ctx context.Context, t Transaction, partitions []model.Partition) map[model.Partition]error {
	began := v.o.Now()
	for {
		failed := v.ask(ctx, t, partitions)
		if t.Client != Adding || !concurrent(failed) || v.o.Now().Sub(began) >= v.o.Patience {
			return failed
		}
		timer := time.NewTimer(v.o.Backoff)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return failed
		}
	}
}

// concurrent reports whether the last transaction of the producer is still being
// completed.
func concurrent(failed map[model.Partition]error) bool {
	for _, err := range failed {
		if errors.Is(err, kerr.ConcurrentTransactions) {
			return true
		}
	}
	return false
}

func (v *Verifier) ask(ctx context.Context, t Transaction, partitions []model.Partition) map[model.Partition]error {
	at := v.o.Coordinator(v.o.Image(), t.ID)
	q := question{transaction: t, partitions: partitions, answered: make(chan map[model.Partition]error, 1)}
	if at == v.o.Self {
		return q.read(v.o.Local(ctx, request([]*question{&q})))
	}
	if at == model.NoNode || !v.queue(at, &q) {
		return q.all(kerr.CoordinatorNotAvailable)
	}
	select {
	case failed := <-q.answered:
		return failed
	case <-ctx.Done():
		return q.all(kerr.NetworkException)
	}
}

// queue leaves a question for whoever sends to the node; it is false if nobody may.
func (v *Verifier) queue(at model.NodeID, q *question) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running == nil || v.running.Err() != nil {
		return false
	}
	n := v.nodes[at]
	if n == nil {
		n = &node{o: &v.o, id: at}
		v.nodes[at] = n
	}
	if n.add(q) {
		ctx := v.running
		v.senders.Go(func() { n.send(ctx) })
	}
	return true
}
