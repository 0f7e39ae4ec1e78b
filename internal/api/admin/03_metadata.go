package admin

import (
	"context"
	"slices"
	"time"

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
// A topic that does not exist is created if client and AutoCreate allow it.
// Apache Kafka answers UNKNOWN_TOPIC_OR_PARTITION meanwhile; here the answer
// waits, for a while, until the topic has leaders that serve.
type Metadata struct {
	View       *View
	ClusterID  string
	NodeID     model.NodeID
	Authorizer auth.Authorizer
	Create     AutoCreate
}

// AutoCreate is how topics are created that a client only asks about.
type AutoCreate struct {
	Enabled   bool // auto.create.topics.enable
	Forwarder Forwarder
	// Topic fills what num.partitions, default.replication.factor and, for
	// internal topics, their own settings say. Nil leaves all to the controller.
	Topic func(t *wire.CreateTopicsRequestTopic)
}

// autoCreateWait bounds how long an answer waits for topics being created.
const autoCreateWait = 5 * time.Second

// Handle implements server.Handler.
func (h *Metadata) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := metadataQuery{h: h, r: r, body: r.Body.(*wire.MetadataRequest), version: r.Header.APIVersion}
	if err := q.check(); err != nil {
		return q.refuse(err)
	}
	q.img = h.View.Image()
	return q.answer(ctx)
}

// metadataQuery is one request on its way.
type metadataQuery struct {
	h       *Metadata
	r       *server.Request
	body    *wire.MetadataRequest
	version int16
	img     *metadata.Image
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

func (q *metadataQuery) answer(ctx context.Context) wire.Response {
	var topics []wire.MetadataResponseTopic
	switch {
	case q.all():
		topics = q.everyTopic()
	case slices.ContainsFunc(q.body.Topics, func(t wire.MetadataRequestTopic) bool { return !t.TopicID.IsZero() }):
		topics = q.byID()
	default:
		topics = q.byName(ctx)
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

// brokers are the live ones on the request's listener, and the one to send
// requests for the controller to: any of them, as all forward.
func (q *metadataQuery) brokers() (all []wire.MetadataResponseBroker, controller int32) {
	all, controller = []wire.MetadataResponseBroker{}, -1
	for b := range q.img.Brokers() {
		if b.Fenced {
			continue
		}
		if controller == -1 || b.ID == q.h.NodeID {
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
		if mayTopic(q.h.Authorizer, q.r, auth.Describe, t.Name) {
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
		case !mayTopic(q.h.Authorizer, q.r, auth.Describe, t.Name):
			all = append(all, q.topicError(nil, asked.TopicID, kerr.TopicAuthorizationFailed)) // ids are no secret
		default:
			all = append(all, q.topic(t))
		}
	}
	return all
}

func (q *metadataQuery) byName(ctx context.Context) []wire.MetadataResponseTopic {
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
		case !mayTopic(q.h.Authorizer, q.r, auth.Describe, name):
			failed[name] = kerr.TopicAuthorizationFailed // whether it exists or not
		case q.img.Topic(name) != nil:
		case controller.CheckTopicName(name) != nil:
			failed[name] = kerr.InvalidTopicException
		default:
			failed[name] = kerr.UnknownTopicOrPartition
			missing = append(missing, name)
		}
	}
	if q.h.Create.Enabled && q.body.AllowAutoTopicCreation && len(missing) > 0 {
		q.create(ctx, missing, failed)
	}
	all := []wire.MetadataResponseTopic{}
	for _, name := range names {
		if err := failed[name]; err != nil {
			all = append(all, q.topicError(&name, model.UUID{}, err))
		} else if t := q.img.Topic(name); t != nil {
			all = append(all, q.topic(t))
		} else {
			all = append(all, q.topicError(&name, model.UUID{}, kerr.UnknownTopicOrPartition)) // deleted while we waited
		}
	}
	return all
}

// create creates the missing topics that the caller may create, and waits until
// they have leaders. What comes of it is in failed and in the query's image.
func (q *metadataQuery) create(ctx context.Context, missing []string, failed map[string]error) {
	ctx, cancel := context.WithTimeout(ctx, autoCreateWait)
	defer cancel()
	request := &wire.CreateTopicsRequest{TimeoutMS: int32(autoCreateWait / time.Millisecond)}
	cluster := mayCluster(q.h.Authorizer, q.r, auth.Create)
	for _, name := range missing {
		if !cluster && !mayTopic(q.h.Authorizer, q.r, auth.Create, name) {
			failed[name] = kerr.TopicAuthorizationFailed
			continue
		}
		t := wire.CreateTopicsRequestTopic{Name: name, NumPartitions: -1, ReplicationFactor: -1}
		if q.h.Create.Topic != nil {
			q.h.Create.Topic(&t)
		}
		request.Topics = append(request.Topics, t)
	}
	if len(request.Topics) == 0 {
		return
	}
	response, err := q.h.Create.Forwarder.Forward(ctx, q.r, request, 7)
	if err != nil {
		return // as yet unknown: the client asks again
	}
	var created []string
	for _, t := range response.(*wire.CreateTopicsResponse).Topics {
		switch t.ErrorCode {
		case 0, kerr.TopicAlreadyExists.Code:
			created = append(created, t.Name)
		case kerr.InvalidTopicException.Code:
			failed[t.Name] = kerr.InvalidTopicException
		}
	}
	img, ok := q.h.View.Wait(ctx, func(img *metadata.Image) bool { return haveLeaders(img, created) })
	if !ok {
		return
	}
	q.img = img
	for _, name := range created {
		delete(failed, name)
	}
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
	t.IsInternal = name != nil && isInternal(*name)
	return t
}

func (q *metadataQuery) topic(t *metadata.Topic) wire.MetadataResponseTopic {
	answer := wire.MetadataResponseTopic{}
	answer.Reset()
	name := t.Name
	answer.Name, answer.TopicID, answer.IsInternal = &name, model.UUID(t.ID), isInternal(t.Name)
	answer.Partitions = make([]wire.MetadataResponsePartition, 0, len(t.Partitions))
	for i := range t.Partitions {
		answer.Partitions = append(answer.Partitions, q.partition(int32(i), &t.Partitions[i]))
	}
	if q.version >= 8 && q.body.IncludeTopicAuthorizedOperations {
		answer.TopicAuthorizedOperations = authorizedOperations(q.h.Authorizer, q.r, auth.Topic, t.Name)
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
