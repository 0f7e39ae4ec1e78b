package kraft

import (
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// topicIDsFrom is the first Fetch version that names topics by id.
const topicIDsFrom = 13

// fetch is a Fetch request of another replica, or of a client, as far as the
// leader needs it.
type fetch struct {
	token        Token
	listener     string
	replica      Replica // ID is negative for a client
	currentEpoch model.Epoch
	lastEpoch    model.Epoch // of the record below from
	from         model.Offset
	hw           model.Offset // known to the sender; the maximum when it cannot tell
	maxBytes     int32
	wait         time.Duration
	deadline     time.Time
	// counted tells that its progress has been recorded. It says how far the
	// replica was when it asked, nothing of when it is answered: by then that
	// replica may be gone.
	counted bool
}

func (m *Machine) request(r Request) {
	switch body := r.Body.(type) {
	case *wire.FetchRequest:
		m.fetchRequest(r, body)
	case *wire.FetchSnapshotRequest:
		m.fetchSnapshotRequest(r, body)
	case *wire.VoteRequest:
		m.handleVote(r, body)
	case *wire.BeginQuorumEpochRequest:
		m.handleBegin(r, body)
	case *wire.EndQuorumEpochRequest:
		m.handleEnd(r, body)
	case *wire.UpdateRaftVoterRequest:
		m.handleUpdate(r, body)
	case *wire.DescribeQuorumRequest:
		m.emit(Reply{r.Token, m.describe(body)})
	default:
		assert.That(false, "request %T is not the quorum's", r.Body)
	}
}

// fetchRequest checks in Kafka's order: what is wrong with the whole request,
// then with the partition, then the epochs (in serve).
func (m *Machine) fetchRequest(r Request, q *wire.FetchRequest) {
	if !m.isMyCluster(q.ClusterID) {
		m.emit(Reply{r.Token, fetchError(kerr.InconsistentClusterID)})
		return
	}
	if !namesMetadataLog(q, r.Version) {
		m.emit(Reply{r.Token, fetchError(kerr.InvalidRequest)})
		return
	}
	p := q.Topics[0].Partitions[0]
	f := fetch{
		token: r.Token, listener: r.Listener,
		replica:      Replica{model.NodeID(max(q.ReplicaID, q.ReplicaState.ReplicaID)), model.DirectoryID(p.ReplicaDirectoryID)},
		currentEpoch: model.Epoch(p.CurrentLeaderEpoch), lastEpoch: model.Epoch(p.LastFetchedEpoch),
		from: model.Offset(p.FetchOffset), hw: model.Offset(p.HighWatermark),
		maxBytes: q.MaxBytes, wait: time.Duration(q.MaxWaitMS) * time.Millisecond,
	}
	if f.wait < 0 || f.from < 0 || f.lastEpoch < 0 || f.lastEpoch > f.currentEpoch {
		m.emit(Reply{f.token, m.fetchResponse(f, kerr.InvalidRequest)})
		return
	}
	f.deadline = m.now.Add(f.wait)
	m.serve(f, f.wait == 0)
}

// serve answers a fetch, or parks it while there is nothing to tell and it is
// not final. A replica that already has the newest high watermark waits for
// records; one that has not is told at once (KIP-1166).
func (m *Machine) serve(f fetch, final bool) {
	if err := m.leaderOnly(f.currentEpoch); err != nil {
		m.emit(Reply{f.token, m.fetchResponse(f, err)})
		return
	}
	if id, ok := m.snapshotFor(f); ok {
		r := m.fetchResponse(f, nil)
		r.Responses[0].Partitions[0].SnapshotID = wire.FetchResponseSnapshotID{EndOffset: int64(id.End), Epoch: int32(id.Epoch)}
		m.emit(Reply{f.token, r})
		return
	}
	if epoch, end, ok := m.diverges(f); ok {
		r := m.fetchResponse(f, nil)
		r.Responses[0].Partitions[0].DivergingEpoch = wire.FetchResponseDivergingEpoch{Epoch: int32(epoch), EndOffset: int64(end)}
		m.emit(Reply{f.token, r})
		return
	}
	if !f.counted {
		f.counted = true
		m.fetchedBy(f.replica, f.from)
	}
	r := m.fetchResponse(f, nil)
	switch {
	case f.from < m.log.end:
		m.emit(ServeLog{Token: f.token, From: f.from, MaxBytes: f.maxBytes, Response: r})
	case final || f.hw < m.published() || len(m.leading.parked) >= maxParked:
		m.emit(Reply{f.token, r})
	default:
		m.leading.parked = append(m.leading.parked, f)
	}
}

// namedLeader is the leader and its address, as answers on a listener name them;
// nobody while it could not be reached, for an Apache Kafka node whose voters do
// not hold a leader halts when told of it without its address.
func (m *Machine) namedLeader(listener string) (model.NodeID, Address) {
	if a, ok := AddressOf(m.endpoints, listener); ok && m.leader >= 0 {
		return m.leader, a
	}
	if a, ok := AddressOf(m.log.voters().endpoints(m.leader), listener); ok && m.leader >= 0 {
		return m.leader, a
	}
	return model.NoNode, Address{}
}

func isMetadataLog(topic string, partition int32) bool {
	return topic == model.MetadataTopic && partition == 0
}

// leaderOnly is why this node cannot answer for the leader of an epoch.
func (m *Machine) leaderOnly(epoch model.Epoch) *kerr.Error {
	switch {
	case epoch < m.epoch:
		return kerr.FencedLeaderEpoch
	case epoch > m.epoch:
		return kerr.UnknownLeaderEpoch
	case m.role != Leader:
		return kerr.NotLeaderOrFollower
	}
	return nil
}

// snapshotFor is the snapshot that a replica must take before it can fetch on
// from where it is.
func (m *Machine) snapshotFor(f fetch) (SnapshotID, bool) {
	newest, ok := m.log.newestSnapshot()
	if !ok {
		return SnapshotID{}, false
	}
	if f.from == 0 {
		return newest.SnapshotID, true
	}
	earliest := m.log.snapshots[0]
	behind := f.from < m.log.start ||
		(f.from == m.log.start && f.lastEpoch != earliest.Epoch) ||
		f.lastEpoch < earliest.Epoch
	return newest.SnapshotID, behind
}

// diverges is the epoch, and its end, from which on a replica's log differs.
func (m *Machine) diverges(f fetch) (model.Epoch, model.Offset, bool) {
	if f.from == 0 && m.log.start == 0 {
		return 0, 0, false
	}
	epoch, end := m.log.endOf(f.lastEpoch)
	return epoch, end, epoch != f.lastEpoch || end < f.from
}

// fetchResponse is an answer without records. It always names the leader and,
// in case the asker's voter set lacks it, where it is: an Apache Kafka node
// halts on a leader it cannot reach.
func (m *Machine) fetchResponse(f fetch, err *kerr.Error) *wire.FetchResponse {
	var p wire.FetchResponsePartition
	p.Reset()
	p.HighWatermark, p.LogStartOffset = -1, int64(m.log.start)
	if err != nil {
		p.ErrorCode = err.Code
	} else {
		p.HighWatermark = int64(m.published())
	}
	leader, at := m.namedLeader(f.listener)
	p.CurrentLeader = wire.FetchResponseCurrentLeader{LeaderID: int32(leader), LeaderEpoch: int32(m.epoch)}
	p.Records = wire.BytesRecords(nil)
	r := new(wire.FetchResponse)
	r.Reset()
	var topic wire.FetchResponseResponse
	topic.Reset()
	topic.Topic, topic.TopicID = model.MetadataTopic, model.UUID(model.MetadataTopicID)
	topic.Partitions = []wire.FetchResponsePartition{p}
	r.Responses = []wire.FetchResponseResponse{topic}
	if leader >= 0 {
		r.NodeEndpoints = []wire.FetchResponseNodeEndpoint{{NodeID: int32(leader), Host: at.Host, Port: int32(at.Port)}}
	}
	m.assertHarmless(p)
	return r
}

// assertHarmless holds what an Apache Kafka follower halts on: a high watermark
// that could be below one it was told, which the rule of the own epoch keeps from
// happening, and INVALID_REQUEST for anything but a malformed request (which the
// callers see to).
func (m *Machine) assertHarmless(p wire.FetchResponsePartition) {
	hw := model.Offset(p.HighWatermark)
	assert.That(hw == -1 || (m.leading != nil && hw > m.leading.epochStart && hw <= m.log.end), "node %d tells high watermark %d in epoch %d", m.cfg.NodeID, hw, m.epoch)
	assert.That(p.CurrentLeader.LeaderID != int32(m.cfg.NodeID) || m.role == Leader || m.role == Resigned, "node %d names itself the leader of epoch %d", m.cfg.NodeID, m.epoch)
}

func fetchError(err *kerr.Error) *wire.FetchResponse {
	r := new(wire.FetchResponse)
	r.Reset()
	r.ErrorCode = err.Code
	return r
}

// isMyCluster accepts a missing cluster id, as Kafka does.
func (m *Machine) isMyCluster(id *string) bool { return id == nil || *id == m.cfg.ClusterID }

func namesMetadataLog(q *wire.FetchRequest, version int16) bool {
	if len(q.Topics) != 1 || len(q.Topics[0].Partitions) != 1 || q.Topics[0].Partitions[0].Partition != 0 {
		return false
	}
	if version < topicIDsFrom {
		return q.Topics[0].Topic == model.MetadataTopic
	}
	return q.Topics[0].TopicID == model.UUID(model.MetadataTopicID)
}

// fetchSnapshotRequest serves a part of a snapshot.
func (m *Machine) fetchSnapshotRequest(r Request, q *wire.FetchSnapshotRequest) {
	resp := new(wire.FetchSnapshotResponse)
	resp.Reset()
	if !m.isMyCluster(q.ClusterID) {
		resp.ErrorCode = kerr.InconsistentClusterID.Code
		m.emit(Reply{r.Token, resp})
		return
	}
	if len(q.Topics) != 1 || len(q.Topics[0].Partitions) != 1 {
		resp.ErrorCode = kerr.InvalidRequest.Code
		m.emit(Reply{r.Token, resp})
		return
	}
	t, p := q.Topics[0], q.Topics[0].Partitions[0]
	id := SnapshotID{model.Offset(p.SnapshotID.EndOffset), model.Epoch(p.SnapshotID.Epoch)}
	size, err := m.checkSnapshotRequest(t.Name, p, id)

	var out wire.FetchSnapshotResponsePartition
	out.Reset()
	out.Index = p.Partition
	leader, at := m.namedLeader(r.Listener)
	out.CurrentLeader = wire.FetchSnapshotResponseCurrentLeader{LeaderID: int32(leader), LeaderEpoch: int32(m.epoch)}
	out.UnalignedRecords = wire.BytesRecords(nil)
	if leader >= 0 {
		resp.NodeEndpoints = []wire.FetchSnapshotResponseNodeEndpoint{{NodeID: int32(leader), Host: at.Host, Port: at.Port}}
	}
	if err != nil {
		out.ErrorCode = err.Code
		resp.Topics = []wire.FetchSnapshotResponseTopic{{Name: t.Name, Partitions: []wire.FetchSnapshotResponsePartition{out}}}
		m.emit(Reply{r.Token, resp})
		return
	}
	m.countFetched(Replica{model.NodeID(q.ReplicaID), model.DirectoryID(p.ReplicaDirectoryID)})
	out.SnapshotID = wire.FetchSnapshotResponseSnapshotID{EndOffset: int64(id.End), Epoch: int32(id.Epoch)}
	out.Size, out.Position = size, p.Position
	resp.Topics = []wire.FetchSnapshotResponseTopic{{Name: t.Name, Partitions: []wire.FetchSnapshotResponsePartition{out}}}
	m.emit(ServeSnapshot{Token: r.Token, Snapshot: id, MaxBytes: q.MaxBytes, Response: resp})
}

func (m *Machine) checkSnapshotRequest(topic string, p wire.FetchSnapshotRequestPartition, id SnapshotID) (int64, *kerr.Error) {
	if topic != model.MetadataTopic || p.Partition != 0 {
		return 0, kerr.UnknownTopicOrPartition
	}
	if err := m.leaderOnly(model.Epoch(p.CurrentLeaderEpoch)); err != nil {
		return 0, err
	}
	s, ok := m.log.snapshot(id)
	switch {
	case !ok:
		return 0, kerr.SnapshotNotFound
	case p.Position < 0 || p.Position >= s.Size:
		return 0, kerr.PositionOutOfRange
	}
	return s.Size, nil
}
