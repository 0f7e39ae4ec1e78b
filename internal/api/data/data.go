// Package data has the handlers of the APIs that move records and tell offsets:
// Produce, Fetch, ListOffsets, DeleteRecords and OffsetForLeaderEpoch, a file each.
package data

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
)

// Partitions is what the handlers need of the replicas on this broker.
type Partitions interface {
	Partition(topic model.TopicID, index int32) (*replica.Partition, error)
}

// find is the partition of a topic in an image: UNKNOWN_TOPIC_OR_PARTITION when
// there is no such partition, NOT_LEADER_OR_FOLLOWER when it is elsewhere.
func find(img *metadata.Image, set Partitions, topic model.TopicID, index int32) (*replica.Partition, error) {
	if img.Partition(topic, index) == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	return set.Partition(topic, index)
}

// checkIsolation refuses what is neither read_uncommitted nor read_committed, with Kafka's answer.
func checkIsolation(level int8) error {
	if level != 0 && level != 1 {
		return kerr.UnknownServerError.With("there is no isolation level %d", level)
	}
	return nil
}

// leaderHint is where a client that came to the wrong broker should go (KIP-951).
type leaderHint struct {
	id    int32
	epoch int32
	node  *metadata.Broker // nil when there is no leader or it has no such listener
	at    metadata.Endpoint
}

// currentLeader is the leader of a partition as this broker knows it, which may
// be newer in the replica than in the image.
func currentLeader(img *metadata.Image, set Partitions, topic model.TopicID, index int32, listener string) leaderHint {
	hint := leaderHint{id: -1, epoch: -1}
	if m := img.Partition(topic, index); m != nil {
		hint.id, hint.epoch = int32(m.Leader), int32(m.LeaderEpoch)
	}
	if p, err := set.Partition(topic, index); err == nil {
		if s, err := p.Status(); err == nil && int32(s.Epoch) > hint.epoch {
			hint.id, hint.epoch = int32(s.LeaderID), int32(s.Epoch)
		}
	}
	if b := img.Broker(model.NodeID(hint.id)); b != nil && !b.Fenced {
		if at, ok := b.Endpoint(listener); ok {
			hint.node, hint.at = b, at
		}
	}
	return hint
}
