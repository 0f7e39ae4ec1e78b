package controller

import (
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

const (
	maxElections = 1000                  // of one periodic round
	nextRound    = 10 * time.Millisecond // until the round after a full one
)

// Tick does the first thing that is due: fence one broker whose session is over,
// elect leaders, or write a NoOp so that followers see a moving log. Deadline
// tells whether more is due.
func (m *Machine) Tick(now time.Time, nextOffset model.Offset) Result {
	if !m.Active() {
		return Result{Err: kerr.NotController}
	}
	m.begin(now, nextOffset)
	switch {
	case m.fenceExpired():
	case m.cfg.ImbalanceInterval > 0 && !now.Before(m.nextBalance):
		m.nextBalance = now.Add(m.round(m.cfg.ImbalanceInterval, m.electPreferred()))
	case m.cfg.UncleanInterval > 0 && !now.Before(m.nextUnclean):
		m.nextUnclean = now.Add(m.round(m.cfg.UncleanInterval, m.electUnclean()))
	case m.cfg.MaxIdle > 0 && !now.Before(m.idleSince.Add(m.cfg.MaxIdle)):
		m.emit(&wire.NoOpRecord{})
	}
	return m.finish(nil, false)
}

func (m *Machine) round(interval time.Duration, full bool) time.Duration {
	if full {
		return nextRound
	}
	return interval
}

// fenceExpired ends one session that timed out.
func (m *Machine) fenceExpired() bool {
	b := m.expired()
	if b == nil {
		return false
	}
	m.session(b).alive = false
	if !b.Fenced {
		m.cfg.Log.Info("fencing a broker: its session has timed out", "broker", b.ID, "epoch", b.Epoch)
		m.fence(b)
	}
	return true
}

// Lost fences a broker at once that is known to be gone: its heartbeat
// connection closed and all its endpoints refuse. Apache Kafka waits for the
// session to time out. Nothing happens when the broker has another epoch by now.
func (m *Machine) Lost(now time.Time, nextOffset model.Offset, id model.NodeID, epoch model.BrokerEpoch) Result {
	if !m.Active() {
		return Result{Err: kerr.NotController}
	}
	m.begin(now, nextOffset)
	if b := m.draft.Broker(id); b != nil && b.Epoch == epoch {
		m.session(b).alive = false
		if !b.Fenced {
			m.cfg.Log.Info("fencing a broker: it refuses connections", "broker", id, "epoch", epoch)
			m.fence(b)
		}
	}
	return m.finish(nil, false)
}
