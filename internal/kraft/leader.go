package kraft

import (
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/model"
)

const (
	// observerSilence is after how long a replica that is no voter is forgotten.
	observerSilence = 300 * time.Second
	// maxObservers bounds how many are remembered, and maxParked how many
	// fetches may wait; what is beyond is served all the same, without.
	maxObservers = 10_000
	maxParked    = 10_000
)

// leading is what only a leader has.
type leading struct {
	epochStart model.Offset
	replicas   map[Replica]*progress // all but this node
	parked     []fetch               // in order of arrival
	announceAt time.Time             // the next round of BeginQuorumEpoch

	checkBy time.Time             // when a majority must have fetched
	fetched map[model.NodeID]bool // the voters that have, since the last majority

	told   map[model.NodeID]Voter // what voters say they are, with kraft.version 0
	change *voterChange           // under way, at most one
}

func (m *Machine) newLeading(start model.Offset) *leading {
	return &leading{
		epochStart: start, replicas: map[Replica]*progress{}, announceAt: m.now, checkBy: m.now.Add(m.quorumPatience()),
		fetched: map[model.NodeID]bool{}, told: map[model.NodeID]Voter{},
	}
}

// quorumPatience is how long a leader leads that no majority fetches from.
func (m *Machine) quorumPatience() time.Duration { return m.cfg.FetchTimeout * 3 / 2 }

// progress is what the leader knows of another replica from its fetches.
type progress struct {
	end          model.Offset // its log end, which is its word that it has everything below
	lastFetch    time.Time
	lastCaughtUp time.Time
	leaderEnd    model.Offset // this leader's log end at lastFetch
}

func (l *leading) deadline(m *Machine) time.Time {
	var d time.Time
	if len(m.log.voters()) > 1 {
		d = earlier(l.announceAt, l.checkBy)
	}
	if l.change != nil {
		d = earlier(d, l.change.deadline)
	}
	for _, f := range l.parked {
		d = earlier(d, f.deadline)
	}
	return d
}

// lastFetch is when a voter fetched last, the zero time if it has not.
func (l *leading) lastFetch(v Voter) (t time.Time) {
	for r, p := range l.replicas {
		if v.matches(r) && p.lastFetch.After(t) {
			t = p.lastFetch
		}
	}
	return t
}

// countFetched renews the leadership when a majority has fetched, this node
// being one of it if it is a voter.
func (m *Machine) countFetched(r Replica) {
	voters, l := m.log.voters(), m.leading
	if r.ID == m.cfg.NodeID || !voters.has(r) {
		return
	}
	l.fetched[r.ID] = true
	majority, n := len(voters)/2+1, 0
	if m.isVoter() {
		n++
	}
	for _, v := range voters {
		if l.fetched[v.ID] {
			n++
		}
	}
	if n >= majority {
		clear(l.fetched)
		l.checkBy = m.now.Add(m.quorumPatience())
	}
}

// forgetOtherDisks forgets what a static voter, which is known by its id alone,
// once acknowledged from another directory: that disk is gone.
func (m *Machine) forgetOtherDisks(r Replica) {
	if !slices.ContainsFunc(m.log.voters(), func(v Voter) bool { return v.ID == r.ID && v.matches(r) }) {
		return
	}
	for other := range m.leading.replicas {
		if other.ID == r.ID && other != r {
			delete(m.leading.replicas, other)
		}
	}
}

// fetchedBy records a valid fetch of another replica.
func (m *Machine) fetchedBy(r Replica, from model.Offset) {
	if r.ID < 0 || r.ID == m.cfg.NodeID {
		return
	}
	p := m.leading.replicas[r]
	if p == nil {
		m.leading.forgetSilent(m.now)
		if len(m.leading.replicas) >= maxObservers && !m.log.voters().has(r) {
			return
		}
		m.forgetOtherDisks(r)
		p = &progress{leaderEnd: -1}
		m.leading.replicas[r] = p
	}
	switch {
	case from >= m.log.end:
		p.lastCaughtUp = m.now
	case p.leaderEnd >= 0 && from >= p.leaderEnd:
		p.lastCaughtUp = p.lastFetch
	}
	p.end, p.lastFetch, p.leaderEnd = from, m.now, m.log.end
	m.countFetched(r)
	m.maybeCommit()
}

func (l *leading) forgetSilent(now time.Time) {
	for r, p := range l.replicas {
		if now.Sub(p.lastFetch) >= observerSilence {
			delete(l.replicas, r)
		}
	}
}

// appended moves the leader's end; followers may read what is not synced yet,
// for nobody counts it before this node has.
func (m *Machine) appended(e Appended) {
	assert.That(m.leading != nil, "append without leading")
	assert.That(e.End >= m.log.end, "leader's log shrank from %d to %d", m.log.end, e.End)
	m.log.end = e.End
	m.wake()
	m.sync()
}

// sync asks for what is not on disk yet. One Sync is under way at a time: the next
// is for all that was appended meanwhile.
func (m *Machine) sync() {
	if !m.log.syncing && m.log.synced < m.log.end {
		m.log.syncing = true
		m.emit(Sync{End: m.log.end})
	}
}

// synced counts what the Sync was asked for, and nothing that came since. The role
// may be another by now.
func (m *Machine) synced(e Synced) {
	assert.That(m.log.syncing && e.End <= m.log.end, "synced to %d of a log that ends at %d", e.End, m.log.end)
	m.log.syncing, m.log.synced = false, max(m.log.synced, e.End)
	switch m.role {
	case Leader:
		m.maybeCommit()
	case Prospective:
		m.standWhenSynced()
	case Unattached, Candidate, Resigned, Follower:
		m.followHighWatermark()
	}
	m.sync()
}

// maybeCommit moves the high watermark to what a majority of the voters has on
// disk, but not before that includes a record of this leader's own epoch: a
// record of an earlier epoch, even on a majority, may still be replaced by
// another leader (the Raft paper, 5.4.2).
func (m *Machine) maybeCommit() {
	var ends []model.Offset
	for _, v := range m.log.voters() {
		ends = append(ends, m.endOfVoter(v))
	}
	slices.SortFunc(ends, func(a, b model.Offset) int { return int(b - a) })
	hw := ends[len(ends)/2]
	if hw > m.leading.epochStart && hw > m.hw {
		m.setHighWatermark(hw)
		m.wake()
	}
	if m.published() >= 0 && m.hw <= m.log.synced {
		m.caughtUp()
	}
}

func (m *Machine) endOfVoter(v Voter) model.Offset {
	if v.matches(m.self()) {
		return m.log.synced
	}
	end := model.Offset(-1)
	for r, p := range m.leading.replicas {
		if v.matches(r) {
			end = max(end, p.end)
		}
	}
	return end
}

// published is the high watermark that others are told: none before a record of
// this epoch is committed, which also keeps a follower's from going down.
func (m *Machine) published() model.Offset {
	if m.leading != nil && m.hw <= m.leading.epochStart {
		return -1
	}
	return m.hw
}

// wake serves the parked fetches that have something to be told now.
func (m *Machine) wake() {
	parked := m.leading.parked
	m.leading.parked = nil
	for _, f := range parked {
		m.serve(f, false)
	}
}

func (m *Machine) abandon(t Token) {
	if m.leading != nil {
		m.leading.parked = slices.DeleteFunc(m.leading.parked, func(f fetch) bool { return f.token == t })
	}
}

// expire does what is due by now.
func (m *Machine) expire() {
	m.expireCalls()
	due := func(t time.Time) bool { return !t.IsZero() && !t.After(m.now) }
	switch {
	case m.halted:
	case m.role == Leader && len(m.log.voters()) > 1 && due(m.leading.checkBy):
		m.resign()
	case m.role == Leader:
		m.expireFetches()
		m.expireChange()
	case m.role == Follower && m.isVoter() && due(m.following.fetchBy):
		m.following.fetchBy = time.Time{}
		m.stand()
	case due(m.election):
		m.electionOver()
	}
}

// expireFetches answers the parked fetches whose wait is over.
func (m *Machine) expireFetches() {
	due := func(f fetch) bool { return !f.deadline.After(m.now) }
	var late []fetch
	for _, f := range m.leading.parked {
		if due(f) {
			late = append(late, f)
		}
	}
	if late != nil {
		m.leading.parked = slices.DeleteFunc(m.leading.parked, due)
	}
	for _, f := range late {
		m.serve(f, true)
	}
}
