package kraft

import (
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// following is what only a follower has.
type following struct {
	fetchBy time.Time // when a voter gives the leader up
	// fetched tells that the leader has answered well in this epoch. Until the
	// patience with it is over, nobody is told that an election could be won.
	fetched bool
	// probing is set when the leader refused a connection and is asked once more.
	probing  bool
	updateAt time.Time // when to look whether the leader must be told of this voter
	updated  bool      // it has been told
}

// heardFromLeader renews the patience with the leader.
func (m *Machine) heardFromLeader() {
	f := m.following
	f.fetchBy, f.fetched, f.probing = m.now.Add(m.cfg.FetchTimeout), true, false
	m.suspects = false
}

// quickWait bounds the random wait between two refused connections.
const quickWait = 150 * time.Millisecond

// leaderRefused takes a refused connection for a sign that the leader's process
// is gone: no packet is lost, no host is silent, the address answers that nobody
// listens. A second one, after a random wait that keeps the voters from standing
// at the same moment, counts as the fetch time-out, once an election time-out.
// Should the leader live, its other followers refuse the pre-vote.
func (m *Machine) leaderRefused() {
	f := m.following
	switch {
	case !m.isVoter() || m.stopping:
	case f.probing:
		m.suspects, m.quickAt = true, m.now
		m.stand()
	case m.quickAt.IsZero() || m.now.Sub(m.quickAt) >= m.cfg.ElectionTimeout:
		f.probing = true
		p := m.calls.pauses[m.leader]
		p.until = m.now.Add(time.Duration(m.cfg.Rand.Int64N(int64(quickWait) + 1)))
		m.calls.pauses[m.leader] = p
	}
}

// fetcher is the one conversation of a node that does not lead: a Fetch or a
// FetchSnapshot, its outcome, the next.
type fetcher struct {
	// blocked is set while the shell appends or installs.
	blocked  bool
	hw       model.Offset // told by the last good response
	download *download
}

// download is a snapshot that is being fetched.
type download struct {
	id   SnapshotID
	have int64
}

func (f *fetcher) deadline(m *Machine) time.Time {
	if f.blocked || m.calls.fetching() || m.log.syncing {
		return time.Time{}
	}
	return m.calls.ready(m.candidates(), m.now)
}

// fetch sends the next request if one is due. What was fetched, or appended as a
// leader of old, is synced first where a Fetch is an acknowledgement. Meanwhile the
// node answers as ever.
func (m *Machine) fetch() {
	f := &m.fetcher
	if f.blocked || m.calls.fetching() {
		return
	}
	if m.cfg.Controller && (m.log.syncing || m.log.synced < m.log.end) {
		m.sync()
		return
	}
	to, ok := m.target()
	switch {
	case !ok:
	case f.download != nil:
		m.call(to, m.snapshotRequest())
	case m.updateDue(to):
		m.call(to, m.updateRequest())
	default:
		m.call(to, m.fetchLogRequest())
	}
}

// updateDue tells whether a follower's next request is UpdateRaftVoter.
func (m *Machine) updateDue(to Peer) bool {
	if m.role != Follower || to.ID != m.leader || m.following.updateAt.After(m.now) {
		return false
	}
	m.following.updateAt = m.now.Add(m.cfg.FetchTimeout)
	return m.wantsUpdate()
}

// target is whom to ask: the leader; while it is not reached or not known, any
// of the others, who may know a newer one. A snapshot is the leader's alone.
func (m *Machine) target() (Peer, bool) {
	ready := func(p Peer) bool { return m.calls.idle(p.ID, m.now) }
	if m.role == Follower {
		p, ok := m.leaderPeer()
		if ok && (ready(p) || m.fetcher.download != nil || m.following.probing) {
			return p, ready(p)
		}
	}
	var peers []Peer
	for _, p := range m.bootstrap() {
		if ready(p) {
			peers = append(peers, p)
		}
	}
	if len(peers) == 0 {
		return Peer{}, false
	}
	return peers[m.cfg.Rand.IntN(len(peers))], true
}

func (m *Machine) candidates() []Peer {
	peers := m.bootstrap()
	if p, ok := m.leaderPeer(); ok && m.role == Follower {
		peers = append(peers, p)
	}
	return peers
}

func (m *Machine) leaderPeer() (Peer, bool) {
	a, ok := AddressOf(m.endpoints, m.cfg.Listener)
	return Peer{m.leader, a}, ok
}

// bootstrap are the configured servers, else the voters that are known.
func (m *Machine) bootstrap() []Peer {
	var peers []Peer
	for i, a := range m.cfg.Bootstrap {
		peers = append(peers, Peer{model.NodeID(-2 - i), a})
	}
	if peers != nil {
		return peers
	}
	for i, v := range m.log.voters() {
		if a, ok := AddressOf(v.Endpoints, m.cfg.Listener); ok && v.ID != m.cfg.NodeID {
			peers = append(peers, Peer{model.NodeID(-2 - i), a})
		}
	}
	return peers
}

func (m *Machine) fetchLogRequest() *wire.FetchRequest {
	q := new(wire.FetchRequest)
	q.Reset()
	q.ClusterID = &m.cfg.ClusterID
	q.ReplicaState.ReplicaID, q.ReplicaID = int32(m.cfg.NodeID), int32(m.cfg.NodeID)
	q.MaxWaitMS, q.MinBytes, q.MaxBytes = int32(fetchMaxWait.Milliseconds()), 0, m.cfg.FetchMaxBytes
	var p wire.FetchRequestPartition
	p.Reset()
	p.CurrentLeaderEpoch, p.LastFetchedEpoch = int32(m.epoch), int32(m.log.lastEpoch())
	p.FetchOffset, p.HighWatermark = int64(m.log.end), int64(m.hw)
	p.ReplicaDirectoryID = model.UUID(m.cfg.DirectoryID)
	q.Topics = []wire.FetchRequestTopic{{Topic: model.MetadataTopic, TopicID: model.UUID(model.MetadataTopicID), Partitions: []wire.FetchRequestPartition{p}}}
	return q
}

func (m *Machine) snapshotRequest() *wire.FetchSnapshotRequest {
	q := new(wire.FetchSnapshotRequest)
	q.Reset()
	q.ClusterID, q.ReplicaID, q.MaxBytes = &m.cfg.ClusterID, int32(m.cfg.NodeID), m.cfg.SnapshotMaxBytes
	d := m.fetcher.download
	var p wire.FetchSnapshotRequestPartition
	p.Reset()
	p.CurrentLeaderEpoch, p.Position = int32(m.epoch), d.have
	p.SnapshotID.EndOffset, p.SnapshotID.Epoch = int64(d.id.End), int32(d.id.Epoch)
	p.ReplicaDirectoryID = model.UUID(m.cfg.DirectoryID)
	q.Topics = []wire.FetchSnapshotRequestTopic{{Name: model.MetadataTopic, Partitions: []wire.FetchSnapshotRequestPartition{p}}}
	return q
}

// named is what a message says of the leader.
type named struct {
	err       int16
	epoch     model.Epoch
	leader    model.NodeID
	endpoints []Endpoint
}

// at takes an address of the leader out of those of a response.
func (n *named) at(listener string, id int32, host string, port int32) {
	if model.NodeID(id) == n.leader && port > 0 && port < 1<<16 {
		n.endpoints = []Endpoint{{listener, Address{host, uint16(port)}}}
	}
}

// withEndpoints fills in what the voter set knows.
func (m *Machine) withEndpoints(n named) named {
	if len(n.endpoints) == 0 && n.leader >= 0 {
		n.endpoints = m.log.voters().endpoints(n.leader)
	}
	return n
}

// outcome of looking at who leads, before the rest of a response.
type outcome int8

const (
	useless outcome = iota // leave the peer alone for a while
	learned                // a newer epoch or leader: ask again
	proceed                // of this epoch: the rest counts
)

// learn follows the epochs and leaders that a response names.
func (m *Machine) learn(n named) outcome {
	n = m.withEndpoints(n)
	switch {
	case n.epoch < m.epoch || n.err == kerr.UnknownLeaderEpoch.Code:
		return useless
	case n.epoch > m.epoch || n.err == kerr.FencedLeaderEpoch.Code || n.err == kerr.NotLeaderOrFollower.Code:
		if m.transition(n) {
			return learned
		}
		return useless
	case n.leader >= 0 && n.leader != m.cfg.NodeID && m.leader < 0 && len(n.endpoints) > 0:
		m.transition(n)
		if n.err == 0 {
			return proceed
		}
		return learned
	case n.err != 0:
		return useless
	}
	return proceed
}

// transition follows to a newer epoch, to the leader of this one, or to more of
// its endpoints, and reports whether it did. Two leaders of one epoch mean that
// the log has forked or will: Kafka stops there, and so does this node. A node
// that is named but does not lead has lost its disk, and waits for another.
func (m *Machine) transition(n named) bool {
	self := n.leader == m.cfg.NodeID
	switch {
	case n.epoch == m.epoch && m.leader >= 0 && n.leader >= 0 && n.leader != m.leader:
		m.halt("epoch %d has two leaders, %d and %d", n.epoch, m.leader, n.leader)
	case n.epoch > m.epoch && self:
		m.becomeUnattached(n.epoch, model.NoNode)
		return true
	case n.epoch > m.epoch && (n.leader < 0 || len(n.endpoints) == 0):
		m.becomeUnattached(n.epoch, n.leader)
		return true
	case n.epoch > m.epoch,
		n.leader >= 0 && !self && len(n.endpoints) > len(m.endpoints):
		m.becomeFollower(n.epoch, n.leader, n.endpoints)
		return true
	}
	return false
}

// fetchedLog reports whether the response brought this replica further.
func (m *Machine) fetchedLog(r *wire.FetchResponse) bool {
	if r.ErrorCode != 0 || len(r.Responses) != 1 || len(r.Responses[0].Partitions) != 1 {
		return false
	}
	p := r.Responses[0].Partitions[0]
	n := named{err: p.ErrorCode, epoch: model.Epoch(p.CurrentLeader.LeaderEpoch), leader: model.NodeID(p.CurrentLeader.LeaderID)}
	for _, e := range r.NodeEndpoints {
		n.at(m.cfg.Listener, e.NodeID, e.Host, e.Port)
	}
	if o := m.learn(n); o != proceed || m.role != Follower {
		return o == learned
	}
	m.heardFromLeader()
	switch {
	case p.DivergingEpoch.Epoch >= 0:
		return m.diverged(model.Epoch(p.DivergingEpoch.Epoch), model.Offset(p.DivergingEpoch.EndOffset))
	case p.SnapshotID.EndOffset >= 0 && p.SnapshotID.Epoch >= 0:
		return m.download(SnapshotID{model.Offset(p.SnapshotID.EndOffset), model.Epoch(p.SnapshotID.Epoch)})
	}
	m.fetcher.hw = model.Offset(p.HighWatermark)
	if p.Records.Len() > 0 {
		m.fetcher.blocked = true
		m.emit(AppendFetched{p.Records})
		return true
	}
	m.followHighWatermark()
	return true
}

// diverged cuts off what the leader does not have: back to the end of the
// leader's epoch, or of the newest one before it that both may have.
func (m *Machine) diverged(epoch model.Epoch, end model.Offset) bool {
	to := min(end, m.log.end)
	if epoch > 0 {
		mine, mineEnd := m.log.endOf(epoch)
		to = mineEnd
		if mine == epoch {
			to = min(mineEnd, end)
		}
	}
	if to < m.hw {
		m.halt("the leader of epoch %d asks to truncate to %d, below what is committed, %d", m.epoch, to, m.hw)
		return false
	}
	if to >= m.log.end {
		return false
	}
	m.log.truncate(to)
	m.emit(Truncate{to})
	return true
}

// fetched takes what was appended of a response.
func (m *Machine) fetched(e Fetched) {
	assert.That(e.End >= m.log.end, "follower's log shrank from %d to %d by an append", m.log.end, e.End)
	m.fetcher.blocked = false
	m.log.append(e.End, e.Epochs)
	for _, c := range e.Controls {
		if err := m.log.history.add(c); err != nil {
			m.halt("the leader of epoch %d sent a control record that cannot be: %v", m.epoch, err)
			return
		}
	}
	if !m.cfg.Controller || m.log.synced == m.log.end {
		m.followHighWatermark()
	}
}

// followHighWatermark moves to what the leader told, as far as the log reaches.
func (m *Machine) followHighWatermark() {
	if m.role != Follower || m.fetcher.hw < 0 {
		return
	}
	hw := min(m.fetcher.hw, m.log.end)
	if hw < m.hw {
		m.halt("the leader of epoch %d says that only %d is committed, it was %d", m.epoch, hw, m.hw)
		return
	}
	m.setHighWatermark(hw)
	if m.fetcher.hw <= m.log.synced {
		m.caughtUp()
	}
}

// download begins to fetch a snapshot.
func (m *Machine) download(id SnapshotID) bool {
	if id.End < m.hw {
		m.halt("the leader of epoch %d names snapshot %s, below what is committed, %d", m.epoch, id, m.hw)
		return false
	}
	if _, have := m.log.snapshot(id); have {
		return false
	}
	m.fetcher.download = &download{id: id}
	return true
}

// fetchedSnapshot takes a part of a snapshot. A part that does not fit, or a
// snapshot that is gone, starts over with a Fetch.
func (m *Machine) fetchedSnapshot(r *wire.FetchSnapshotResponse) bool {
	d := m.fetcher.download
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 || d == nil {
		return false
	}
	p := r.Topics[0].Partitions[0]
	n := named{err: p.ErrorCode, epoch: model.Epoch(p.CurrentLeader.LeaderEpoch), leader: model.NodeID(p.CurrentLeader.LeaderID)}
	for _, e := range r.NodeEndpoints {
		n.at(m.cfg.Listener, e.NodeID, e.Host, int32(e.Port))
	}
	gone := p.ErrorCode == kerr.SnapshotNotFound.Code
	if gone {
		n.err = 0
	}
	if o := m.learn(n); o != proceed || m.role != Follower {
		return o == learned
	}
	m.heardFromLeader()
	part := p.UnalignedRecords.Bytes()
	have := d.have + int64(len(part))
	fits := !gone && model.Offset(p.SnapshotID.EndOffset) == d.id.End && model.Epoch(p.SnapshotID.Epoch) == d.id.Epoch &&
		p.Position == d.have && len(part) > 0 && have <= p.Size
	if !fits {
		m.fetcher.download = nil
		return gone
	}
	m.emit(WriteSnapshot{d.id, d.have, part})
	d.have = have
	if have == p.Size {
		m.fetcher.download, m.fetcher.blocked = nil, true
		m.emit(InstallSnapshot{d.id})
	}
	return true
}

// installed begins the log anew behind the snapshot.
func (m *Machine) installed(e Installed) {
	m.fetcher.blocked = false
	if err := m.log.restart(e.Snapshot, e.Controls); err != nil {
		m.halt("snapshot %s: %v", e.Snapshot, err)
		return
	}
	m.fetcher.hw = -1 // what was told before may be less
	m.setHighWatermark(e.Snapshot.End)
}
