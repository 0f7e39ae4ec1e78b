package controller

import (
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// heartbeat keeps a broker's session and moves it through its states:
//
//	         caught up, not wantFence
//	fenced ─────────────────────────────▶ unfenced ──wantShutDown, leads──▶ shutting down
//	  ▲  ▲                                 │   │                               │
//	  │  └───────wantFence, timed out──────┘   └──wantShutDown, leads nothing──┤
//	  └────────────── may stop now ◀───────────── all active brokers have read ┘
//	                                              that it leads nothing
func (m *Machine) heartbeat(r *wire.BrokerHeartbeatRequest) wire.Response {
	response := &wire.BrokerHeartbeatResponse{}
	response.Reset()
	b, err := m.checkEpoch(r.BrokerID, r.BrokerEpoch)
	if err != nil {
		response.ErrorCode = kerr.Code(err)
		return response
	}
	s := m.session(b)
	now, next := m.stateOf(b, s), m.nextState(b, s, r)
	if now != next {
		m.enter(b, next)
	}
	s.touch(m.now, model.Offset(r.CurrentMetadataOffset))
	if next == stateStopped {
		s.alive = false // it said goodbye: its next incarnation need not wait
	}
	if m.version().Directories() && len(r.OfflineLogDirs) > 0 {
		m.dirsOffline(b, r.OfflineLogDirs)
	}
	if m.version().CordonedDirs() && r.CordonedLogDirs != nil {
		m.dirsCordoned(b, r.CordonedLogDirs)
	}
	if next == stateShuttingDown && s.shutdownOffset < 0 {
		s.shutdownOffset = m.next + model.Offset(len(m.out)) - 1
	}
	response.IsCaughtUp = r.CurrentMetadataOffset >= int64(b.RegisteredAt)
	response.IsFenced = next == stateFenced || next == stateStopped
	response.ShouldShutDown = next == stateStopped
	return response
}

// brokerState is where a broker is between registration and stop.
type brokerState int8

const (
	stateFenced brokerState = iota
	stateUnfenced
	stateShuttingDown
	stateStopped // fenced, and told to stop
)

func (m *Machine) stateOf(b *metadata.Broker, s *session) brokerState {
	switch {
	case s.shutdownOffset >= 0:
		return stateShuttingDown
	case b.Fenced:
		return stateFenced
	}
	return stateUnfenced
}

func (m *Machine) nextState(b *metadata.Broker, s *session, r *wire.BrokerHeartbeatRequest) brokerState {
	switch m.stateOf(b, s) {
	case stateFenced:
		switch {
		case r.WantShutDown:
			return stateStopped
		case !r.WantFence && r.CurrentMetadataOffset >= int64(b.RegisteredAt):
			return stateUnfenced
		}
		return stateFenced
	case stateUnfenced:
		switch {
		case r.WantFence && r.WantShutDown:
			return stateStopped
		case r.WantFence:
			return stateFenced
		case r.WantShutDown && m.leads(b.ID):
			return stateShuttingDown
		case r.WantShutDown:
			return stateStopped
		}
		return stateUnfenced
	}
	if m.leads(b.ID) || s.shutdownOffset > m.lowestActiveOffset() {
		return stateShuttingDown
	}
	return stateStopped
}

func (m *Machine) leads(id model.NodeID) bool {
	for t := range m.draft.Topics() {
		if slices.ContainsFunc(t.Partitions, func(p metadata.Partition) bool { return p.Replicas != nil && p.Leader == id }) {
			return true
		}
	}
	return false
}

func (m *Machine) enter(b *metadata.Broker, next brokerState) {
	m.cfg.Log.Info("a broker changes state", "broker", b.ID, "epoch", b.Epoch, "state", next.String())
	switch next {
	case stateFenced, stateStopped:
		m.fence(b)
	case stateUnfenced:
		m.unfence(b)
	case stateShuttingDown:
		m.shutDown(b)
	}
}

func (s brokerState) String() string {
	return [...]string{"fenced", "unfenced", "shutting down", "stopped"}[s]
}

// dirsOffline takes the broker out of what it kept in directories that failed.
func (m *Machine) dirsOffline(b *metadata.Broker, offline []model.UUID) {
	var online []model.UUID
	for _, dir := range b.LogDirs {
		if !slices.Contains(offline, model.UUID(dir)) {
			online = append(online, model.UUID(dir))
			continue
		}
		m.update(goneBroker(b.ID), m.where(func(p *metadata.Partition) bool {
			at, is := p.Directory(b.ID)
			return is && at == dir
		}))
	}
	if len(online) == len(b.LogDirs) || len(online) == 0 {
		return // none failed, or all did: a record with none would mean no change, and the broker stops itself
	}
	m.cfg.Log.Warn("log directories went offline", "broker", b.ID, "online", len(online), "were", len(b.LogDirs))
	m.emit(&wire.BrokerRegistrationChangeRecord{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch), LogDirs: online})
}

func (m *Machine) dirsCordoned(b *metadata.Broker, cordoned []model.UUID) {
	if b.CordonedLogDirs != nil && len(b.CordonedLogDirs) == len(cordoned) && (len(cordoned) == 0 || sameDirs(b.CordonedLogDirs, cordoned)) {
		return
	}
	m.emit(&wire.BrokerRegistrationChangeRecord{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch), CordonedLogDirs: cordoned})
}
