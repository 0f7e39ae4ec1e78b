package kraft

import (
	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// campaign is Prospective and Candidate of a sole voter in one step: its own
// vote is the majority, so the vote for itself and the leadership it wins are
// persisted in one write. The epoch is new even where the file already says
// that this node leads: a leader that restarted must not lead on in the same
// epoch, for it may have lost records that others have (KAFKA-10527).
func (m *Machine) campaign() {
	voters := m.log.voters()
	assert.That(len(voters) == 1 && m.isVoter(), "node %d campaigns among voters %v", m.cfg.NodeID, voters)
	m.role, m.epoch = Candidate, m.epoch+1
	m.becomeLeader([]model.NodeID{m.cfg.NodeID})
}

// becomeLeader begins the epoch with one control batch: LeaderChange, and the
// voters where the log does not have them yet or has others for this node.
func (m *Machine) becomeLeader(granting []model.NodeID) {
	start := m.log.end
	m.role, m.leader, m.voted = Leader, m.cfg.NodeID, Replica{ID: model.NoNode}
	m.endpoints = m.cfg.Endpoints
	m.leading = &leading{epochStart: start, replicas: map[Replica]*progress{}}
	m.persist()
	m.changed()

	records := []wire.Message{m.leaderChange(granting)}
	if m.log.version() >= 1 {
		records = append(records, m.votersToWrite()...)
	}
	for i, r := range records {
		err := m.log.history.add(Control{start + model.Offset(i), r})
		assert.That(err == nil, "own control record: %v", err)
	}
	m.log.append(start+model.Offset(len(records)), []EpochStart{{m.epoch, start}})
	m.emit(AppendControl{Epoch: m.epoch, Offset: start, Records: records})
}

func (m *Machine) leaderChange(granting []model.NodeID) *wire.LeaderChangeMessage {
	r := new(wire.LeaderChangeMessage)
	r.Reset()
	r.LeaderID = int32(m.cfg.NodeID)
	r.Voters = leaderChangeVoters(m.log.voters().IDs())
	r.GrantingVoters = leaderChangeVoters(granting)
	return r
}

func leaderChangeVoters(ids []model.NodeID) []wire.LeaderChangeMessageVoter {
	voters := make([]wire.LeaderChangeMessageVoter, len(ids))
	for i, id := range ids {
		voters[i].Reset()
		voters[i].VoterID = int32(id)
	}
	return voters
}

// votersToWrite are kraft.version and the voter set with this node as it is now,
// if the log does not say so already. A node without a controller listener, whose
// roles talk inside the process, leaves the endpoints as they are.
func (m *Machine) votersToWrite() []wire.Message {
	me := Voter{Replica: m.self(), Endpoints: m.cfg.Endpoints, MinVersion: 0, MaxVersion: 1}
	current := m.log.voters()
	same := false
	for _, v := range current {
		if v.ID == me.ID {
			if len(me.Endpoints) == 0 {
				me.Endpoints = v.Endpoints
			}
			same = endpointsEqual(v.Endpoints, me.Endpoints) && v.MinVersion == me.MinVersion && v.MaxVersion == me.MaxVersion
		}
	}
	if same && !m.log.history.fromBootstrap() {
		return nil
	}
	version := new(wire.KRaftVersionRecord)
	version.Reset()
	version.KRaftVersion = m.log.version()
	return []wire.Message{version, current.with(me).Record()}
}

// becomeUnattached enters an epoch without a leader that could be reached; its
// id may be known.
func (m *Machine) becomeUnattached(epoch model.Epoch, leader model.NodeID) {
	if epoch > m.epoch {
		m.voted = Replica{ID: model.NoNode}
	}
	m.leaveRole()
	m.role, m.epoch, m.leader, m.endpoints = Unattached, epoch, leader, nil
	m.persist()
	m.changed()
}

// becomeFollower follows a leader whose endpoints are known.
func (m *Machine) becomeFollower(epoch model.Epoch, leader model.NodeID, endpoints []Endpoint) {
	if epoch > m.epoch {
		m.voted = Replica{ID: model.NoNode}
	}
	m.leaveRole()
	m.role, m.epoch, m.leader, m.endpoints = Follower, epoch, leader, endpoints
	m.persist()
	m.changed()
}

// resign stops leading. The file goes on saying that this node leads the epoch:
// nobody else can, until a higher one.
func (m *Machine) resign() {
	if m.role != Leader {
		return
	}
	m.leaveRole()
	m.role = Resigned
	m.changed()
}

// leaveRole answers those who wait for a leader, and forgets what was asked of
// others.
func (m *Machine) leaveRole() {
	if m.leading != nil {
		parked := m.leading.parked
		m.leading, m.role = nil, Resigned
		for _, f := range parked {
			m.serve(f, true)
		}
	}
	m.fetcher.reset()
}

// persist writes the election unless the file says the same already.
func (m *Machine) persist() {
	e := Election{
		Epoch: m.epoch, Leader: m.leader, Voted: m.voted,
		Version: m.log.version(), Voters: m.log.voters().IDs(),
	}
	if !e.equal(m.stored) {
		m.stored = e
		m.emit(Persist{e})
	}
}

func (m *Machine) changed() {
	c := Changed{Role: m.role, Epoch: m.epoch, Leader: m.leader, Endpoints: m.endpoints}
	if m.leading != nil {
		c.EpochStart = m.leading.epochStart
	}
	m.emit(c)
}
