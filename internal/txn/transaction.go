package txn

import (
	"cmp"
	"math"
	"slices"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// State is the state of a transactional id, as numbered in the records.
//
//	          InitProducerID                      EndTxn                   all markers written
//	  ┌──────────────────────────┐   ┌────────────▶ PrepareCommit ──────────▶ CompleteCommit
//	  ▼                          │   │                                            │
//	Empty ──AddPartitions──▶ Ongoing─┤                                            │
//	  ▲                          ▲   └─EndTxn, time-out, InitProducerID─┐         │
//	  │                          └─────────AddPartitions────────┐       ▼         │
//	  └──InitProducerID── CompleteAbort ◀── all markers ── PrepareAbort   ◀───────┘
//	                                                        EndTxn(abort), version 2 only
//
// An id that is not known has no state; Dead and PrepareEpochFence are names that
// Kafka has for moments which a machine that does one thing at a time does not see.
type State int8

// The states.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	dead
	prepareEpochFence
)

var stateNames = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"}

func (s State) String() string { return stateNames[s] }

// known reports whether a record may carry the state.
func (s State) known() bool { return s >= Empty && s <= CompleteAbort }

// ParseState is the state that Kafka calls so, as filters name it.
func ParseState(name string) (State, bool) {
	i := slices.Index(stateNames[:], name)
	return State(i), i >= 0
}

// preparing reports that the outcome is decided and markers are being written.
func (s State) preparing() bool { return s == PrepareCommit || s == PrepareAbort }

// over reports that no transaction is open.
func (s State) over() bool { return s == Empty || s == CompleteCommit || s == CompleteAbort }

// follows are the states from which each may be reached.
var follows = map[State][]State{
	Empty:          {Empty, CompleteCommit, CompleteAbort},
	Ongoing:        {Ongoing, Empty, CompleteCommit, CompleteAbort},
	PrepareCommit:  {Ongoing},
	PrepareAbort:   {Ongoing, Empty, CompleteCommit, CompleteAbort},
	CompleteCommit: {PrepareCommit},
	CompleteAbort:  {PrepareAbort},
}

const (
	noID    model.ProducerID = -1
	noEpoch int16            = -1
	noTime  int64            = -1 // in milliseconds

	// epochLimit is the first epoch that no client is given by a bump: the last
	// one of all is kept so that there is always one to fence with.
	epochLimit = math.MaxInt16 - 1
)

func exhausted(epoch int16) bool { return epoch >= epochLimit }

// epochBump reports whether a client of this transaction version is given another
// epoch by each EndTxn (KIP-890).
func epochBump(version int16) bool { return version >= 2 }

// entry is what the log keeps of a transactional id.
type entry struct {
	producer machine.Producer
	previous model.ProducerID // the producer id before the last transition
	next     model.ProducerID // while preparing: the id after it, if the epoch is exhausted
	timeout  int32            // in milliseconds; the largest is for ever (KIP-939)
	state    State
	// partitions are in order, without duplicates. The slice is never changed.
	partitions       []model.Partition
	updated, started int64 // in milliseconds since 1970
	client           int16 // transaction version of the client
}

// to is the entry on its way to another state.
func (e entry) to(s State) entry {
	assert.That(slices.Contains(follows[s], e.state), "transaction from %s to %s", e.state, s)
	e.state, e.previous = s, e.producer.ID
	return e
}

// begun is the entry with a producer that has no open transaction.
func (e entry) begun(p machine.Producer, timeout int32, now int64) entry {
	e = e.to(Empty)
	e.producer, e.timeout = p, timeout
	e.partitions, e.started, e.updated = nil, noTime, now
	return e
}

// with is the entry with more partitions in its transaction.
func (e entry) with(partitions []model.Partition, client int16, now int64) entry {
	if e.state != Ongoing {
		e.started = now
	}
	e = e.to(Ongoing)
	e.partitions = union(e.partitions, partitions)
	e.updated, e.client = now, client
	return e
}

// ended is the entry whose transaction is to end this way. The producer becomes
// p, and then is the id next at epoch 0 unless that is none.
func (e entry) ended(commit bool, p machine.Producer, next model.ProducerID, client int16, now int64) entry {
	if e.state != Ongoing { // an abort of nothing
		e.started = now
	}
	if commit {
		e = e.to(PrepareCommit)
	} else {
		e = e.to(PrepareAbort)
	}
	e.producer, e.next, e.client, e.updated = p, next, client, now
	return e
}

// completed is the entry once all markers are written.
func (e entry) completed(now int64) entry {
	if e.state == PrepareCommit {
		e = e.to(CompleteCommit)
	} else {
		e = e.to(CompleteAbort)
	}
	if epochBump(e.client) && e.next != noID {
		e.producer = machine.Producer{ID: e.next, Epoch: 0}
	}
	e.next, e.partitions, e.updated = noID, nil, now
	return e
}

// mayBeLate reports whether the transaction is open and has a time-out; a two-phase
// commit has none.
func (e entry) mayBeLate() bool { return e.state == Ongoing && e.timeout != math.MaxInt32 }

func comparePartitions(a, b model.Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Index, b.Index))
}

// sorted is a set of partitions in order.
func sorted(partitions []model.Partition) []model.Partition {
	s := slices.Clone(partitions)
	slices.SortFunc(s, comparePartitions)
	return slices.Compact(s)
}

func union(a, b []model.Partition) []model.Partition {
	return sorted(append(slices.Clip(a), b...))
}

// contains reports whether a partition is in a sorted set.
func contains(set []model.Partition, p model.Partition) bool {
	_, ok := slices.BinarySearchFunc(set, p, comparePartitions)
	return ok
}

// without is a sorted set less some partitions.
func without(set, gone []model.Partition) []model.Partition {
	gone = sorted(gone)
	var left []model.Partition
	for _, p := range set {
		if !contains(gone, p) {
			left = append(left, p)
		}
	}
	return left
}

// transaction is a transactional id as its coordinator knows it.
type transaction struct {
	entry
	// What follows is not in the log and is lost with the leadership.

	// lastEpoch is the epoch before the producer's own, if a request with that
	// one is the retry of one that was answered. Kafka does not keep it either.
	lastEpoch int16
	// remaining are the partitions that have no marker yet, while preparing.
	remaining []model.Partition
	round     uint64 // of the markers that are on their way, 0 for none
	// lateAt is the last moment of an open transaction, in milliseconds since the
	// machine's start.
	lateAt int64
}

// waiter is an EndTxn that is answered when the transaction is complete, or at
// its time at the latest.
type waiter struct {
	token machine.Token
	reply EndTxnReply
	until int64 // since the machine's start
}
