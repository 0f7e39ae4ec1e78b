package consumer

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Committer is who commits offsets.
type Committer struct {
	MemberID      string
	InstanceID    *string
	Epoch         int32 // or generation
	Transactional bool
	Version       int16 // of OffsetCommit
}

// commitSince is the version of OffsetCommit in which members of the new protocol commit.
const commitSince = 9

// MayCommit judges a commit. The function that it returns, which may be nil, judges
// each partition: a member that has moved on while it committed may still commit the
// partitions that it has had since the epoch it says (KIP-1251).
func (g *Group) MayCommit(by Committer) (func(topic string, id model.TopicID, partition int32) error, error) {
	switch {
	case by.Epoch < 0 && g.Empty():
		return nil, nil // nobody reads: an administrator, or a consumer without a group
	case by.Transactional && by.Epoch == -1 && by.MemberID == "" && by.InstanceID == nil:
		return nil, nil
	}
	m := g.members[by.MemberID]
	switch {
	case m == nil:
		return nil, unknownMember(g.id, by.MemberID)
	case !by.Transactional && !m.Classic() && by.Version < commitSince:
		return nil, kerr.UnsupportedVersion.With("OffsetCommit version 9 or above must be used by members using the consumer group protocol")
	case by.Epoch == m.Epoch:
		return nil, nil
	case by.Epoch > m.Epoch && m.Classic():
		return nil, kerr.IllegalGeneration.With("Received generation id %d is newer than current member epoch %d.", by.Epoch, m.Epoch)
	case by.Epoch > m.Epoch:
		return nil, kerr.StaleMemberEpoch.With("Received member epoch %d is newer than current member epoch %d.", by.Epoch, m.Epoch)
	}
	return func(topic string, id model.TopicID, partition int32) error {
		return m.mayCommitAt(by.Epoch, topic, id, partition)
	}, nil
}

func (m *Member) mayCommitAt(epoch int32, topic string, id model.TopicID, partition int32) error {
	since, ok := m.Assigned[id][partition]
	if !ok {
		since, ok = m.Revoking[id][partition]
	}
	stale, what := kerr.StaleMemberEpoch, "member epoch"
	if m.Classic() {
		stale, what = kerr.IllegalGeneration, "generation id"
	}
	switch {
	case !ok:
		return stale.With("Partition %s-%d is not assigned or pending revocation for member.", topic, partition)
	case epoch < since:
		return stale.With("Received %s %d is older than assignment epoch %d for partition %s-%d.", what, epoch, since, topic, partition)
	}
	return nil
}

// MayFetch judges a fetch of committed offsets, which may come from a member or,
// with an epoch below 0 and no member id, from anybody.
func (g *Group) MayFetch(member *string, epoch int32) error {
	if member == nil && epoch < 0 {
		return nil
	}
	m := g.members[text(member)]
	switch {
	case m == nil:
		return unknownMember(g.id, text(member))
	case m.Epoch == epoch:
		return nil
	case m.Classic():
		return kerr.IllegalGeneration.With("The received generation id %d does not match the expected member epoch %d.", epoch, m.Epoch)
	}
	return kerr.StaleMemberEpoch.With("The received member epoch %d does not match the expected member epoch %d.", epoch, m.Epoch)
}
