package data

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// OffsetForLeaderEpoch is API key 23, versions 2-4: where a leader epoch ended,
// by which a client or follower finds out where its log parts from the leader's
// (KIP-101, KIP-279, KIP-320).
type OffsetForLeaderEpoch struct {
	Image      func() *metadata.Image
	Partitions Partitions
	Authorizer auth.Authorizer
}

// Handle implements server.Handler. Brokers need the right of cluster actions,
// and everybody else to describe the topic.
func (h *OffsetForLeaderEpoch) Handle(_ context.Context, r *server.Request) wire.Response {
	req := r.Body.(*wire.OffsetForLeaderEpochRequest)
	out := &wire.OffsetForLeaderEpochResponse{Topics: make([]wire.OffsetForLeaderEpochResponseTopic, len(req.Topics))}
	img, broker := h.Image(), rights.Cluster(h.Authorizer, r, auth.ClusterAction)
	for i := range req.Topics {
		in, topic := &req.Topics[i], &out.Topics[i]
		topic.Topic = in.Topic
		topic.Partitions = make([]wire.OffsetForLeaderEpochResponsePartition, len(in.Partitions))
		allowed := broker || rights.Topic(h.Authorizer, r, auth.Describe, in.Topic)
		for j := range in.Partitions {
			q, answer := &in.Partitions[j], &topic.Partitions[j]
			answer.Reset()
			answer.Partition = q.Partition
			err := error(kerr.TopicAuthorizationFailed)
			if allowed {
				err = h.one(img, in.Topic, q, answer)
			}
			answer.ErrorCode = kerr.Code(err)
		}
	}
	return out
}

func (h *OffsetForLeaderEpoch) one(img *metadata.Image, name string, q *wire.OffsetForLeaderEpochRequestPartition, answer *wire.OffsetForLeaderEpochResponsePartition) error {
	topic := img.Topic(name)
	if topic == nil {
		return kerr.UnknownTopicOrPartition
	}
	p, err := find(img, h.Partitions, topic.ID, q.Partition)
	if err != nil {
		return err
	}
	end, err := p.EpochEnd(model.Epoch(q.CurrentLeaderEpoch), model.Epoch(q.LeaderEpoch))
	if err != nil {
		return err
	}
	answer.LeaderEpoch, answer.EndOffset = int32(end.Epoch), int64(end.End)
	return nil
}
