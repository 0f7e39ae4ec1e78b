package kraft

import (
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

var kerrNotLeader = kerr.NotLeaderOrFollower

// voterChange is a change of the voter set that is on its way into the log.
type voterChange struct {
	token    Token
	listener string
	by       Replica
	deadline time.Time
}

// wantsUpdate tells whether the leader must be told what this voter is: with
// kraft.version 1 if the voter set says otherwise; with 0 once to every leader,
// which needs the directory of every voter for the upgrade.
func (m *Machine) wantsUpdate() bool {
	if len(m.cfg.Endpoints) == 0 || !m.isVoter() {
		return false
	}
	if m.log.version() == 0 {
		return !m.following.updated
	}
	me := m.asVoter()
	for _, v := range m.log.voters() {
		if v.ID == me.ID {
			return !v.equal(me)
		}
	}
	return false
}

func (m *Machine) updateRequest() *wire.UpdateRaftVoterRequest {
	me := m.asVoter()
	q := new(wire.UpdateRaftVoterRequest)
	q.Reset()
	q.ClusterID, q.CurrentLeaderEpoch = &m.cfg.ClusterID, int32(m.epoch)
	q.VoterID, q.VoterDirectoryID = int32(me.ID), model.UUID(me.Directory)
	for _, e := range me.Endpoints {
		q.Listeners = append(q.Listeners, wire.UpdateRaftVoterRequestListener{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	q.KRaftVersionFeature.MinSupportedVersion, q.KRaftVersionFeature.MaxSupportedVersion = me.MinVersion, me.MaxVersion
	return q
}

func (m *Machine) updateResponse(r *wire.UpdateRaftVoterResponse) bool {
	n := named{err: r.ErrorCode, epoch: model.Epoch(r.CurrentLeader.LeaderEpoch), leader: model.NodeID(r.CurrentLeader.LeaderID)}
	if n.err == kerr.UnsupportedVersion.Code {
		n.err = 0
	}
	if r.CurrentLeader.Host != "" {
		n.at(m.cfg.Listener, r.CurrentLeader.LeaderID, r.CurrentLeader.Host, r.CurrentLeader.Port)
	}
	o := m.learn(n)
	if o == proceed && m.role == Follower {
		m.following.updated = true
		m.heardFromLeader()
	}
	return o != useless
}

// handleUpdate checks in Kafka's order. With kraft.version 0 the log has no place
// for it, so this leader only remembers.
func (m *Machine) handleUpdate(r Request, q *wire.UpdateRaftVoterRequest) {
	voter, err := m.checkUpdate(q)
	if err != nil {
		m.emit(Reply{r.Token, m.updateAnswer(r.Listener, err)})
		return
	}
	if m.log.version() == 0 {
		m.leading.told[voter.ID] = voter
		m.countFetched(voter.Replica)
		m.emit(Reply{r.Token, m.updateAnswer(r.Listener, nil)})
		return
	}
	m.leading.change = &voterChange{token: r.Token, listener: r.Listener, by: voter.Replica, deadline: m.now.Add(m.cfg.RequestTimeout)}
	m.emit(ProposeControl{Epoch: m.epoch, Records: []wire.Message{m.log.voters().with(voter).Record()}})
}

func (m *Machine) checkUpdate(q *wire.UpdateRaftVoterRequest) (Voter, *kerr.Error) {
	voter := Voter{Replica: Replica{model.NodeID(q.VoterID), model.DirectoryID(q.VoterDirectoryID)}, MinVersion: q.KRaftVersionFeature.MinSupportedVersion, MaxVersion: q.KRaftVersionFeature.MaxSupportedVersion}
	for _, e := range q.Listeners {
		voter.Endpoints = append(voter.Endpoints, Endpoint{e.Name, Address{e.Host, e.Port}})
	}
	if !m.isMyCluster(q.ClusterID) {
		return voter, kerr.InconsistentClusterID
	}
	if err := m.leaderOnly(model.Epoch(q.CurrentLeaderEpoch)); err != nil {
		return voter, err
	}
	_, reachable := AddressOf(voter.Endpoints, m.cfg.Listener)
	version := m.log.version()
	switch {
	case voter.ID < 0 || voter.Directory == model.DirectoryID{} || !reachable,
		voter.MinVersion < 0 || voter.MaxVersion < voter.MinVersion:
		return voter, kerr.InvalidRequest
	case m.leading.change != nil, m.published() < 0, version > 0 && m.log.history.votersAt() >= m.hw:
		return voter, kerr.RequestTimedOut
	case voter.MinVersion > version || voter.MaxVersion < version:
		return voter, kerr.InvalidRequest
	case !m.log.voters().has(voter.Replica):
		return voter, kerr.VoterNotFound
	}
	return voter, nil
}

// controlAppended lets a proposed voter set count, from its append on.
func (m *Machine) controlAppended(e ControlAppended) {
	if m.leading == nil || e.Epoch != m.epoch {
		return
	}
	assert.That(e.End >= m.log.end, "leader's log shrank from %d to %d", m.log.end, e.End)
	m.addControls(e.Offset, e.Records)
	if c := m.leading.change; c != nil {
		m.leading.change = nil
		m.countFetched(c.by)
		m.emit(Reply{c.token, m.updateAnswer(c.listener, nil)})
	}
	m.log.end, m.log.synced = e.End, e.End
	m.wake()
	m.maybeCommit()
}

// expireChange gives up waiting for a change; it may still come.
func (m *Machine) expireChange() {
	if c := m.leading.change; c != nil && !c.deadline.After(m.now) {
		m.leading.change = nil
		m.emit(Reply{c.token, m.updateAnswer(c.listener, kerr.RequestTimedOut)})
	}
}

func (m *Machine) updateAnswer(listener string, err *kerr.Error) *wire.UpdateRaftVoterResponse {
	leader, at := m.namedLeader(listener)
	r := new(wire.UpdateRaftVoterResponse)
	r.Reset()
	r.ErrorCode = code(err)
	r.CurrentLeader = wire.UpdateRaftVoterResponseCurrentLeader{LeaderID: int32(leader), LeaderEpoch: int32(m.epoch), Host: at.Host, Port: int32(at.Port)}
	return r
}
