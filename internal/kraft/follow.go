package kraft

import (
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// maxBackoff bounds how far the pause after failures of one peer grows.
const maxBackoff = time.Second

// fetcher is the one conversation of a node that does not lead: a Fetch or a
// FetchSnapshot, its outcome, the next.
type fetcher struct {
	calls    uint64 // sent so far; the newest call has this number
	inFlight bool
	to       Peer
	deadLine time.Time // of the call in flight
	// blocked is set while the shell appends, syncs or installs.
	blocked  bool
	pauses   map[model.NodeID]pause
	hw       model.Offset // told by the last good response
	download *download
}

// pause is how long to leave a peer alone.
type pause struct {
	failures int
	until    time.Time
}

// download is a snapshot that is being fetched.
type download struct {
	id   SnapshotID
	have int64
}

func newFetcher() fetcher { return fetcher{pauses: map[model.NodeID]pause{}, hw: -1} }

// reset forgets what is in flight and what went wrong: another leader, another
// conversation. Appends that the shell was asked for stay owed.
func (f *fetcher) reset() {
	f.inFlight, f.download, f.hw = false, nil, -1
	clear(f.pauses)
}

func (f *fetcher) deadline(m *Machine) time.Time {
	if f.inFlight {
		return f.deadLine
	}
	if f.blocked {
		return time.Time{}
	}
	var d time.Time
	for _, p := range m.candidates() {
		d = earlier(d, f.pauses[p.ID].until)
	}
	return d
}

// expire gives up a call that took too long.
func (f *fetcher) expire(m *Machine) {
	if f.inFlight && !f.deadLine.After(m.now) {
		f.inFlight, f.download = false, nil
		f.failed(m, f.to.ID)
	}
}

// failed leaves the peer alone for a while that doubles with each failure.
func (f *fetcher) failed(m *Machine, id model.NodeID) {
	p := f.pauses[id]
	p.until = m.now.Add(min(m.cfg.RetryBackoff<<min(p.failures, 10), maxBackoff))
	p.failures++
	f.pauses[id] = p
}

// fetch sends the next request if one is due.
func (m *Machine) fetch() {
	f := &m.fetcher
	if m.halted || (m.role != Unattached && m.role != Follower) || f.inFlight || f.blocked {
		return
	}
	to, ok := m.target()
	if !ok {
		return
	}
	f.calls++
	f.inFlight, f.to, f.deadLine = true, to, m.now.Add(m.cfg.RequestTimeout)
	if f.download != nil {
		m.emit(Send{f.calls, to, m.snapshotRequest()})
		return
	}
	m.emit(Send{f.calls, to, m.fetchLogRequest()})
}

// target is whom to ask: the leader; while it is not reached or not known, any
// of the others, who may know a newer one. A snapshot is the leader's alone.
func (m *Machine) target() (Peer, bool) {
	ready := func(p Peer) bool { return !m.fetcher.pauses[p.ID].until.After(m.now) }
	if m.role == Follower {
		p, ok := m.leaderPeer()
		if ok && (ready(p) || m.fetcher.download != nil) {
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

// response takes the outcome of the call in flight.
func (m *Machine) response(e Response) {
	f := &m.fetcher
	if !f.inFlight || e.Call != f.calls {
		return
	}
	f.inFlight = false
	from := f.to.ID
	good := false
	switch body := e.Body.(type) {
	case *wire.FetchResponse:
		good = m.fetchedLog(body)
	case *wire.FetchSnapshotResponse:
		good = m.fetchedSnapshot(body)
	}
	if good {
		delete(f.pauses, from)
	} else if m.role == Unattached || m.role == Follower {
		f.download = nil // its leader may be gone: look for it with a Fetch
		f.failed(m, from)
	}
}

// named is what a response says of the leader.
type named struct {
	err       int16
	epoch     model.Epoch
	leader    model.NodeID
	endpoints []Endpoint
}

// outcome of looking at who leads, before the rest of a response.
type outcome int8

const (
	useless outcome = iota // leave the peer alone for a while
	learned                // a newer epoch or leader: ask again
	proceed                // from the leader that is followed
)

// learn follows the epochs and leaders that a response names.
func (m *Machine) learn(n named) outcome {
	if len(n.endpoints) == 0 {
		n.endpoints = m.log.voters().endpoints(n.leader)
	}
	switch {
	case n.epoch < m.epoch || n.err == kerr.UnknownLeaderEpoch.Code:
		return useless
	case n.leader == m.cfg.NodeID:
		m.halt("another node names this one, %d, the leader of epoch %d, which it is not", n.leader, n.epoch)
		return useless
	case n.epoch == m.epoch && m.leader >= 0 && n.leader >= 0 && n.leader != m.leader:
		m.halt("epoch %d has two leaders, %d and %d", n.epoch, m.leader, n.leader)
		return useless
	case n.epoch > m.epoch:
		m.follow(n)
		return learned
	case n.leader >= 0 && m.role == Unattached && len(n.endpoints) > 0:
		m.follow(n)
		if n.err == 0 {
			return proceed
		}
		return learned
	case n.err != 0 || m.role != Follower:
		return useless
	}
	return proceed
}

func (m *Machine) follow(n named) {
	if n.leader >= 0 && len(n.endpoints) > 0 {
		m.becomeFollower(n.epoch, n.leader, n.endpoints)
		return
	}
	m.becomeUnattached(n.epoch, n.leader)
}

// fetchedLog reports whether the response brought this replica further.
func (m *Machine) fetchedLog(r *wire.FetchResponse) bool {
	if r.ErrorCode != 0 || len(r.Responses) != 1 || len(r.Responses[0].Partitions) != 1 {
		return false
	}
	p := r.Responses[0].Partitions[0]
	n := named{err: p.ErrorCode, epoch: model.Epoch(p.CurrentLeader.LeaderEpoch), leader: model.NodeID(p.CurrentLeader.LeaderID)}
	for _, e := range r.NodeEndpoints {
		if model.NodeID(e.NodeID) == n.leader && e.Port > 0 && e.Port < 1<<16 {
			n.endpoints = []Endpoint{{m.cfg.Listener, Address{e.Host, uint16(e.Port)}}}
		}
	}
	if o := m.learn(n); o != proceed {
		return o == learned
	}
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
	if m.isVoter() {
		m.halt("this node, %d, was made a voter, which is not supported yet", m.cfg.NodeID)
		return
	}
	if m.cfg.Controller {
		m.fetcher.blocked = true
		m.emit(Sync{})
		return
	}
	m.followHighWatermark()
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
		if model.NodeID(e.NodeID) == n.leader {
			n.endpoints = []Endpoint{{m.cfg.Listener, Address{e.Host, e.Port}}}
		}
	}
	gone := p.ErrorCode == kerr.SnapshotNotFound.Code
	if gone {
		n.err = 0
	}
	if o := m.learn(n); o != proceed {
		return o == learned
	}
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
	m.setHighWatermark(e.Snapshot.End)
}
