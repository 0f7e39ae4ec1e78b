package group

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// FindCoordinator is API key 10, versions 0-6: which broker coordinates a group
// or a transactional id, several at once from version 4 on (KIP-699). It is the
// leader of the partition of the internal topic that the key falls into. An
// internal topic that does not exist is created meanwhile, with the settings that
// Kafka gives it; the client hears COORDINATOR_NOT_AVAILABLE and asks again.
//
// Needs DESCRIBE on the group or the transactional id. Left out: coordinators of
// share groups (KIP-932), which are INVALID_REQUEST.
type FindCoordinator struct {
	Image      func() *metadata.Image
	Authorizer auth.Authorizer
	// Internal creates topics in the broker's own name.
	Internal TopicCreator
}

// TopicCreator has topics created and does not wait for that.
type TopicCreator interface {
	Create(r *server.Request, names []string)
}

// Handle implements server.Handler.
func (h *FindCoordinator) Handle(_ context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.FindCoordinatorRequest)
	response := &wire.FindCoordinatorResponse{}
	response.Reset()
	if r.Header.APIVersion < 4 {
		found := h.find(r, q.KeyType, q.CoordinatorKey)
		response.ErrorCode, response.ErrorMessage = found.ErrorCode, found.ErrorMessage
		response.NodeID, response.Host, response.Port = found.NodeID, found.Host, found.Port
		if found.ErrorCode == 0 {
			none := "NONE" // what Kafka says
			response.ErrorMessage = &none
		}
		return response
	}
	response.Coordinators = make([]wire.FindCoordinatorResponseCoordinator, len(q.CoordinatorKeys))
	for i, key := range q.CoordinatorKeys {
		response.Coordinators[i] = h.find(r, q.KeyType, key)
	}
	return response
}

// find is the answer for one key.
func (h *FindCoordinator) find(r *server.Request, kind int8, key string) wire.FindCoordinatorResponseCoordinator {
	b, at, err := h.locate(r, kind, key)
	if err != nil {
		return wire.FindCoordinatorResponseCoordinator{Key: key, NodeID: -1, Port: -1, ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
	}
	message := ""
	return wire.FindCoordinatorResponseCoordinator{Key: key, NodeID: int32(b.ID), Host: at.Host, Port: int32(at.Port), ErrorMessage: &message}
}

func (h *FindCoordinator) locate(r *server.Request, kind int8, key string) (*metadata.Broker, metadata.Endpoint, error) {
	topic, err := h.topic(r, kind, key)
	if err != nil {
		return nil, metadata.Endpoint{}, err
	}
	img := h.Image()
	t := img.Topic(topic)
	if t == nil {
		h.Internal.Create(r, []string{topic})
		return nil, metadata.Endpoint{}, kerr.CoordinatorNotAvailable.With("topic %s is being created", topic)
	}
	p := &t.Partitions[coordinator.PartitionFor(key, len(t.Partitions))]
	if b := img.Broker(p.Leader); p.HasLeader() && b != nil && !b.Fenced {
		if at, ok := b.Endpoint(r.Listener); ok {
			return b, at, nil
		}
	}
	return nil, metadata.Endpoint{}, kerr.CoordinatorNotAvailable.With("the partition of %s that coordinates it has no leader", topic)
}

// topic is the internal topic for a kind of key.
func (h *FindCoordinator) topic(r *server.Request, kind int8, key string) (string, error) {
	may := func(resource auth.ResourceType) bool {
		return h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Describe, resource, key)
	}
	switch kind {
	case wire.CoordinatorOfGroup:
		if !may(auth.Group) {
			return "", kerr.GroupAuthorizationFailed
		}
		return model.OffsetsTopic, nil
	case wire.CoordinatorOfTransaction:
		if !may(auth.TransactionalID) {
			return "", kerr.TransactionalIDAuthorizationFailed
		}
		return model.TransactionsTopic, nil
	case wire.CoordinatorOfShare:
		return "", kerr.InvalidRequest.With("share groups are not supported")
	}
	return "", kerr.InvalidRequest.With("unknown coordinator type %d", kind)
}
