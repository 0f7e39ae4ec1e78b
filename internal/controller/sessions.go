package controller

import (
	"math"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// session is what this leadership knows of a broker from its heartbeats. None of
// it is in the log: the next leader begins anew.
type session struct {
	epoch   model.BrokerEpoch
	alive   bool      // contact counts: not timed out and not closed
	contact time.Time // of the last heartbeat, or of the claim
	heard   bool      // a heartbeat came in this leadership

	metadataOffset model.Offset // how far the broker has read, -1 unknown
	// shutdownOffset is where the batch that moved the broker's leaders away
	// ended; the broker may go once all active brokers have read it. -1 when it
	// is not shutting down.
	shutdownOffset model.Offset
}

// session is the session of this registration, a new one for a new epoch.
func (m *Machine) session(b *metadata.Broker) *session {
	if s := m.sessions[b.ID]; s != nil && s.epoch == b.Epoch {
		return s
	}
	s := &session{epoch: b.Epoch, metadataOffset: -1, shutdownOffset: -1}
	m.sessions[b.ID] = s
	return s
}

func (s *session) touch(now time.Time, metadataOffset model.Offset) {
	s.alive, s.heard, s.contact, s.metadataOffset = true, true, now, metadataOffset
}

// shuttingDown reports whether no new replicas may be placed on the broker.
func (m *Machine) shuttingDown(b *metadata.Broker) bool {
	return b.InControlledShutdown || m.session(b).shutdownOffset >= 0
}

// lowestActiveOffset is how far every active broker has read the metadata log.
func (m *Machine) lowestActiveOffset() model.Offset {
	lowest := model.Offset(math.MaxInt64)
	for b := range m.draft.Brokers() {
		if s := m.session(b); !b.Fenced && s.shutdownOffset < 0 {
			lowest = min(lowest, s.metadataOffset)
		}
	}
	return lowest
}

// expired is the broker whose session has been over for longest, nil for none.
func (m *Machine) expired() *metadata.Broker {
	var stalest *metadata.Broker
	for b := range m.draft.Brokers() {
		s := m.session(b)
		if !s.alive || m.now.Before(s.contact.Add(m.cfg.SessionTimeout)) {
			continue
		}
		if stalest == nil || s.contact.Before(m.session(stalest).contact) {
			stalest = b
		}
	}
	return stalest
}

// Deadline is when Tick has something to do, the zero time for never.
func (m *Machine) Deadline() time.Time {
	if !m.Active() {
		return time.Time{}
	}
	var first time.Time
	soonest := func(t time.Time) {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	if m.cfg.MaxIdle > 0 {
		soonest(m.idleSince.Add(m.cfg.MaxIdle))
	}
	if m.cfg.ImbalanceInterval > 0 {
		soonest(m.nextBalance)
	}
	if m.cfg.UncleanInterval > 0 {
		soonest(m.nextUnclean)
	}
	for b := range m.draft.Brokers() {
		if s := m.session(b); s.alive {
			soonest(s.contact.Add(m.cfg.SessionTimeout))
		}
	}
	return first
}
