package kraft

import (
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// announce tells voters that do not fetch who leads, at every half of the fetch
// time-out.
func (m *Machine) announce() {
	l := m.leading
	if l.announceAt.After(m.now) {
		return
	}
	l.announceAt = m.now.Add(m.cfg.FetchTimeout / 2)
	for _, v := range m.log.voters() {
		a, ok := AddressOf(v.Endpoints, m.cfg.Listener)
		if v.ID == m.cfg.NodeID || !ok || !m.calls.idle(v.ID, m.now) || m.now.Sub(l.lastFetch(v)) < m.cfg.FetchTimeout/2 {
			continue
		}
		m.call(Peer{v.ID, a}, m.beginRequest(v))
	}
}

func (m *Machine) beginRequest(to Voter) *wire.BeginQuorumEpochRequest {
	q := new(wire.BeginQuorumEpochRequest)
	q.Reset()
	q.ClusterID, q.VoterID = &m.cfg.ClusterID, int32(to.ID)
	p := wire.BeginQuorumEpochRequestPartition{VoterDirectoryID: model.UUID(to.Directory), LeaderID: int32(m.cfg.NodeID), LeaderEpoch: int32(m.epoch)}
	q.Topics = []wire.BeginQuorumEpochRequestTopic{{TopicName: model.MetadataTopic, Partitions: []wire.BeginQuorumEpochRequestPartition{p}}}
	for _, e := range m.cfg.Endpoints {
		q.LeaderEndpoints = append(q.LeaderEndpoints, wire.BeginQuorumEpochRequestLeaderEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	return q
}

// handleBegin follows who says that it leads.
func (m *Machine) handleBegin(r Request, q *wire.BeginQuorumEpochRequest) {
	out := new(wire.BeginQuorumEpochResponse)
	out.Reset()
	switch {
	case !m.isMyCluster(q.ClusterID):
		out.ErrorCode = kerr.InconsistentClusterID.Code
	case len(q.Topics) != 1 || len(q.Topics[0].Partitions) != 1 || !isMetadataLog(q.Topics[0].TopicName, q.Topics[0].Partitions[0].PartitionIndex):
		out.ErrorCode = kerr.InvalidRequest.Code
	}
	if out.ErrorCode != 0 {
		m.emit(Reply{r.Token, out})
		return
	}
	p := q.Topics[0].Partitions[0]
	n := named{epoch: model.Epoch(p.LeaderEpoch), leader: model.NodeID(p.LeaderID)}
	for _, e := range q.LeaderEndpoints {
		n.endpoints = append(n.endpoints, Endpoint{e.Name, Address{e.Host, e.Port}})
	}
	err := m.toldByLeader(n)
	if m.halted {
		return
	}
	if err == nil && !m.isMe(q.VoterID, p.VoterDirectoryID) {
		err = kerr.InvalidVoterKey
	}
	if err == nil && m.role == Follower && m.leader == n.leader && m.log.syncing {
		m.heardFromLeader() // which it does not ask for as long as the sync takes
	}
	leader, at := m.namedLeader(r.Listener)
	out.Topics = []wire.BeginQuorumEpochResponseTopic{{TopicName: model.MetadataTopic, Partitions: []wire.BeginQuorumEpochResponsePartition{
		{ErrorCode: code(err), LeaderID: int32(leader), LeaderEpoch: int32(m.epoch)}}}}
	if leader >= 0 {
		out.NodeEndpoints = []wire.BeginQuorumEpochResponseNodeEndpoint{{NodeID: int32(leader), Host: at.Host, Port: at.Port}}
	}
	m.emit(Reply{r.Token, out})
}

// toldByLeader takes what a leader says of itself.
func (m *Machine) toldByLeader(n named) *kerr.Error {
	switch {
	case n.epoch < m.epoch:
		return kerr.FencedLeaderEpoch
	case n.leader < 0:
		return kerr.InvalidRequest
	}
	m.transition(m.withEndpoints(n))
	return nil
}

// beginResponse counts a voter that follows as one that has fetched: its disk may
// take so long that it does not.
func (m *Machine) beginResponse(from call, r *wire.BeginQuorumEpochResponse) bool {
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return false
	}
	p := r.Topics[0].Partitions[0]
	n := named{err: p.ErrorCode, epoch: model.Epoch(p.LeaderEpoch), leader: model.NodeID(p.LeaderID)}
	for _, e := range r.NodeEndpoints {
		n.at(m.cfg.Listener, e.NodeID, e.Host, int32(e.Port))
	}
	o := m.learn(n)
	if o == proceed && m.role == Leader {
		m.countFetched(Replica{from.to.ID, m.log.voters().directory(from.to.ID)})
	}
	return o != useless
}

// successors are the other voters, the one whose log is longest first.
func (m *Machine) successors() []Replica {
	var all []Voter
	for _, v := range m.log.voters() {
		if v.ID != m.cfg.NodeID {
			all = append(all, v)
		}
	}
	ends := map[model.NodeID]model.Offset{}
	for _, v := range all {
		ends[v.ID] = m.endOfVoter(v)
	}
	var out []Replica
	for len(out) < len(all) {
		best := -1
		for i, v := range all {
			if end, open := ends[v.ID]; open && (best < 0 || end > ends[all[best].ID]) {
				best = i
			}
		}
		delete(ends, all[best].ID)
		out = append(out, all[best].Replica)
	}
	return out
}

// endRequest carries no endpoints, as Kafka's.
func (m *Machine) endRequest() *wire.EndQuorumEpochRequest {
	q := new(wire.EndQuorumEpochRequest)
	q.Reset()
	q.ClusterID = &m.cfg.ClusterID
	p := wire.EndQuorumEpochRequestPartition{LeaderID: int32(m.cfg.NodeID), LeaderEpoch: int32(m.epoch)}
	for _, r := range m.resigned.preferred {
		p.PreferredSuccessors = append(p.PreferredSuccessors, int32(r.ID))
		p.PreferredCandidates = append(p.PreferredCandidates, wire.EndQuorumEpochRequestPreferredCandidate{CandidateID: int32(r.ID), CandidateDirectoryID: model.UUID(r.Directory)})
	}
	q.Topics = []wire.EndQuorumEpochRequestTopic{{TopicName: model.MetadataTopic, Partitions: []wire.EndQuorumEpochRequestPartition{p}}}
	return q
}

// handleEnd lets a follower of the leader that resigns wait less, the less the
// higher it stands in the leader's esteem.
func (m *Machine) handleEnd(r Request, q *wire.EndQuorumEpochRequest) {
	out := new(wire.EndQuorumEpochResponse)
	out.Reset()
	switch {
	case !m.isMyCluster(q.ClusterID):
		out.ErrorCode = kerr.InconsistentClusterID.Code
	case len(q.Topics) != 1 || len(q.Topics[0].Partitions) != 1 || !isMetadataLog(q.Topics[0].TopicName, q.Topics[0].Partitions[0].PartitionIndex):
		out.ErrorCode = kerr.InvalidRequest.Code
	}
	if out.ErrorCode != 0 {
		m.emit(Reply{r.Token, out})
		return
	}
	p := q.Topics[0].Partitions[0]
	n := named{epoch: model.Epoch(p.LeaderEpoch), leader: model.NodeID(p.LeaderID)}
	for _, e := range q.LeaderEndpoints {
		n.endpoints = append(n.endpoints, Endpoint{e.Name, Address{e.Host, e.Port}})
	}
	err := m.toldByLeader(n)
	if m.halted {
		return
	}
	if err == nil && m.role == Follower && m.leader == n.leader {
		m.following.fetchBy = m.now.Add(m.backoff(p))
	}
	leader, at := m.namedLeader(r.Listener)
	out.Topics = []wire.EndQuorumEpochResponseTopic{{TopicName: model.MetadataTopic, Partitions: []wire.EndQuorumEpochResponsePartition{
		{ErrorCode: code(err), LeaderID: int32(leader), LeaderEpoch: int32(m.epoch)}}}}
	if leader >= 0 {
		out.NodeEndpoints = []wire.EndQuorumEpochResponseNodeEndpoint{{NodeID: int32(leader), Host: at.Host, Port: at.Port}}
	}
	m.emit(Reply{r.Token, out})
}

// backoff is how long to leave the election to the candidates before this one:
// none for the first, then doubling, the maximum for who is not named.
func (m *Machine) backoff(p wire.EndQuorumEpochRequestPartition) time.Duration {
	var names []Replica
	for _, c := range p.PreferredCandidates {
		names = append(names, Replica{model.NodeID(c.CandidateID), model.DirectoryID(c.CandidateDirectoryID)})
	}
	if names == nil {
		for _, id := range p.PreferredSuccessors {
			names = append(names, Replica{ID: model.NodeID(id)})
		}
	}
	limit := m.cfg.ElectionBackoff
	for i, c := range names {
		if !(Voter{Replica: c}).matches(m.self()) {
			continue
		}
		if i == 0 {
			return 0
		}
		base := limit.Milliseconds() >> min(len(names)-1, 62)
		return min(limit, time.Duration(base<<min(i-1, 20))*time.Millisecond)
	}
	if len(names) == 0 {
		return 0 // Kafka's rule for an empty list: position 0
	}
	return limit
}

func (m *Machine) endResponse(from call, r *wire.EndQuorumEpochResponse) bool {
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return false
	}
	p := r.Topics[0].Partitions[0]
	n := named{err: p.ErrorCode, epoch: model.Epoch(p.LeaderEpoch), leader: model.NodeID(p.LeaderID)}
	for _, e := range r.NodeEndpoints {
		n.at(m.cfg.Listener, e.NodeID, e.Host, int32(e.Port))
	}
	o := m.learn(n)
	if o == proceed && m.resigned != nil {
		m.resigned.acked[from.to.ID] = true
	}
	return o != useless
}
