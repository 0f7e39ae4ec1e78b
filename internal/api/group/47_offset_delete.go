package group

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// OffsetDelete is API key 47, version 0: committed offsets of topics go that the
// group's members do not read (KIP-496).
//
// Needs DELETE on the group and READ on each topic.
type OffsetDelete struct {
	Groups     Coordinators
	Image      func() *metadata.Image
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *OffsetDelete) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.OffsetDeleteRequest)
	if err := allowed(h.Authorizer, r, auth.Delete, q.GroupID); err != nil {
		return &wire.OffsetDeleteResponse{ErrorCode: kerr.Code(err)}
	}
	out := &wire.OffsetDeleteResponse{Topics: []wire.OffsetDeleteResponseTopic{}}
	own := &wire.OffsetDeleteRequest{GroupID: q.GroupID}
	img := h.Image()
	for i := range q.Topics {
		topic := &q.Topics[i]
		known, refused := wire.OffsetDeleteRequestTopic{Name: topic.Name}, wire.OffsetDeleteResponseTopic{Name: topic.Name}
		for _, p := range topic.Partitions {
			if err := h.partition(r, img, topic.Name, p.PartitionIndex); err != nil {
				refused.Partitions = append(refused.Partitions, wire.OffsetDeleteResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: kerr.Code(err)})
				continue
			}
			known.Partitions = append(known.Partitions, p)
		}
		if len(refused.Partitions) > 0 {
			out.Topics = append(out.Topics, refused)
		}
		if len(known.Partitions) > 0 {
			own.Topics = append(own.Topics, known)
		}
	}
	answer, err := call[*wire.OffsetDeleteResponse](ctx, h.Groups, q.GroupID, r, own)
	if err != nil {
		return &wire.OffsetDeleteResponse{ErrorCode: kerr.Code(err)}
	}
	if answer.ErrorCode != 0 {
		return answer
	}
	out.Topics = joinDeleted(out.Topics, answer.Topics)
	return out
}

func (h *OffsetDelete) partition(r *server.Request, img *metadata.Image, topic string, index int32) error {
	if !rights.Topic(h.Authorizer, r, auth.Read, topic) {
		return kerr.TopicAuthorizationFailed
	}
	if t := img.Topic(topic); t == nil || !partitionExists(t, index) {
		return kerr.UnknownTopicOrPartition
	}
	return nil
}

// joinDeleted puts what is about the same topic together.
func joinDeleted(a, b []wire.OffsetDeleteResponseTopic) []wire.OffsetDeleteResponseTopic {
	at := map[string]int{}
	for i := range a {
		at[a[i].Name] = i
	}
	for i := range b {
		if j, ok := at[b[i].Name]; ok {
			a[j].Partitions = append(a[j].Partitions, b[i].Partitions...)
		} else {
			a = append(a, b[i])
		}
	}
	return a
}
