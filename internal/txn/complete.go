package txn

import (
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// Bounds of what one call does; the rest is for the next.
const (
	maxBatchRecords = 200
	maxBatchBytes   = 128 << 10
	maxBatchEvents  = 200
)

// batch collects records until there are enough for one append.
type batch struct {
	effects machine.Effects
	bytes   int
}

// fits adds effects unless that made the batch too large; it always takes the first.
func (b *batch) fits(e machine.Effects) bool {
	size := 0
	for _, r := range e.Records {
		size += len(r.Key) + len(r.Value)
	}
	n := len(b.effects.Records)
	if n > 0 && (n+len(e.Records) > maxBatchRecords || b.bytes+size > maxBatchBytes) {
		return false
	}
	b.bytes += size
	b.effects.Records = append(b.effects.Records, e.Records...)
	b.effects.Replies = append(b.effects.Replies, e.Replies...)
	b.effects.Events = append(b.effects.Events, e.Events...)
	return true
}

// markers asks for the markers of a decision.
func (e entry) markers(id string, round uint64, partitions []model.Partition) SendMarkers {
	return SendMarkers{
		TransactionalID: id, Producer: e.producer, Commit: e.state == PrepareCommit,
		Partitions: partitions, Client: e.client, Round: round,
	}
}

// markersWritten takes in which partitions have their marker. Whatever is not
// about the markers on their way now is late and says nothing.
func (m *Machine) markersWritten(now int64, r MarkersWritten) machine.Effects {
	t := m.txns[r.TransactionalID]
	if t == nil || !t.state.preparing() || t.round != r.Round || r.Round == 0 {
		return machine.Effects{}
	}
	t.remaining = without(t.remaining, r.Partitions)
	if len(t.remaining) > 0 {
		return machine.Effects{}
	}
	m.completing[r.TransactionalID] = struct{}{}
	return m.complete(now, r.TransactionalID)
}

// complete writes that an id is complete, and answers the EndTxn that waits for it.
func (m *Machine) complete(now int64, id string) machine.Effects {
	t := m.txns[id]
	effects := m.change(id, t.completed(now), staged{lastEpoch: t.lastEpoch})
	if w, ok := m.lingering[id]; ok {
		// Gone even if the append is refused: then the shell answers with that. It
		// need not wait for this record: what the answer says was committed before
		// the first marker was sent.
		delete(m.lingering, id)
		effects.Replies = early(w.token, w.reply).Replies
	}
	return effects
}

// completeAll tries again what could not be written before.
func (m *Machine) completeAll(now int64) machine.Effects {
	var b batch
	for _, id := range slices.Sorted(maps.Keys(m.completing)) {
		t := m.txns[id]
		e := m.change(id, t.completed(now), staged{lastEpoch: t.lastEpoch})
		if !b.fits(e) {
			delete(m.staged, id)
			break
		}
	}
	m.retryAt = m.since
	return b.effects
}

// resumeSome carries on with transactions whose outcome another coordinator, or
// another life of this one, has decided.
func (m *Machine) resumeSome() machine.Effects {
	var effects machine.Effects
	n := min(len(m.resume), maxBatchEvents)
	for _, id := range m.resume[:n] {
		t := m.txns[id]
		switch {
		case t == nil || !t.state.preparing() || t.round != 0:
		case len(t.remaining) == 0:
			m.completing[id] = struct{}{}
			m.retryAt = m.since
		default:
			m.rounds++
			t.round = m.rounds
			effects.Events = append(effects.Events, t.markers(id, t.round, t.remaining))
		}
	}
	if m.resume = m.resume[n:]; len(m.resume) == 0 {
		m.resume = nil
	}
	return effects
}
