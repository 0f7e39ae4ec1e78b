package kraft

import (
	"cmp"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// describe answers DescribeQuorum.
func (m *Machine) describe(q *wire.DescribeQuorumRequest) *wire.DescribeQuorumResponse {
	r := new(wire.DescribeQuorumResponse)
	r.Reset()
	r.ErrorMessage = new(string) // never null, as in Kafka
	if !describesMetadataLog(q) {
		for _, t := range q.Topics {
			topic := wire.DescribeQuorumResponseTopic{TopicName: t.TopicName}
			for _, p := range t.Partitions {
				topic.Partitions = append(topic.Partitions, describeError(p.PartitionIndex, kerr.UnknownTopicOrPartition))
			}
			r.Topics = append(r.Topics, topic)
		}
		return r
	}
	partition := describeError(0, kerr.NotLeaderOrFollower)
	if m.leading != nil {
		partition = m.describePartition()
		r.Nodes = m.describeNodes()
	}
	r.Topics = []wire.DescribeQuorumResponseTopic{{TopicName: model.MetadataTopic, Partitions: []wire.DescribeQuorumResponsePartition{partition}}}
	return r
}

func describesMetadataLog(q *wire.DescribeQuorumRequest) bool {
	return len(q.Topics) == 1 && q.Topics[0].TopicName == model.MetadataTopic &&
		len(q.Topics[0].Partitions) == 1 && q.Topics[0].Partitions[0].PartitionIndex == 0
}

func describeError(index int32, err *kerr.Error) wire.DescribeQuorumResponsePartition {
	var p wire.DescribeQuorumResponsePartition
	p.Reset()
	p.PartitionIndex, p.ErrorCode = index, err.Code
	message := err.Error()
	p.ErrorMessage = &message
	return p
}

func (m *Machine) describePartition() wire.DescribeQuorumResponsePartition {
	var p wire.DescribeQuorumResponsePartition
	p.Reset()
	p.ErrorMessage = new(string)
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = int32(m.leader), int32(m.epoch), int64(m.published())
	voters := m.log.voters()
	for _, v := range voters {
		p.CurrentVoters = append(p.CurrentVoters, m.describeVoter(v))
	}
	m.leading.forgetSilent(m.now)
	for r, seen := range m.leading.replicas {
		if !voters.has(r) {
			p.Observers = append(p.Observers, describeReplica(r, seen))
		}
	}
	slices.SortFunc(p.Observers, func(a, b wire.DescribeQuorumResponseReplicaState) int {
		return cmp.Or(cmp.Compare(a.ReplicaID, b.ReplicaID), slices.Compare(a.ReplicaDirectoryID[:], b.ReplicaDirectoryID[:]))
	})
	return p
}

// describeVoter names the voter as the voter set does: without a directory where voters are static.
func (m *Machine) describeVoter(v Voter) wire.DescribeQuorumResponseReplicaState {
	if v.matches(m.self()) {
		now := m.now
		return describeReplica(v.Replica, &progress{end: m.log.end, lastFetch: now, lastCaughtUp: now})
	}
	for r, seen := range m.leading.replicas {
		if v.matches(r) {
			return describeReplica(v.Replica, seen)
		}
	}
	return describeReplica(v.Replica, &progress{end: -1})
}

func describeReplica(r Replica, p *progress) wire.DescribeQuorumResponseReplicaState {
	var s wire.DescribeQuorumResponseReplicaState
	s.Reset()
	s.ReplicaID, s.ReplicaDirectoryID, s.LogEndOffset = int32(r.ID), model.UUID(r.Directory), int64(p.end)
	s.LastFetchTimestamp, s.LastCaughtUpTimestamp = millis(p.lastFetch), millis(p.lastCaughtUp)
	return s
}

func (m *Machine) describeNodes() []wire.DescribeQuorumResponseNode {
	var nodes []wire.DescribeQuorumResponseNode
	for _, v := range m.log.voters() {
		node := wire.DescribeQuorumResponseNode{NodeID: int32(v.ID)}
		for _, e := range v.Endpoints {
			node.Listeners = append(node.Listeners, wire.DescribeQuorumResponseListener{Name: e.Name, Host: e.Host, Port: e.Port})
		}
		nodes = append(nodes, node)
	}
	return nodes
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.UnixMilli()
}
