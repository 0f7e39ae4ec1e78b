package data

import (
	"context"
	"errors"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ListOffsets is API key 2, versions 1-11: the offset of a point in time, or of
// one of the points that negative timestamps stand for.
//
// KIP-98 (isolation, v2), KIP-320 (leader epochs, v4), KIP-207 (OFFSET_NOT_AVAILABLE
// while a new leader's high watermark lags, v5; LEADER_NOT_AVAILABLE before),
// KIP-734 (-3, v7), KIP-405 (-4, v8), KIP-1005 (-5, v9), KIP-1075 (the time-out,
// v10), KIP-1023 (-6, v11). Nothing is tiered, so -5 and -6 find nothing.
type ListOffsets struct {
	Image      func() *metadata.Image
	Partitions Partitions
	Authorizer auth.Authorizer
}

// The consumer's replica id, and that of a tool that reads from any replica.
const (
	consumerReplica  = -1
	debuggingReplica = -2
)

// Handle implements server.Handler.
func (h *ListOffsets) Handle(_ context.Context, r *server.Request) wire.Response {
	req := r.Body.(*wire.ListOffsetsRequest)
	out := &wire.ListOffsetsResponse{Topics: make([]wire.ListOffsetsResponseTopic, len(req.Topics))}
	img, twice, told := h.Image(), duplicates(req), map[model.Partition]bool{}
	wrong := checkIsolation(req.IsolationLevel)
	for i := range req.Topics {
		in, topic := &req.Topics[i], &out.Topics[i]
		topic.Name = in.Name
		topic.Partitions = make([]wire.ListOffsetsResponsePartition, 0, len(in.Partitions))
		allowed := rights.Topic(h.Authorizer, r, auth.Describe, in.Name)
		for j := range in.Partitions {
			q, name := &in.Partitions[j], model.Partition{Topic: in.Name, Index: in.Partitions[j].PartitionIndex}
			if twice[name] {
				if told[name] {
					continue // one refusal is for all of them
				}
				told[name] = true
			}
			topic.Partitions = append(topic.Partitions, wire.ListOffsetsResponsePartition{})
			answer := &topic.Partitions[len(topic.Partitions)-1]
			answer.Reset()
			answer.PartitionIndex = q.PartitionIndex
			err := error(kerr.TopicAuthorizationFailed)
			switch {
			case wrong != nil:
				err = wrong
			case !allowed:
			case twice[name]:
				err = kerr.InvalidRequest
			default:
				err = h.one(img, r.Header.APIVersion, req, in.Name, q, answer)
			}
			answer.ErrorCode = kerr.Code(err)
		}
	}
	return out
}

// duplicates are the partitions that a request names twice.
func duplicates(req *wire.ListOffsetsRequest) map[model.Partition]bool {
	seen := map[model.Partition]bool{}
	var twice map[model.Partition]bool
	for i := range req.Topics {
		for _, p := range req.Topics[i].Partitions {
			name := model.Partition{Topic: req.Topics[i].Name, Index: p.PartitionIndex}
			if seen[name] {
				if twice == nil {
					twice = map[model.Partition]bool{}
				}
				twice[name] = true
			}
			seen[name] = true
		}
	}
	return twice
}

func (h *ListOffsets) one(img *metadata.Image, version int16, req *wire.ListOffsetsRequest, name string, q *wire.ListOffsetsRequestPartition, answer *wire.ListOffsetsResponsePartition) error {
	if q.Timestamp < 0 && version < pointSince(q.Timestamp) {
		return kerr.UnsupportedVersion
	}
	topic := img.Topic(name)
	if topic == nil {
		return kerr.UnknownTopicOrPartition
	}
	p, err := find(img, h.Partitions, topic.ID, q.PartitionIndex)
	if err != nil {
		return err
	}
	query := replica.OffsetQuery{
		Timestamp: q.Timestamp, LeaderEpoch: model.Epoch(q.CurrentLeaderEpoch),
		LeaderOnly: req.ReplicaID != debuggingReplica, Isolation: replica.LogEnd,
	}
	if req.ReplicaID == consumerReplica {
		query.Isolation = replica.Committed
		if req.IsolationLevel == 1 {
			query.Isolation = replica.Stable
		}
	}
	found, err := p.Offset(query)
	if errors.Is(err, kerr.OffsetNotAvailable) && version < 5 {
		err = kerr.LeaderNotAvailable
	}
	if err != nil {
		return err
	}
	answer.Offset, answer.Timestamp = int64(found.Offset), found.Timestamp
	if version >= 4 {
		answer.LeaderEpoch = int32(found.LeaderEpoch)
	}
	return nil
}

// pointSince is the version from which on a negative timestamp has a meaning.
func pointSince(timestamp int64) int16 {
	switch timestamp {
	case replica.Earliest, replica.Latest:
		return 1
	case replica.MaxTimestamp:
		return 7
	case replica.EarliestLocal:
		return 8
	case replica.LatestTiered:
		return 9
	case replica.EarliestPendingUpload:
		return 11
	}
	return 1<<15 - 1
}
