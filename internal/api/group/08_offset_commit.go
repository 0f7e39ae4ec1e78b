package group

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// OffsetCommit is API key 8, versions 2-10: a group's offsets are written down,
// by members or by anybody if the group has none. Topics are named by id from
// version 10 on (KIP-848).
//
// Needs READ on the group and on each topic.
type OffsetCommit struct {
	Groups     Coordinators
	Image      func() *metadata.Image
	Authorizer auth.Authorizer
}

// topicIDsSince is the version of OffsetCommit and OffsetFetch from which on
// topics are named by their ids.
const topicIDsSince = 10

// Handle implements server.Handler.
func (h *OffsetCommit) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.OffsetCommitRequest)
	if !rights.Group(h.Authorizer, r, auth.Read, q.GroupID) {
		return group.CommitRefused(q, kerr.GroupAuthorizationFailed)
	}
	own := *q
	own.Topics = nil
	var refused commitAnswers
	img := h.Image()
	for i := range q.Topics {
		topic := &q.Topics[i]
		name, id, err := h.topic(r, img, topic)
		known := wire.OffsetCommitRequestTopic{Name: name, TopicID: id}
		for _, p := range topic.Partitions {
			switch {
			case err != nil:
				refused.add(name, id, p.PartitionIndex, kerr.Code(err))
			case !partitionExists(img.Topic(name), p.PartitionIndex):
				refused.add(name, id, p.PartitionIndex, kerr.UnknownTopicOrPartition.Code)
			default:
				known.Partitions = append(known.Partitions, p)
			}
		}
		if len(known.Partitions) > 0 {
			own.Topics = append(own.Topics, known)
		}
	}
	if len(own.Topics) == 0 {
		return refused.response()
	}
	answer, err := call[*wire.OffsetCommitResponse](ctx, h.Groups, q.GroupID, r, &own)
	if err != nil {
		return group.CommitRefused(q, err)
	}
	refused.join(answer)
	return refused.response()
}

// topic is what is known of a topic that offsets are committed for.
func (h *OffsetCommit) topic(r *server.Request, img *metadata.Image, topic *wire.OffsetCommitRequestTopic) (string, model.UUID, error) {
	name, id := topic.Name, topic.TopicID
	if r.Header.APIVersion >= topicIDsSince {
		t := img.TopicByID(topicID(id))
		if t == nil {
			return "", id, kerr.UnknownTopicID
		}
		name = t.Name
	}
	if !rights.Topic(h.Authorizer, r, auth.Read, name) {
		return name, id, kerr.TopicAuthorizationFailed
	}
	t := img.Topic(name)
	if t == nil {
		return name, id, kerr.UnknownTopicOrPartition
	}
	return name, model.UUID(t.ID), nil
}

// commitAnswers gathers what is answered, a topic once.
type commitAnswers struct {
	topics []wire.OffsetCommitResponseTopic
	at     map[commitTopic]int
}

type commitTopic struct {
	name string
	id   model.UUID
}

func (a *commitAnswers) topic(name string, id model.UUID) *wire.OffsetCommitResponseTopic {
	i, ok := a.at[commitTopic{name, id}]
	if !ok {
		if a.at == nil {
			a.at = map[commitTopic]int{}
		}
		i = len(a.topics)
		a.at[commitTopic{name, id}] = i
		a.topics = append(a.topics, wire.OffsetCommitResponseTopic{Name: name, TopicID: id})
	}
	return &a.topics[i]
}

func (a *commitAnswers) add(name string, id model.UUID, partition int32, code int16) {
	t := a.topic(name, id)
	t.Partitions = append(t.Partitions, wire.OffsetCommitResponsePartition{PartitionIndex: partition, ErrorCode: code})
}

func (a *commitAnswers) join(r *wire.OffsetCommitResponse) {
	for i := range r.Topics {
		t := a.topic(r.Topics[i].Name, r.Topics[i].TopicID)
		t.Partitions = append(t.Partitions, r.Topics[i].Partitions...)
	}
}

func (a *commitAnswers) response() *wire.OffsetCommitResponse {
	return &wire.OffsetCommitResponse{Topics: a.topics}
}
