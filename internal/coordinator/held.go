package coordinator

import (
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// held is what leaves once everything before end is committed.
type held struct {
	end      model.Offset
	deadline time.Time // of the replies; zero for none
	replies  []machine.Reply
	events   []any
}

// queue is what is held, in the order in which it leaves: ends and deadlines
// ascend.
type queue struct {
	items   []held
	head    int
	patient int // items before this one have passed their deadline
}

// maxHeld bounds what waits for a commit; callers are refused beyond it.
const maxHeld = 1 << 16

func (q *queue) full() bool { return len(q.items)-q.head >= maxHeld }

func (q *queue) push(h held) {
	if q.head > 0 && q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.patient, q.head = q.items[:n], max(q.patient-q.head, 0), 0
	}
	q.items = append(q.items, h)
}

// first is what leaves next, nil if nothing is held.
func (q *queue) first() *held {
	if q.head == len(q.items) {
		return nil
	}
	return &q.items[q.head]
}

func (q *queue) pop() {
	q.items[q.head] = held{}
	q.head++
	q.patient = max(q.patient, q.head)
}

// deadline is the next one, zero for none.
func (q *queue) deadline() time.Time {
	if q.patient == len(q.items) {
		return time.Time{}
	}
	return q.items[q.patient].deadline
}

// hold sends what may leave at once and keeps the rest.
func (sh *shard) hold(e *machine.Effects) {
	h := held{end: sh.next, events: e.Events}
	for _, r := range e.Replies {
		if r.Early {
			sh.reply(r.Token, outcome{response: r.Response})
		} else {
			h.replies = append(h.replies, r)
		}
	}
	if len(h.replies) == 0 && len(h.events) == 0 {
		return
	}
	if sh.set.o.Patience > 0 {
		h.deadline = sh.set.o.Now().Add(sh.set.o.Patience)
	}
	sh.held.push(h)
}

// release lets out what is committed now. It is false once the leadership is over,
// or what was appended could not be folded.
func (sh *shard) release() bool {
	if sh.broken != nil {
		sh.set.o.Logger.Error("coordinator cannot read its partition, which is not coordinated until another leads", "partition", sh.partition, "err", sh.broken)
		return false
	}
	l, err := sh.partition.Leadership()
	if err != nil || l.Since != sh.since {
		return false
	}
	for h := sh.held.first(); h != nil && h.end <= l.Committed; h = sh.held.first() {
		for _, event := range h.events {
			sh.set.o.Events(sh.index, l.Epoch, event)
		}
		for _, r := range h.replies {
			sh.reply(r.Token, outcome{response: r.Response})
		}
		sh.held.pop()
	}
	return true
}

// expire answers those who have waited too long. What they asked for may still
// become committed, and its events leave then.
func (sh *shard) expire(now time.Time) {
	q := &sh.held
	for ; q.patient < len(q.items); q.patient++ {
		h := &q.items[q.patient]
		if h.deadline.IsZero() || h.deadline.After(now) {
			return
		}
		for _, r := range h.replies {
			sh.reply(r.Token, outcome{err: kerr.CoordinatorNotAvailable.With("not committed in time")})
		}
		h.replies = nil
	}
}
