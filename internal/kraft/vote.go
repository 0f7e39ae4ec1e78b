package kraft

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// voteRequest asks a voter for its vote for a log, or whether it would give it. A pre-vote
// carries the current epoch, not the one this node would stand in.
func (m *Machine) voteRequest(to Peer, log position, pre bool) *wire.VoteRequest {
	q := new(wire.VoteRequest)
	q.Reset()
	q.ClusterID, q.VoterID = &m.cfg.ClusterID, int32(to.ID)
	var p wire.VoteRequestPartition
	p.Reset()
	p.ReplicaEpoch, p.ReplicaID = int32(m.epoch), int32(m.cfg.NodeID)
	p.ReplicaDirectoryID = model.UUID(m.cfg.DirectoryID)
	p.VoterDirectoryID = model.UUID(m.log.voters().directory(to.ID))
	p.LastOffsetEpoch, p.LastOffset, p.PreVote = int32(log.epoch), int64(log.end), pre
	q.Topics = []wire.VoteRequestTopic{{TopicName: model.MetadataTopic, Partitions: []wire.VoteRequestPartition{p}}}
	return q
}

// handleVote checks in Kafka's order. A larger epoch is adopted before the
// receiver's key is looked at, and by a pre-vote too.
func (m *Machine) handleVote(r Request, q *wire.VoteRequest) {
	if !m.isMyCluster(q.ClusterID) {
		m.emit(Reply{r.Token, voteError(kerr.InconsistentClusterID)})
		return
	}
	if len(q.Topics) != 1 || len(q.Topics[0].Partitions) != 1 || !isMetadataLog(q.Topics[0].TopicName, q.Topics[0].Partitions[0].PartitionIndex) {
		m.emit(Reply{r.Token, voteError(kerr.InvalidRequest)})
		return
	}
	p := q.Topics[0].Partitions[0]
	err := m.checkVote(p)
	if err == nil && model.Epoch(p.ReplicaEpoch) > m.epoch {
		m.becomeUnattached(model.Epoch(p.ReplicaEpoch), model.NoNode)
	}
	if err == nil && !m.isMe(q.VoterID, p.VoterDirectoryID) {
		err = kerr.InvalidVoterKey
	}
	granted := err == nil && m.vote(p)
	m.emit(Reply{r.Token, m.voteAnswer(r.Listener, err, granted)})
	if err == nil && p.PreVote && !granted && m.suspects && m.role == Follower && !m.atLeastMine(p) {
		// Another voter misses the leader that refused this one's connections, and
		// cannot win with its shorter log.
		m.stand()
	}
}

func (m *Machine) checkVote(p wire.VoteRequestPartition) *kerr.Error {
	illegal := p.LastOffsetEpoch >= p.ReplicaEpoch
	if p.PreVote {
		illegal = p.LastOffsetEpoch > p.ReplicaEpoch
	}
	switch {
	case illegal || p.LastOffset < 0 || p.LastOffsetEpoch < 0:
		return kerr.InvalidRequest
	case model.Epoch(p.ReplicaEpoch) < m.epoch:
		return kerr.FencedLeaderEpoch
	case p.ReplicaID < 0:
		return kerr.InvalidRequest
	}
	return nil
}

// isMe tells whether a request is meant for this replica, as far as it says.
func (m *Machine) isMe(id int32, directory model.UUID) bool {
	if id < 0 {
		return true
	}
	return model.NodeID(id) == m.cfg.NodeID && (directory == model.UUID{} || model.DirectoryID(directory) == m.cfg.DirectoryID)
}

// atLeastMine tells whether the candidate's log has all that this one has.
func (m *Machine) atLeastMine(p wire.VoteRequestPartition) bool {
	return claimed(p).atLeast(m.position())
}

// claimed is where the candidate's log ends.
func claimed(p wire.VoteRequestPartition) position {
	return position{model.Epoch(p.LastOffsetEpoch), model.Offset(p.LastOffset)}
}

// vote decides, and writes down a vote before anybody learns of it.
func (m *Machine) vote(p wire.VoteRequestPartition) bool {
	candidate := Replica{model.NodeID(p.ReplicaID), model.DirectoryID(p.ReplicaDirectoryID)}
	if !m.wouldVote(candidate, m.atLeastMine(p), p.PreVote) {
		return false
	}
	m.inquire(claimed(p))
	m.vouches(candidate.ID, claimed(p))
	if !p.PreVote && !m.mayTrust(claimed(p)) {
		return false
	}
	if p.PreVote || m.voted.ID >= 0 {
		return true
	}
	m.voted = candidate
	if !m.election.IsZero() { // who gets this vote has as good a chance as this node
		m.election = m.now.Add(m.patience())
	}
	m.persist()
	return true
}

// wouldVote is the table of kinds of votes by role. A vote that was given is
// given again, whatever the candidate's log says now. A follower that has heard
// from its leader lets nobody disturb it.
func (m *Machine) wouldVote(candidate Replica, logOK, pre bool) bool {
	switch m.role {
	case Unattached, Prospective:
		switch {
		case pre:
			return logOK
		case m.voted.ID >= 0:
			return m.voted.ID == candidate.ID && (m.voted.Directory == model.DirectoryID{} || m.voted.Directory == candidate.Directory)
		}
		return m.leader < 0 && logOK
	case Candidate, Resigned:
		return pre && logOK
	case Follower:
		return pre && logOK && !m.following.fetched
	}
	return false
}

func voteError(err *kerr.Error) *wire.VoteResponse {
	r := new(wire.VoteResponse)
	r.Reset()
	r.ErrorCode = err.Code
	return r
}

func (m *Machine) voteAnswer(listener string, err *kerr.Error, granted bool) *wire.VoteResponse {
	leader, at := m.namedLeader(listener)
	p := wire.VoteResponsePartition{ErrorCode: code(err), LeaderID: int32(leader), LeaderEpoch: int32(m.epoch), VoteGranted: granted}
	r := new(wire.VoteResponse)
	r.Reset()
	r.Topics = []wire.VoteResponseTopic{{TopicName: model.MetadataTopic, Partitions: []wire.VoteResponsePartition{p}}}
	if leader >= 0 {
		r.NodeEndpoints = []wire.VoteResponseNodeEndpoint{{NodeID: int32(leader), Host: at.Host, Port: at.Port}}
	}
	return r
}

func code(err *kerr.Error) int16 {
	if err == nil {
		return 0
	}
	return err.Code
}

// voteResponse counts a vote.
func (m *Machine) voteResponse(from call, r *wire.VoteResponse) bool {
	if r.ErrorCode != 0 || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return false
	}
	p := r.Topics[0].Partitions[0]
	n := named{err: p.ErrorCode, epoch: model.Epoch(p.LeaderEpoch), leader: model.NodeID(p.LeaderID)}
	for _, e := range r.NodeEndpoints {
		n.at(m.cfg.Listener, e.NodeID, e.Host, int32(e.Port))
	}
	o := m.learn(n)
	if o == proceed && m.role == Unattached && m.inquiry != nil {
		if p.VoteGranted {
			m.vouches(from.to.ID, claimed(from.body.(*wire.VoteRequest).Topics[0].Partitions[0]))
		}
		return p.VoteGranted
	}
	if o != proceed || m.ballot == nil {
		return o != useless
	}
	if p.VoteGranted {
		m.ballot.granted[from.to.ID] = true
	} else {
		m.ballot.rejected[from.to.ID] = true
	}
	voters := m.log.voters()
	switch {
	case m.ballot.won(voters) && m.role == Prospective:
		m.ballot.ends = true
		m.standWhenSynced()
	case m.ballot.won(voters):
		m.becomeLeader()
	case m.ballot.lost(voters) && m.role == Prospective:
		m.preVoteLost()
	}
	return true
}
