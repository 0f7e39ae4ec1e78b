package admin

import (
	"context"
	"slices"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Metadata serves versions 0-13 (KIP-4, 430, 516, 1102): brokers, topics and
// their leaders, as clients of the request's listener reach them. Topics the
// caller may not DESCRIBE are left out of a list of all, and are
// TOPIC_AUTHORIZATION_FAILED when named; fenced brokers are not listed.
//
// A topic that does not exist is created if client and Create allow it, and is
// UNKNOWN_TOPIC_OR_PARTITION meanwhile: the client asks again, and is told of
// leaders that serve.
type Metadata struct {
	View       *View
	ClusterID  string
	NodeID     model.NodeID
	Authorizer auth.Authorizer
	Create     *AutoCreator // nil without auto.create.topics.enable
	Doubts     *Doubts
}

// Handle implements server.Handler.
func (h *Metadata) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := metadataQuery{h: h, r: r, body: r.Body.(*wire.MetadataRequest), version: r.Header.APIVersion}
	if err := q.check(); err != nil {
		return q.refuse(err)
	}
	q.img = q.settled(ctx)
	return q.answer()
}

// metadataQuery is one request on its way.
type metadataQuery struct {
	h       *Metadata
	r       *server.Request
	body    *wire.MetadataRequest
	version int16
	img     *metadata.Image
}

// settled is the image to answer by: one that names no leader in doubt, if that is
// to be had soon.
func (q *metadataQuery) settled(ctx context.Context) *metadata.Image {
	doubted, left := q.h.Doubts.of()
	if len(doubted) == 0 {
		return q.h.View.Image()
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	img, _ := q.h.View.Wait(ctx, func(img *metadata.Image) bool { return !q.names(img, doubted) })
	return img
}

// names reports whether the answer by an image would name one of some brokers as a
// leader.
func (q *metadataQuery) names(img *metadata.Image, some []model.NodeID) bool {
	if q.all() {
		for t := range img.Topics() {
			if leads(t, some) {
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(q.body.Topics, func(asked wire.MetadataRequestTopic) bool {
		t := img.TopicByID(model.TopicID(asked.TopicID))
		if asked.Name != nil {
			t = img.Topic(*asked.Name)
		}
		return t != nil && leads(t, some)
	})
}

// all reports whether the request is for every topic: null, or empty in version
// 0, which had no null.
func (q *metadataQuery) all() bool {
	return q.body.Topics == nil || q.version == 0 && len(q.body.Topics) == 0
}

func (q *metadataQuery) check() error {
	byID := slices.ContainsFunc(q.body.Topics, func(t wire.MetadataRequestTopic) bool { return !t.TopicID.IsZero() })
	for _, t := range q.body.Topics {
		switch {
		case q.version >= 12 && t.Name == nil && !byID:
			return kerr.UnknownServerError.With("a topic has neither name nor id") // Kafka's answer
		case q.version < 12 && t.Name == nil:
			return kerr.InvalidRequest.With("Topic name can not be null for version %d", q.version)
		case q.version < 12 && !t.TopicID.IsZero():
			return kerr.InvalidRequest.With("Topic IDs are not supported in requests for version %d", q.version)
		}
	}
	return nil
}

func (q *metadataQuery) refuse(err error) wire.Response {
	response := &wire.MetadataResponse{}
	response.Reset()
	response.ErrorCode = kerr.Code(err)
	for _, t := range q.body.Topics {
		if t.Name == nil {
			t.Name = new(string)
		}
		failed := q.topicError(t.Name, t.TopicID, err)
		response.Topics = append(response.Topics, failed)
	}
	return response
}

func (q *metadataQuery) answer() wire.Response {
	var topics []wire.MetadataResponseTopic
	switch {
	case q.all():
		topics = q.everyTopic()
	case slices.ContainsFunc(q.body.Topics, func(t wire.MetadataRequestTopic) bool { return !t.TopicID.IsZero() }):
		topics = q.byID()
	default:
		topics = q.byName()
	}
	response := &wire.MetadataResponse{}
	response.Reset()
	response.ClusterID, response.Topics = &q.h.ClusterID, topics
	response.Brokers, response.ControllerID = q.brokers()
	if q.version >= 8 && q.version <= 10 && q.body.IncludeClusterAuthorizedOperations {
		response.ClusterAuthorizedOperations = clusterOperations(q.h.Authorizer, q.r)
	}
	return response
}

// brokers are the live ones, and those that have just died, on the request's
// listener, and the one to send
// requests for the controller to: any of them, as all forward.
func (q *metadataQuery) brokers() (all []wire.MetadataResponseBroker, controller int32) {
	all, controller = []wire.MetadataResponseBroker{}, -1
	for b := range q.img.Brokers() {
		if b.Fenced && !q.h.Doubts.died(b.ID) {
			continue
		}
		if !b.Fenced && (controller == -1 || b.ID == q.h.NodeID) {
			controller = int32(b.ID)
		}
		if e, ok := b.Endpoint(q.r.Listener); ok {
			all = append(all, wire.MetadataResponseBroker{NodeID: int32(b.ID), Host: e.Host, Port: int32(e.Port), Rack: b.Rack})
		}
	}
	return all, controller
}

func (q *metadataQuery) everyTopic() []wire.MetadataResponseTopic {
	all := []wire.MetadataResponseTopic{}
	for t := range q.img.Topics() {
		if rights.Topic(q.h.Authorizer, q.r, auth.Describe, t.Name) {
			all = append(all, q.topic(t))
		}
	}
	return all
}

func (q *metadataQuery) byID() []wire.MetadataResponseTopic {
	all, seen := []wire.MetadataResponseTopic{}, map[model.UUID]bool{}
	for _, asked := range q.body.Topics {
		if asked.TopicID.IsZero() || seen[asked.TopicID] {
			continue
		}
		seen[asked.TopicID] = true
		t := q.img.TopicByID(model.TopicID(asked.TopicID))
		switch {
		case t == nil:
			all = append(all, q.topicError(nil, asked.TopicID, kerr.UnknownTopicID))
		case !rights.Topic(q.h.Authorizer, q.r, auth.Describe, t.Name):
			all = append(all, q.topicError(nil, asked.TopicID, kerr.TopicAuthorizationFailed)) // ids are no secret
		default:
			all = append(all, q.topic(t))
		}
	}
	return all
}

func (q *metadataQuery) byName() []wire.MetadataResponseTopic {
	names, seen := []string{}, map[string]bool{}
	for _, asked := range q.body.Topics {
		if asked.Name != nil && !seen[*asked.Name] {
			seen[*asked.Name] = true
			names = append(names, *asked.Name)
		}
	}
	failed := map[string]error{}
	var missing []string
	for _, name := range names {
		switch {
		case !rights.Topic(q.h.Authorizer, q.r, auth.Describe, name):
			failed[name] = kerr.TopicAuthorizationFailed // whether it exists or not
		case q.img.Topic(name) != nil:
		case controller.CheckTopicName(name) != nil:
			failed[name] = kerr.InvalidTopicException
		default:
			failed[name] = kerr.UnknownTopicOrPartition
			missing = append(missing, name)
		}
	}
	if q.h.Create != nil && q.body.AllowAutoTopicCreation {
		q.create(missing, failed)
	}
	all := []wire.MetadataResponseTopic{}
	for _, name := range names {
		if err := failed[name]; err != nil {
			all = append(all, q.topicError(&name, model.UUID{}, err))
		} else {
			all = append(all, q.topic(q.img.Topic(name)))
		}
	}
	return all
}

// create has the missing topics created that the caller may create; the others
// are in failed.
func (q *metadataQuery) create(missing []string, failed map[string]error) {
	cluster := rights.Cluster(q.h.Authorizer, q.r, auth.Create)
	var allowed []string
	for _, name := range missing {
		if cluster || rights.Topic(q.h.Authorizer, q.r, auth.Create, name) {
			allowed = append(allowed, name)
		} else {
			failed[name] = kerr.TopicAuthorizationFailed
		}
	}
	q.h.Create.Create(q.r, allowed)
}

// haveLeaders reports whether all partitions of the topics are led.
func haveLeaders(img *metadata.Image, names []string) bool {
	for _, name := range names {
		t := img.Topic(name)
		if t == nil || slices.ContainsFunc(t.Partitions, func(p metadata.Partition) bool { return !p.HasLeader() }) {
			return false
		}
	}
	return true
}

func (q *metadataQuery) topicError(name *string, id model.UUID, err error) wire.MetadataResponseTopic {
	t := wire.MetadataResponseTopic{}
	t.Reset()
	t.ErrorCode, t.Name, t.TopicID = kerr.Code(err), name, id
	if name == nil && q.version < 12 {
		empty := ""
		t.Name = &empty // null came with version 12
	}
	t.IsInternal = name != nil && model.IsInternalTopic(*name)
	return t
}

func (q *metadataQuery) topic(t *metadata.Topic) wire.MetadataResponseTopic {
	answer := wire.MetadataResponseTopic{}
	answer.Reset()
	name := t.Name
	answer.Name, answer.TopicID, answer.IsInternal = &name, model.UUID(t.ID), model.IsInternalTopic(t.Name)
	answer.Partitions = make([]wire.MetadataResponsePartition, 0, len(t.Partitions))
	for i := range t.Partitions {
		answer.Partitions = append(answer.Partitions, q.partition(int32(i), &t.Partitions[i]))
	}
	if q.version >= 8 && q.body.IncludeTopicAuthorizedOperations {
		answer.TopicAuthorizedOperations = rights.Operations(q.h.Authorizer, q.r, auth.Topic, t.Name)
	}
	return answer
}

func (q *metadataQuery) partition(index int32, p *metadata.Partition) wire.MetadataResponsePartition {
	answer := wire.MetadataResponsePartition{
		PartitionIndex: index, LeaderID: -1, LeaderEpoch: int32(p.LeaderEpoch),
		ReplicaNodes: q.reachable(p.Replicas), ISRNodes: q.reachable(p.ISR), OfflineReplicas: offline(q.img, p, q.r.Listener),
	}
	leader := q.img.Broker(p.Leader)
	switch {
	case leader == nil:
		answer.ErrorCode = kerr.LeaderNotAvailable.Code
	case !hasListener(leader, q.r.Listener) && q.version >= 6:
		answer.ErrorCode = kerr.ListenerNotFound.Code
	case !hasListener(leader, q.r.Listener):
		answer.ErrorCode = kerr.LeaderNotAvailable.Code
	default:
		answer.LeaderID = int32(p.Leader)
		if len(answer.ReplicaNodes) < len(p.Replicas) || len(answer.ISRNodes) < len(p.ISR) {
			answer.ErrorCode = kerr.ReplicaNotAvailable.Code
		}
	}
	return answer
}

// reachable are all the nodes; in version 0, which could tell of one that is away
// only by an error, those that are live.
func (q *metadataQuery) reachable(ids []model.NodeID) []int32 {
	if q.version > 0 {
		return metadata.NodeInts(ids)
	}
	live := []int32{}
	for _, id := range ids {
		if b := q.img.Broker(id); b != nil && !b.Fenced && hasListener(b, q.r.Listener) {
			live = append(live, int32(id))
		}
	}
	return live
}
