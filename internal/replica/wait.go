package replica

import (
	"context"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Token is what an append leaves to wait for. It is bound to the leadership that
// made the append: what it stands for is never looked up again by offset alone,
// since another leader may have put other records there.
type Token struct {
	partition *Partition
	epoch     model.Epoch
	end       model.Offset // exclusive
}

// End is the offset after the last record of the append.
func (t Token) End() model.Offset { return t.end }

// Epoch is the leader epoch in which the append was made.
func (t Token) Epoch() model.Epoch { return t.epoch }

// Wait returns nil once the append is committed. It fails with
// NOT_LEADER_OR_FOLLOWER once this broker has stopped leading the token's epoch,
// even if it leads again; epochs led without a gap count as one. It fails with
// NOT_ENOUGH_REPLICAS_AFTER_APPEND when the in-sync set shrank too far meanwhile,
// and with the context's error when that ends first: the append may still become
// committed then.
func (t Token) Wait(ctx context.Context) error { return t.partition.Wait(ctx, t) }

// Settled tells that Wait would not block.
func (t Token) Settled() bool {
	t.partition.mu.Lock()
	defer t.partition.mu.Unlock()
	settled, _ := t.partition.settled(t)
	return settled
}

// waiter is one Wait in progress, in its partition's list by ascending end.
type waiter struct {
	token      Token
	err        error
	done       chan struct{} // gets one value when the outcome is known
	prev, next *waiter
}

func newWaiter() any { return &waiter{done: make(chan struct{}, 1)} }

// waiters is a list ordered by end. Tokens are mostly waited for in the order of
// their appends, so adding is at the back and releasing at the front.
type waiters struct{ first, last *waiter }

func (l *waiters) add(w *waiter) {
	after := l.last
	for after != nil && after.token.end > w.token.end {
		after = after.prev
	}
	if after == nil {
		w.prev, w.next, l.first = nil, l.first, w
	} else {
		w.prev, w.next, after.next = after, after.next, w
	}
	if w.next == nil {
		l.last = w
	} else {
		w.next.prev = w
	}
}

func (l *waiters) remove(w *waiter) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
}

func (l *waiters) finish(w *waiter, err error) {
	l.remove(w)
	w.err = err
	w.done <- struct{}{}
}

// Wait is Token.Wait for a token of this partition.
func (p *Partition) Wait(ctx context.Context, t Token) error {
	p.mu.Lock()
	settled, err := p.settled(t)
	if settled {
		p.mu.Unlock()
		return err
	}
	w := p.dir.waiters.Get().(*waiter)
	w.token, w.err = t, nil
	p.waiters.add(w)
	p.mu.Unlock()

	select {
	case <-w.done:
		err = w.err
	case <-ctx.Done():
		err = p.giveUp(w, context.Cause(ctx))
	}
	w.token = Token{}
	p.dir.waiters.Put(w)
	return err
}

// giveUp takes a waiter out, unless its outcome came first.
func (p *Partition) giveUp(w *waiter, cause error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-w.done:
		return w.err
	default:
		p.waiters.remove(w)
		return cause
	}
}

// settled tells whether a token's outcome is known, and what it is. Needs mu.
func (p *Partition) settled(t Token) (bool, error) {
	switch {
	case p.role == roleOffline:
		return true, kerr.KafkaStorageError
	case p.role != roleLeader || t.epoch < p.ledSince:
		return true, kerr.NotLeaderOrFollower.With("leadership of epoch %d ended before the records were committed", t.epoch)
	case p.leader.HighWatermark() < t.end:
		return false, nil
	case !p.leader.Enough():
		return true, kerr.NotEnoughReplicasAfterAppend
	}
	return true, nil
}

// release wakes the waiters whose outcome is known after the high watermark
// rose. Needs mu.
func (p *Partition) release() {
	for w := p.waiters.first; w != nil; w = p.waiters.first {
		settled, err := p.settled(w.token)
		if !settled {
			return
		}
		p.waiters.finish(w, err)
	}
}

// failWaiters ends all waits after the role changed. Needs mu.
func (p *Partition) failWaiters() {
	for w := p.waiters.first; w != nil; w = p.waiters.first {
		settled, err := p.settled(w.token)
		if !settled {
			err = kerr.NotLeaderOrFollower
		}
		p.waiters.finish(w, err)
	}
}
