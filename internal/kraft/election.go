package kraft

import (
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// ballot is an election this node stands in: real, or a pre-vote.
type ballot struct {
	granted, rejected map[model.NodeID]bool
	ends              bool // a pre-vote that is enough to stand
}

func (m *Machine) newBallot() *ballot {
	return &ballot{granted: map[model.NodeID]bool{m.cfg.NodeID: true}, rejected: map[model.NodeID]bool{}}
}

func (b *ballot) has(id model.NodeID) bool { return b.granted[id] || b.rejected[id] }

func (b *ballot) count(voters VoterSet, in map[model.NodeID]bool) (n int) {
	for _, v := range voters {
		if in[v.ID] {
			n++
		}
	}
	return n
}

func (b *ballot) won(voters VoterSet) bool { return b.count(voters, b.granted) > len(voters)/2 }

// lost tells that no majority is possible any more.
func (b *ballot) lost(voters VoterSet) bool {
	return len(voters)-b.count(voters, b.rejected) <= len(voters)/2
}

// resigned is what only a leader that gave up has.
type resigned struct {
	preferred []Replica // who should stand next, best first
	acked     map[model.NodeID]bool
}

// patience is a random time to wait for an election.
func (m *Machine) patience() time.Duration {
	return m.cfg.ElectionTimeout + time.Duration(m.cfg.Rand.Int64N(int64(m.cfg.ElectionTimeout)+1))
}

// enter leaves the present role for another. Every transition forgets what was
// asked of others.
func (m *Machine) enter(role Role, epoch model.Epoch, leader model.NodeID, endpoints []Endpoint) {
	assert.That(epoch >= m.epoch, "epoch goes from %d to %d", m.epoch, epoch)
	m.leaveRole()
	if epoch > m.epoch {
		m.voted, m.suspects = Replica{ID: model.NoNode}, false
	}
	m.role, m.epoch, m.leader, m.endpoints = role, epoch, leader, endpoints
	m.election, m.ballot, m.resigned, m.following = time.Time{}, nil, nil, nil
}

// leaveRole answers those who wait for a leader, and forgets what was asked of
// others. Appends that the shell was asked for stay owed.
func (m *Machine) leaveRole() {
	m.calls.reset()
	m.fetcher.download, m.fetcher.hw = nil, -1
	if m.leading == nil {
		return
	}
	l := m.leading
	m.leading, m.role = nil, Resigned
	for _, f := range l.parked {
		m.serve(f, true)
	}
	if l.change != nil {
		m.emit(Reply{l.change.token, m.updateAnswer(l.change.listener, kerrNotLeader)})
	}
}

// becomeUnattached enters an epoch without a leader that could be reached; its
// id may be known.
func (m *Machine) becomeUnattached(epoch model.Epoch, leader model.NodeID) {
	left := m.election // what is left of an undecided wait goes on
	if m.role == Prospective && m.ballot.lost(m.log.voters()) {
		left = time.Time{}
	}
	m.enter(Unattached, epoch, leader, nil)
	switch {
	case !m.isVoter() || m.stopping:
	case !left.IsZero():
		m.election = left
	default:
		m.election = m.now.Add(m.patience())
	}
	m.persist()
	m.changed()
}

// becomeFollower follows a leader whose endpoints are known.
func (m *Machine) becomeFollower(epoch model.Epoch, leader model.NodeID, endpoints []Endpoint) {
	assert.That(leader >= 0 && leader != m.cfg.NodeID && len(endpoints) > 0, "node %d follows %d at %v", m.cfg.NodeID, leader, endpoints)
	m.enter(Follower, epoch, leader, endpoints)
	m.following = &following{fetchBy: m.now.Add(m.cfg.FetchTimeout), updateAt: m.now.Add(m.cfg.FetchTimeout)}
	m.persist()
	m.changed()
}

// stand begins an election, by asking whether it could be won (KIP-996).
func (m *Machine) stand() {
	switch {
	case m.stopping || !m.isVoter():
		return
	case !m.mayStand():
		m.inquire(m.position())
		m.becomeUnattached(m.epoch, m.leader) // looks for a leader with Fetches
	case m.isSoleVoter():
		m.becomeCandidate()
	default:
		m.becomeProspective()
	}
}

// becomeProspective is not written down: a restart returns to what was before.
func (m *Machine) becomeProspective() {
	m.enter(Prospective, m.epoch, m.leader, m.endpoints)
	m.ballot = m.newBallot()
	m.election = m.now.Add(m.patience())
	m.changed()
	m.sync()
}

// standWhenSynced ends a pre-vote that was enough, once all of this log is on disk.
// A vote that was given is given again whatever the candidate's log says then, so
// what it said the first time must still be there after a crash.
func (m *Machine) standWhenSynced() {
	if m.ballot.ends && m.log.synced == m.log.end {
		m.becomeCandidate()
	}
}

// becomeCandidate votes for this node in a new epoch. The vote of a sole voter is
// the majority, so its vote and the leadership it wins are one write.
func (m *Machine) becomeCandidate() {
	assert.That(m.isVoter(), "node %d is a candidate among voters %v", m.cfg.NodeID, m.log.voters())
	assert.That(m.isSoleVoter() || m.log.synced == m.log.end, "node %d is a candidate with a log to %d that is synced to %d", m.cfg.NodeID, m.log.end, m.log.synced)
	m.enter(Candidate, m.epoch+1, model.NoNode, nil)
	if m.isSoleVoter() {
		m.ballot = m.newBallot()
		m.becomeLeader()
		return
	}
	m.voted = m.self()
	m.standAgain()
}

// standAgain goes on with a candidacy in the epoch in which this node has voted
// for itself.
func (m *Machine) standAgain() {
	m.role, m.leader, m.ballot = Candidate, model.NoNode, m.newBallot()
	m.election = m.now.Add(m.patience())
	m.persist()
	m.changed()
}

// preVoteLost returns to the leader that was known, or to waiting.
func (m *Machine) preVoteLost() {
	if m.leader >= 0 && len(m.endpoints) > 0 {
		m.becomeFollower(m.epoch, m.leader, m.endpoints)
		return
	}
	m.becomeUnattached(m.epoch, m.leader)
}

// becomeLeader begins the epoch with one control batch: LeaderChange, and the
// voters where the log does not have them yet or has others for this node.
func (m *Machine) becomeLeader() {
	var granting []model.NodeID
	for _, v := range m.log.voters() {
		if m.ballot.granted[v.ID] {
			granting = append(granting, v.ID)
		}
	}
	start := m.log.end
	m.enter(Leader, m.epoch, m.cfg.NodeID, m.cfg.Endpoints)
	m.voted = Replica{ID: model.NoNode}
	m.leading = m.newLeading(start)
	m.persist()
	m.changed()

	records := []wire.Message{m.leaderChange(granting)}
	if m.log.version() >= 1 {
		records = append(records, m.votersToWrite()...)
	}
	m.addControls(start, records)
	m.log.append(start+model.Offset(len(records)), []EpochStart{{m.epoch, start}})
	m.emit(AppendControl{Epoch: m.epoch, Offset: start, Records: records})
	m.sync()
}

// addControls makes this leader's own control records count, from their append
// on.
func (m *Machine) addControls(start model.Offset, records []wire.Message) {
	for i, r := range records {
		err := m.log.history.add(Control{start + model.Offset(i), r})
		assert.That(err == nil, "own control record: %v", err)
	}
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
	me := m.asVoter()
	current := m.log.voters()
	same := false
	for _, v := range current {
		if v.ID == me.ID {
			if len(me.Endpoints) == 0 {
				me.Endpoints = v.Endpoints
			}
			same = v.equal(me)
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

// asVoter is this node as a voter set should name it.
func (m *Machine) asVoter() Voter {
	return Voter{Replica: m.self(), Endpoints: m.cfg.Endpoints, MinVersion: 0, MaxVersion: 1}
}

// resign stops leading, and tells the voters who should stand next. The file goes
// on saying that this node leads the epoch: nobody else can, until a higher one.
func (m *Machine) resign() {
	m.becomeResigned(m.successors())
}

func (m *Machine) becomeResigned(preferred []Replica) {
	m.enter(Resigned, m.epoch, m.cfg.NodeID, m.cfg.Endpoints)
	m.resigned = &resigned{preferred: preferred, acked: map[model.NodeID]bool{}}
	if !m.stopping {
		m.election = m.now.Add(m.patience())
	}
	m.changed()
}

// shutdown gives a leadership up for good.
func (m *Machine) shutdown() {
	if m.stopping {
		return
	}
	m.stopping = true
	switch m.role {
	case Leader:
		m.handover = true
		m.resign()
	case Resigned, Unattached:
		m.election = time.Time{}
	case Prospective:
		m.preVoteLost()
	}
}

// Stopped tells, after Shutdown, that nobody needs this node any more to find
// another leader.
func (m *Machine) Stopped() bool {
	if m.halted || !m.handover {
		return m.halted || m.stopping
	}
	return m.role == Follower || m.isSoleVoter()
}

// electionOver is the end of the patience with a role.
func (m *Machine) electionOver() {
	m.election = time.Time{}
	switch m.role {
	case Unattached:
		m.stand()
	case Prospective:
		m.preVoteLost()
	case Candidate:
		m.stand()
	case Resigned:
		// The epoch goes up, lest this node be named, or followed by itself, as the
		// leader of one that it does not lead.
		m.becomeUnattached(m.epoch+1, model.NoNode)
	}
}

// persist writes the election unless the file says the same already. If nothing was
// said since the last one of the same step, which was then for nobody, one write
// does for both: to take an epoch up and to vote in it.
func (m *Machine) persist() {
	e := Election{
		Epoch: m.epoch, Leader: m.leader, Voted: m.voted,
		Version: m.log.version(), Voters: m.log.voters().IDs(), Behind: m.behind,
	}
	if !e.equal(m.stored) {
		m.stored = e
		for i := len(m.out) - 1; i >= 0; i-- {
			if _, ok := m.out[i].(Changed); ok {
				continue
			}
			if _, ok := m.out[i].(Persist); ok {
				m.out[i] = Persist{e}
				return
			}
			break
		}
		m.emit(Persist{e})
	}
}

func (m *Machine) changed() {
	c := Changed{Role: m.role, Epoch: m.epoch, Leader: m.leader, Endpoints: slices.Clone(m.endpoints)}
	if m.leading != nil {
		c.EpochStart = m.leading.epochStart
	}
	m.emit(c)
}
