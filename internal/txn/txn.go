// Package txn is the transaction coordinator: a machine (package machine) over
// one partition of __transaction_state (KIP-98, 360, 447, 588, 664, 890, 939, 994,
// 1152).
//
// A transactional id has at most one open transaction, of one producer id at one
// epoch. Who has an older epoch is a zombie and gets nothing done: it can neither
// add partitions nor end the transaction. The outcome is decided by the record
// that prepares it. From then on it is the only outcome that markers are sent for,
// by this coordinator or any after it, until every partition has one and the
// completing record is written.
//
// Under transaction version 2 each EndTxn raises the producer's epoch, and the
// markers carry the raised one, so what comes late belongs to a past epoch. When
// the epochs of a producer id are used up, the completing record brings another id.
package txn

import (
	"maps"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// Config is what a Machine needs to know.
type Config struct {
	// NewID gives a producer id that nobody had, false if none is at hand.
	NewID func() (model.ProducerID, bool)

	MaxTimeout     time.Duration // transaction.max.timeout.ms
	Expiration     time.Duration // transactional.id.expiration.ms
	AbortInterval  time.Duration // transaction.abort.timed.out.transaction.cleanup.interval.ms
	ExpiryInterval time.Duration // transaction.remove.expired.transaction.cleanup.interval.ms

	// Linger is how long an EndTxn may wait for its markers before it is
	// answered. Kafka answers at once, and the producer's next transaction is
	// then often refused until the last one is complete.
	Linger time.Duration
	// Retry is how long a refused append waits before it is tried again.
	Retry time.Duration
}

// Machine implements machine.Machine.
type Machine struct {
	cfg   Config
	txns  map[string]*transaction
	level int16 // of transaction.version; 0 until Start

	serving bool
	rounds  uint64

	// What records say of time is by the wall clock, which somebody may set. What is
	// waited for is by the time since Start, in milliseconds too.
	start       time.Time
	wall, since int64 // at the last call

	// staged is what the records of the last effects bring besides, once they are
	// folded. It is emptied by the next call.
	staged map[string]staged

	resume     []string            // ids whose markers are to be sent, in order
	completing map[string]struct{} // ids that have all markers and lack the completing record
	retryAt    int64               // when those are tried again
	lingering  map[string]waiter   // the EndTxn that waits for an id to be complete
	lingerAt   int64               // none of them has waited long enough before

	// No open transaction times out before earliest; noTime when there is none.
	earliest int64
	overdue  bool     // more have timed out than one append takes
	expired  []string // ids that are being removed, in order
	expireAt int64    // when to look for others; noTime when there is no id
}

var _ machine.Machine = (*Machine)(nil)

// at takes the time of a call, and returns what the wall clock shows.
func (m *Machine) at(now time.Time) int64 {
	m.wall, m.since = now.UnixMilli(), now.Sub(m.start).Milliseconds()
	return m.wall
}

// staged is what a transition changes beside the log.
type staged struct {
	lastEpoch int16
	round     uint64
	waiter    *waiter
}

// New is a machine of an empty log.
func New(c Config) *Machine {
	return &Machine{
		cfg: c, txns: map[string]*transaction{}, staged: map[string]staged{},
		completing: map[string]struct{}{}, lingering: map[string]waiter{},
		earliest: noTime, expireAt: noTime,
	}
}

// Fold implements machine.Machine.
func (m *Machine) Fold(_ machine.Origin, r machine.Record) error {
	id, err := decodeKey(r.Key)
	if err != nil {
		return err
	}
	if r.Value == nil {
		m.forget(id)
		return nil
	}
	e, err := decodeValue(r.Value)
	if err != nil {
		return err
	}
	own, mine := m.staged[id]
	t := m.txns[id]
	if t == nil {
		t = &transaction{}
		m.txns[id] = t
	}
	was := *t
	*t = transaction{entry: e, lastEpoch: noEpoch}
	if mine {
		t.lastEpoch = own.lastEpoch
		t.round = own.round
		if own.waiter != nil {
			m.linger(id, *own.waiter)
		}
	}
	delete(m.completing, id)
	if e.state.preparing() {
		t.remaining = e.partitions
	}
	if was.state == Ongoing && was.started == e.started && was.timeout == e.timeout {
		t.lateAt = was.lateAt
	} else {
		t.lateAt = m.lateAt(t)
	}
	if m.serving {
		m.folded(id, t, mine)
	}
	return nil
}

// lateAt is when a transaction has been open for too long. One that was open before
// this leadership has no more time left than its time-out, whatever the clocks of
// the leaders before said.
func (m *Machine) lateAt(t *transaction) int64 {
	left := t.started + int64(t.timeout) - m.wall
	return m.since + min(max(left, 0), int64(t.timeout))
}

// folded looks at what a record means for the timers. One that somebody else has
// written, such as an administrator, may have to be carried on.
func (m *Machine) folded(id string, t *transaction, mine bool) {
	if t.mayBeLate() && (m.earliest == noTime || t.lateAt < m.earliest) {
		m.earliest = t.lateAt
	}
	if t.state.preparing() && !mine {
		m.resume = append(m.resume, id)
	}
}

func (m *Machine) forget(id string) {
	delete(m.txns, id)
	delete(m.completing, id)
}

// FoldMarker implements machine.Machine. The topic has no transactions of its own.
func (m *Machine) FoldMarker(machine.Producer, bool) {}

// linger has an EndTxn wait. Each comes later than those before it.
func (m *Machine) linger(id string, w waiter) {
	if len(m.lingering) == 0 {
		m.lingerAt = w.until
	}
	m.lingering[id] = w
}

// Start implements machine.Machine. What was being ended is carried on by Tick.
func (m *Machine) Start(now time.Time, img *metadata.Image) machine.Effects {
	m.serving, m.start = true, now
	m.at(now)
	m.expireAt = m.cfg.ExpiryInterval.Milliseconds()
	m.level = img.Features().Level(metadata.FeatureTransactionVersion)
	for _, id := range slices.Sorted(maps.Keys(m.txns)) {
		m.txns[id].lateAt = m.lateAt(m.txns[id])
		m.folded(id, m.txns[id], false)
	}
	return machine.Effects{}
}

// Update implements machine.Machine.
func (m *Machine) Update(now time.Time, img *metadata.Image) machine.Effects {
	m.at(now)
	m.level = img.Features().Level(metadata.FeatureTransactionVersion)
	return machine.Effects{}
}

// Handle implements machine.Machine.
func (m *Machine) Handle(now time.Time, t machine.Token, request any) machine.Effects {
	clear(m.staged)
	ms := m.at(now)
	switch r := request.(type) {
	case InitProducerID:
		return m.initProducerID(ms, t, r)
	case AddPartitions:
		return m.addPartitions(ms, t, r)
	case VerifyPartitions:
		return reply(t, m.verify(r))
	case EndTxn:
		return m.endTxn(ms, t, r)
	case MarkersWritten:
		return m.markersWritten(ms, r)
	case Describe:
		return reply(t, m.describe(r))
	case List:
		return reply(t, m.list(ms, r))
	}
	assert.That(false, "transaction coordinator is asked for a %T", request)
	return machine.Effects{}
}

// Refused implements machine.Machine. Whoever waited to be answered later than
// the records hears of it now.
func (m *Machine) Refused(now time.Time, _ machine.Effects, err error) machine.Effects {
	var told machine.Effects
	for _, id := range slices.Sorted(maps.Keys(m.staged)) {
		if w := m.staged[id].waiter; w != nil {
			told.Replies = append(told.Replies, machine.Reply{Token: w.token, Response: EndTxnReply{Producer: noProducer, Err: err}})
		}
	}
	clear(m.staged)
	m.overdue = false
	m.at(now)
	m.retryAt = m.since + m.cfg.Retry.Milliseconds()
	return told
}

var noProducer = machine.Producer{ID: noID, Epoch: noEpoch}

// reply answers with what the state shows.
func reply(t machine.Token, response any) machine.Effects {
	if t == 0 {
		return machine.Effects{}
	}
	return machine.Effects{Replies: []machine.Reply{{Token: t, Response: response}}}
}

// early answers with what cannot be taken back: an error that says "later" or is in
// the request itself, or what is committed already.
func early(t machine.Token, response any) machine.Effects {
	e := reply(t, response)
	for i := range e.Replies {
		e.Replies[i].Early = true
	}
	return e
}

// again reports an error at which the client asks again without any harm.
func again(err error) bool {
	return err != nil && (kerr.Code(err) == kerr.ConcurrentTransactions.Code || kerr.Code(err) == kerr.CoordinatorLoadInProgress.Code)
}

// change is the effects that make an entry the id's. What the record brings
// besides waits in staged until it is folded.
func (m *Machine) change(id string, e entry, s staged) machine.Effects {
	m.staged[id] = s
	return machine.Effects{Records: []machine.Record{e.record(id, m.level)}}
}
