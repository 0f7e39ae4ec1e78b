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

// OffsetFetch is API key 9, versions 1-10: the offsets that groups have
// committed, of some topics or of all; of several groups at once from version 8
// on, only stable ones from version 7 on (KIP-447), topics by id from version 10
// on (KIP-848).
//
// Needs DESCRIBE on the groups and the topics.
type OffsetFetch struct {
	Groups     Coordinators
	Image      func() *metadata.Image
	Authorizer auth.Authorizer
}

const (
	// severalGroupsSince is the version from which on groups are a list.
	severalGroupsSince = 8
	// groupErrorsSince is the version from which on a group can have an error.
	groupErrorsSince = 2
)

// Handle implements server.Handler.
func (h *OffsetFetch) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.OffsetFetchRequest)
	if r.Header.APIVersion < severalGroupsSince {
		one := h.group(ctx, r, loneGroup(q), q.RequireStable)
		return aloneAnswer(one)
	}
	out := &wire.OffsetFetchResponse{Groups: make([]wire.OffsetFetchResponseGroup, len(q.Groups))}
	for i := range q.Groups {
		out.Groups[i] = *h.group(ctx, r, &q.Groups[i], q.RequireStable)
	}
	return out
}

// loneGroup is an older request in the newer form.
func loneGroup(q *wire.OffsetFetchRequest) *wire.OffsetFetchRequestGroup {
	g := &wire.OffsetFetchRequestGroup{GroupID: q.GroupID, MemberEpoch: -1}
	if q.Topics != nil {
		g.Topics = make([]wire.OffsetFetchRequestGroupTopic, len(q.Topics))
	}
	for i := range q.Topics {
		g.Topics[i] = wire.OffsetFetchRequestGroupTopic{Name: q.Topics[i].Name, PartitionIndexes: q.Topics[i].PartitionIndexes}
	}
	return g
}

// aloneAnswer is an answer in the older form.
func aloneAnswer(g *wire.OffsetFetchResponseGroup) *wire.OffsetFetchResponse {
	out := &wire.OffsetFetchResponse{ErrorCode: g.ErrorCode, Topics: make([]wire.OffsetFetchResponseTopic, len(g.Topics))}
	for i := range g.Topics {
		t := &g.Topics[i]
		out.Topics[i].Name = t.Name
		out.Topics[i].Partitions = make([]wire.OffsetFetchResponsePartition, len(t.Partitions))
		for j, p := range t.Partitions {
			out.Topics[i].Partitions[j] = wire.OffsetFetchResponsePartition(p)
		}
	}
	return out
}

func (h *OffsetFetch) group(ctx context.Context, r *server.Request, q *wire.OffsetFetchRequestGroup, stable bool) *wire.OffsetFetchResponseGroup {
	if !rights.Group(h.Authorizer, r, auth.Describe, q.GroupID) {
		return groupRefused(r, q, kerr.GroupAuthorizationFailed)
	}
	own, refused := *q, []wire.OffsetFetchResponseGroupTopic(nil)
	if q.Topics != nil {
		own.Topics, refused = h.topics(r, q.Topics)
	}
	answer, err := call[*wire.OffsetFetchResponseGroup](ctx, h.Groups, q.GroupID, r, group.FetchOffsets{Group: &own, RequireStable: stable})
	if err != nil {
		return groupRefused(r, q, err)
	}
	if answer.ErrorCode != 0 {
		return answer
	}
	if q.Topics == nil {
		answer.Topics = h.visible(r, answer.Topics)
	}
	answer.Topics = append(answer.Topics, refused...)
	return answer
}

// topics are those of a request that may be asked about, with their names, and
// the answers for the others.
func (h *OffsetFetch) topics(r *server.Request, topics []wire.OffsetFetchRequestGroupTopic) ([]wire.OffsetFetchRequestGroupTopic, []wire.OffsetFetchResponseGroupTopic) {
	known, refused := []wire.OffsetFetchRequestGroupTopic{}, []wire.OffsetFetchResponseGroupTopic(nil)
	img := h.Image()
	for _, topic := range topics {
		err := error(nil)
		if r.Header.APIVersion >= topicIDsSince {
			if t := img.TopicByID(topicID(topic.TopicID)); t != nil {
				topic.Name = t.Name
			} else {
				err = kerr.UnknownTopicID
			}
		}
		if err == nil && !rights.Topic(h.Authorizer, r, auth.Describe, topic.Name) {
			err = kerr.TopicAuthorizationFailed
		}
		if err == nil {
			known = append(known, topic)
		} else {
			refused = append(refused, topicRefused(&topic, err))
		}
	}
	return known, refused
}

// visible are the topics of a group that a client may know of. Where topics go by
// id, one that was committed by name is looked up, and left out if that fails.
func (h *OffsetFetch) visible(r *server.Request, topics []wire.OffsetFetchResponseGroupTopic) []wire.OffsetFetchResponseGroupTopic {
	out := []wire.OffsetFetchResponseGroupTopic{}
	img := h.Image()
	for _, topic := range topics {
		if !rights.Topic(h.Authorizer, r, auth.Describe, topic.Name) {
			continue
		}
		if r.Header.APIVersion >= topicIDsSince && topic.TopicID.IsZero() {
			t := img.Topic(topic.Name)
			if t == nil {
				continue
			}
			topic.TopicID = model.UUID(t.ID)
		}
		out = append(out, topic)
	}
	return out
}

func topicRefused(topic *wire.OffsetFetchRequestGroupTopic, err error) wire.OffsetFetchResponseGroupTopic {
	out := wire.OffsetFetchResponseGroupTopic{Name: topic.Name, TopicID: topic.TopicID}
	for _, p := range topic.PartitionIndexes {
		out.Partitions = append(out.Partitions, wire.OffsetFetchResponseGroupTopicPartition{
			PartitionIndex: p, CommittedOffset: -1, CommittedLeaderEpoch: -1, Metadata: new(string), ErrorCode: kerr.Code(err)})
	}
	return out
}

// groupRefused answers for a group as a whole, or for each partition where the
// version knows no other way.
func groupRefused(r *server.Request, q *wire.OffsetFetchRequestGroup, err error) *wire.OffsetFetchResponseGroup {
	out := &wire.OffsetFetchResponseGroup{GroupID: q.GroupID, Topics: []wire.OffsetFetchResponseGroupTopic{}}
	if r.Header.APIVersion >= groupErrorsSince {
		out.ErrorCode = kerr.Code(err)
		return out
	}
	for i := range q.Topics {
		out.Topics = append(out.Topics, topicRefused(&q.Topics[i], err))
	}
	return out
}
