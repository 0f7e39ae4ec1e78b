package controller

import (
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// proposal is the in-sync set that a leader proposes for one partition (KIP-497,
// 704, 841, 903). Epochs of the members are -1 when the leader does not know them.
type proposal struct {
	from           model.NodeID
	leaderEpoch    model.Epoch
	partitionEpoch int32
	recovery       int8
	isr            []model.NodeID
	epochs         []model.BrokerEpoch
}

func (m *Machine) alterPartition(r *wire.AlterPartitionRequest, version int16) wire.Response {
	response := &wire.AlterPartitionResponse{}
	if _, err := m.checkEpoch(r.BrokerID, r.BrokerEpoch); err != nil {
		response.ErrorCode = kerr.Code(err)
		return response
	}
	for _, topic := range r.Topics {
		answer := wire.AlterPartitionResponseTopic{TopicID: topic.TopicID}
		for _, p := range topic.Partitions {
			answer.Partitions = append(answer.Partitions, m.alterOne(model.TopicID(topic.TopicID), p, newProposal(r.BrokerID, p, version)))
		}
		response.Topics = append(response.Topics, answer)
	}
	return response
}

func newProposal(from int32, p wire.AlterPartitionRequestPartition, version int16) proposal {
	all := proposal{
		from: model.NodeID(from), leaderEpoch: model.Epoch(p.LeaderEpoch), partitionEpoch: p.PartitionEpoch, recovery: p.LeaderRecoveryState,
	}
	if version < 3 {
		for _, id := range p.NewISR {
			all.isr, all.epochs = append(all.isr, model.NodeID(id)), append(all.epochs, -1)
		}
		return all
	}
	for _, member := range p.NewISRWithEpochs {
		all.isr, all.epochs = append(all.isr, model.NodeID(member.BrokerID)), append(all.epochs, model.BrokerEpoch(member.BrokerEpoch))
	}
	return all
}

func (m *Machine) alterOne(id model.TopicID, r wire.AlterPartitionRequestPartition, wish proposal) wire.AlterPartitionResponsePartition {
	answer := wire.AlterPartitionResponsePartition{PartitionIndex: r.PartitionIndex}
	t := m.draft.TopicByID(id)
	if t == nil {
		answer.ErrorCode = kerr.UnknownTopicID.Code
		return answer
	}
	p := m.draft.Partition(id, r.PartitionIndex)
	if p == nil {
		answer.ErrorCode = kerr.UnknownTopicOrPartition.Code
		return answer
	}
	if err := m.checkProposal(p, wish); err != nil {
		m.cfg.Log.Info("refusing an in-sync set", "topic", t.Name, "partition", r.PartitionIndex, "from", wish.from, "isr", wish.isr, "error", err)
		answer.ErrorCode = kerr.Code(err)
		return answer
	}
	c := m.change(t, r.PartitionIndex, m.active)
	c.isr, c.recovery = wish.isr, wish.recovery
	if record := c.build(); record != nil {
		m.emit(record)
		if record.Leader != noLeaderChange && model.NodeID(record.Leader) != wish.from {
			// The change completed a reassignment that took the leader away.
			answer.ErrorCode = kerr.NewLeaderElected.Code
			return answer
		}
	}
	p = m.draft.Partition(id, r.PartitionIndex)
	answer.LeaderID, answer.LeaderEpoch, answer.PartitionEpoch = int32(p.Leader), int32(p.LeaderEpoch), p.PartitionEpoch
	answer.ISR, answer.LeaderRecoveryState = metadata.NodeInts(p.ISR), p.RecoveryState
	return answer
}

// checkProposal refuses what another leader, an older state, or a member that
// cannot be in sync makes wrong. A leader that knows more than this controller
// is told to look for a newer one.
func (m *Machine) checkProposal(p *metadata.Partition, wish proposal) error {
	switch {
	case wish.leaderEpoch > p.LeaderEpoch, wish.partitionEpoch > p.PartitionEpoch:
		return kerr.NotController
	case wish.leaderEpoch < p.LeaderEpoch:
		return kerr.FencedLeaderEpoch
	case wish.from != p.Leader:
		return kerr.InvalidRequest
	case wish.partitionEpoch < p.PartitionEpoch:
		return kerr.InvalidUpdateVersion
	case !validISR(p.Replicas, wish.isr), !slices.Contains(wish.isr, p.Leader):
		return kerr.InvalidRequest
	case wish.recovery != metadata.Recovered && wish.recovery != metadata.Recovering:
		return kerr.InvalidRequest
	case wish.recovery == metadata.Recovering && len(wish.isr) > 1:
		return kerr.InvalidRequest
	case wish.recovery == metadata.Recovering && p.RecoveryState == metadata.Recovered:
		return kerr.InvalidRequest
	}
	for i, id := range wish.isr {
		b := m.draft.Broker(id)
		if b == nil || !b.Active() || wish.epochs[i] != -1 && wish.epochs[i] != b.Epoch {
			return kerr.IneligibleReplica
		}
	}
	return nil
}

// validISR reports whether the set is one of distinct replicas.
func validISR(replicas, isr []model.NodeID) bool {
	sorted := slices.Sorted(slices.Values(isr))
	return len(isr) > 0 && len(slices.Compact(sorted)) == len(isr) && containsAll(replicas, isr)
}

// assignDirs takes a broker's word for where its replicas are (KIP-858). A
// replica in a directory that is offline leaves the in-sync set.
func (m *Machine) assignDirs(r *wire.AssignReplicasToDirsRequest) wire.Response {
	response := &wire.AssignReplicasToDirsResponse{}
	if !m.version().Directories() {
		response.ErrorCode = kerr.UnsupportedVersion.Code
		return response
	}
	b, err := m.checkEpoch(r.BrokerID, r.BrokerEpoch)
	if err != nil {
		response.ErrorCode = kerr.Code(err)
		return response
	}
	var lost []place
	for _, dir := range r.Directories {
		answer := wire.AssignReplicasToDirsResponseDirectory{ID: dir.ID}
		online := b.DirOnline(model.DirectoryID(dir.ID))
		for _, topic := range dir.Topics {
			topicAnswer := wire.AssignReplicasToDirsResponseTopic{TopicID: topic.TopicID}
			for _, p := range topic.Partitions {
				at := place{model.TopicID(topic.TopicID), p.PartitionIndex}
				err := m.assignDir(b.ID, at, model.DirectoryID(dir.ID))
				if err == nil && !online {
					lost = append(lost, at)
				}
				topicAnswer.Partitions = append(topicAnswer.Partitions, wire.AssignReplicasToDirsResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: kerr.Code(err)})
			}
			answer.Topics = append(answer.Topics, topicAnswer)
		}
		response.Directories = append(response.Directories, answer)
	}
	m.update(goneBroker(b.ID), lost)
	return response
}

func (m *Machine) assignDir(broker model.NodeID, at place, dir model.DirectoryID) error {
	t := m.draft.TopicByID(at.topic)
	if t == nil {
		return kerr.UnknownTopicID
	}
	p := m.draft.Partition(at.topic, at.index)
	if p == nil {
		return kerr.UnknownTopicOrPartition
	}
	if !slices.Contains(p.Replicas, broker) {
		return kerr.NotLeaderOrFollower
	}
	c := m.change(t, at.index, m.active)
	c.election = electOnline
	c.dirs[broker] = dir
	if r := c.build(); r != nil {
		m.emit(r)
	}
	return nil
}
