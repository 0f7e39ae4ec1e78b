package txn

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/machine"
)

// Due implements machine.Machine.
func (m *Machine) Due() time.Time {
	if !m.serving {
		return time.Time{}
	}
	if len(m.resume) > 0 || len(m.expired) > 0 || m.overdue {
		return m.start
	}
	due := noTime
	sooner := func(at int64) {
		if due == noTime || at < due {
			due = at
		}
	}
	if len(m.completing) > 0 {
		sooner(m.retryAt)
	}
	if len(m.lingering) > 0 {
		sooner(m.lingerAt)
	}
	if m.earliest != noTime {
		sooner(m.nextAbort(m.earliest + 1))
	}
	if len(m.txns) > 0 {
		sooner(m.expireAt)
	}
	if due == noTime {
		return time.Time{}
	}
	return m.start.Add(time.Duration(due) * time.Millisecond)
}

// nextAbort is the first time from at on at which time-outs are looked for.
func (m *Machine) nextAbort(at int64) int64 {
	interval := m.cfg.AbortInterval.Milliseconds()
	return (max(at, 1) + interval - 1) / interval * interval
}

// Tick implements machine.Machine. It does one kind of work at a time, so that
// each stands in an append of its own.
func (m *Machine) Tick(now time.Time) machine.Effects {
	clear(m.staged)
	ms := m.at(now)
	switch {
	case len(m.resume) > 0:
		return m.resumeSome()
	case len(m.completing) > 0 && m.since >= m.retryAt:
		return m.completeAll(ms)
	case m.overdue, m.earliest != noTime && m.since >= m.nextAbort(m.earliest+1):
		return m.abortTimedOut(ms)
	case len(m.expired) > 0:
		return m.removeExpired(ms)
	case len(m.txns) > 0 && m.since >= m.expireAt:
		return m.findExpired(ms)
	}
	return m.answerLate()
}

// answerLate answers each EndTxn that has waited long enough for its markers.
func (m *Machine) answerLate() machine.Effects {
	var effects machine.Effects
	m.lingerAt = math.MaxInt64
	for _, id := range slices.Sorted(maps.Keys(m.lingering)) {
		w := m.lingering[id]
		if w.until > m.since {
			m.lingerAt = min(m.lingerAt, w.until)
			continue
		}
		delete(m.lingering, id)
		effects.Replies = append(effects.Replies, reply(w.token, w.reply).Replies...)
	}
	return effects
}

// abortTimedOut aborts transactions that are open for too long. Those that need a
// producer id when there is none, or are refused, wait for the next interval.
func (m *Machine) abortTimedOut(now int64) machine.Effects {
	var late []string
	m.earliest, m.overdue = noTime, false
	for id, t := range m.txns {
		if !t.mayBeLate() {
			continue
		}
		at := t.lateAt
		if at < m.since {
			late = append(late, id)
			at = m.since
		}
		if m.earliest == noTime || at < m.earliest {
			m.earliest = at
		}
	}
	slices.Sort(late)
	var b batch
	for _, id := range late {
		e, err := m.fence(now, id, m.txns[id])
		if err != nil {
			break
		}
		if !b.fits(e) {
			delete(m.staged, id)
			m.overdue = true
			break
		}
	}
	return b.effects
}

// findExpired looks for ids that nobody has used for long.
func (m *Machine) findExpired(now int64) machine.Effects {
	for id, t := range m.txns {
		if m.unused(t, now) {
			m.expired = append(m.expired, id)
		}
	}
	slices.Sort(m.expired)
	interval := m.cfg.ExpiryInterval.Milliseconds()
	m.expireAt = (m.since/interval + 1) * interval
	return machine.Effects{}
}

func (m *Machine) unused(t *transaction, now int64) bool {
	return t.state.over() && t.updated <= now-m.cfg.Expiration.Milliseconds()
}

// removeExpired ends ids with tombstones. Those whose tombstones are refused are
// found again.
func (m *Machine) removeExpired(now int64) machine.Effects {
	var b batch
	for len(m.expired) > 0 {
		id := m.expired[0]
		if t := m.txns[id]; t != nil && m.unused(t, now) && !b.fits(machine.Effects{Records: []machine.Record{{Key: encodeKey(id)}}}) {
			break
		}
		m.expired = m.expired[1:]
	}
	return b.effects
}
