package group

import (
	"unicode/utf16"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// groupNotFoundSince is the version of OffsetCommit from which on a member of a
// group that is not there is told so; before, that its generation is wrong.
const groupNotFoundSince = 9

// commitOffsets is OffsetCommit.
func (m *Machine) commitOffsets(t machine.Token, version int16, r *wire.OffsetCommitRequest) {
	judge, err := m.judgeCommit(r.GroupID, committer{
		member: r.MemberID, instance: r.GroupInstanceID, generation: r.GenerationIDOrMemberEpoch, version: version,
	})
	if err != nil {
		m.replyNow(t, CommitRefused(r, err))
		return
	}
	out := CommitRefused(r, nil)
	var records []machine.Record
	for i := range r.Topics {
		topic := &r.Topics[i]
		for j := range topic.Partitions {
			p, answer := &topic.Partitions[j], &out.Topics[i].Partitions[j]
			if m.tooMuchMetadata(p.CommittedMetadata) {
				answer.ErrorCode = kerr.OffsetMetadataTooLarge.Code
				continue
			}
			if judge != nil {
				if err := judge(topic.Name, topicID(topic.TopicID), p.PartitionIndex); err != nil {
					m.replyNow(t, CommitRefused(r, err))
					return
				}
			}
			c := m.newCommit(p.PartitionIndex, p.CommittedOffset, p.CommittedLeaderEpoch, p.CommittedMetadata)
			c.topic = topicID(topic.TopicID)
			if r.RetentionTimeMS != -1 {
				c.rare = &rare{metadata: c.metadata(), expires: m.millis() + r.RetentionTimeMS}
			}
			records = append(records, commitRecord(r.GroupID, topic.Name, &c))
		}
	}
	m.append(records...)
	m.reply(t, out)
}

// CommitRefused answers every partition of a commit with the error, which may be nil.
func CommitRefused(r *wire.OffsetCommitRequest, err error) *wire.OffsetCommitResponse {
	out := &wire.OffsetCommitResponse{Topics: make([]wire.OffsetCommitResponseTopic, len(r.Topics))}
	for i := range r.Topics {
		in, topic := &r.Topics[i], &out.Topics[i]
		topic.Name, topic.TopicID = in.Name, in.TopicID
		topic.Partitions = make([]wire.OffsetCommitResponsePartition, len(in.Partitions))
		for j := range in.Partitions {
			topic.Partitions[j] = wire.OffsetCommitResponsePartition{PartitionIndex: in.Partitions[j].PartitionIndex, ErrorCode: kerr.Code(err)}
		}
	}
	return out
}

// commitInTransaction is TxnOffsetCommit: the offsets count once FoldMarker says
// that the transaction was committed.
func (m *Machine) commitInTransaction(t machine.Token, version int16, r *wire.TxnOffsetCommitRequest) {
	judge, err := m.judgeCommit(r.GroupID, committer{
		member: r.MemberID, instance: r.GroupInstanceID, generation: r.GenerationID, transactional: true, version: version,
	})
	if err != nil {
		m.replyNow(t, TxnCommitRefused(r, err))
		return
	}
	out := TxnCommitRefused(r, nil)
	var records []machine.Record
	for i := range r.Topics {
		topic := &r.Topics[i]
		var id model.TopicID
		if known := m.img.Topic(topic.Name); known != nil {
			id = known.ID
		} else if judge != nil {
			m.replyNow(t, TxnCommitRefused(r, kerr.IllegalGeneration))
			return
		}
		for j := range topic.Partitions {
			p := &topic.Partitions[j]
			if m.tooMuchMetadata(p.CommittedMetadata) {
				out.Topics[i].Partitions[j].ErrorCode = kerr.OffsetMetadataTooLarge.Code
				continue
			}
			if judge != nil {
				if err := judge(topic.Name, id, p.PartitionIndex); err != nil {
					m.replyNow(t, TxnCommitRefused(r, inTransaction(err)))
					return
				}
			}
			c := m.newCommit(p.PartitionIndex, p.CommittedOffset, p.CommittedLeaderEpoch, p.CommittedMetadata)
			records = append(records, commitRecord(r.GroupID, topic.Name, &c))
		}
	}
	if len(records) > 0 {
		m.append(records...)
		m.out.Transaction = &machine.Producer{ID: model.ProducerID(r.ProducerID), Epoch: r.ProducerEpoch}
	}
	m.reply(t, out)
}

// TxnCommitRefused answers every partition of a commit with the error, which may be nil.
func TxnCommitRefused(r *wire.TxnOffsetCommitRequest, err error) *wire.TxnOffsetCommitResponse {
	out := &wire.TxnOffsetCommitResponse{Topics: make([]wire.TxnOffsetCommitResponseTopic, len(r.Topics))}
	for i := range r.Topics {
		in, topic := &r.Topics[i], &out.Topics[i]
		topic.Name = in.Name
		topic.Partitions = make([]wire.TxnOffsetCommitResponsePartition, len(in.Partitions))
		for j := range in.Partitions {
			topic.Partitions[j] = wire.TxnOffsetCommitResponsePartition{PartitionIndex: in.Partitions[j].PartitionIndex, ErrorCode: kerr.Code(err)}
		}
	}
	return out
}

// judgeCommit says whether a commit is taken, and what to ask about each of its
// partitions, nil for nothing. To a group that is not there everybody who is no
// member may commit, which makes it a simple one once the offset is folded.
func (m *Machine) judgeCommit(group string, c committer) (func(string, model.TopicID, int32) error, error) {
	if !writable(group) {
		return nil, kerr.InvalidGroupID.With("A group id of %d bytes is too long.", len(group))
	}
	g := m.groups[group]
	switch {
	case g == nil && c.generation < 0:
		return nil, nil
	case g == nil && !c.transactional && c.version >= groupNotFoundSince:
		return nil, notFound(group)
	case g == nil:
		return nil, kerr.IllegalGeneration
	}
	judge, err := g.kind.mayCommit(c)
	if err != nil && c.transactional {
		err = inTransaction(err)
	}
	if k, ok := g.kind.(*classic); ok && err == nil && !c.transactional {
		k.committed(m, c.member)
	}
	return judge, err
}

// inTransaction is the error that a transactional producer understands.
func inTransaction(err error) error {
	if kerr.Code(err) == kerr.StaleMemberEpoch.Code {
		return kerr.IllegalGeneration
	}
	return err
}

func notFound(group string) error { return kerr.GroupIDNotFound.With("Group %s not found.", group) }

func (m *Machine) newCommit(partition int32, offset int64, epoch int32, metadata *string) commit {
	c := commit{partition: partition, offset: offset, epoch: max(epoch, -1), at: m.millis()}
	if text(metadata) != "" {
		c.rare = &rare{metadata: *metadata, expires: -1}
	}
	return c
}

// tooMuchMetadata counts in UTF-16, as Java's strings do.
func (m *Machine) tooMuchMetadata(s *string) bool {
	if len(text(s)) <= m.config.MaxMetadata {
		return false
	}
	n := 0
	for _, r := range *s {
		n += utf16.RuneLen(r)
	}
	return n > m.config.MaxMetadata || !writable(*s)
}
