package txn

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// AddOffsetsToTxn serves versions 0-4 (KIP-98): the partition of __consumer_offsets
// that a group's offsets are in becomes part of a transaction. Needs WRITE on the
// transactional id and READ on the group.
//
// A topic that does not exist yet is created meanwhile and the client asks again;
// Kafka adds a partition that may not be there when the transaction ends.
type AddOffsetsToTxn struct {
	Image        func() *metadata.Image
	Transactions Coordinator
	Authorizer   auth.Authorizer
	Internal     TopicCreator
}

// TopicCreator has topics created and does not wait for that.
type TopicCreator interface {
	Create(r *server.Request, names []string)
}

// Handle implements server.Handler.
func (h *AddOffsetsToTxn) Handle(ctx context.Context, r *server.Request) wire.Response {
	err := h.add(ctx, r, r.Body.(*wire.AddOffsetsToTxnRequest))
	return &wire.AddOffsetsToTxnResponse{ErrorCode: fencedBefore(2, r, err)}
}

func (h *AddOffsetsToTxn) add(ctx context.Context, r *server.Request, q *wire.AddOffsetsToTxnRequest) error {
	switch {
	case !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Write, auth.TransactionalID, q.TransactionalID):
		return kerr.TransactionalIDAuthorizationFailed
	case !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Read, auth.Group, q.GroupID):
		return kerr.GroupAuthorizationFailed
	case !usable(q.TransactionalID):
		return kerr.InvalidRequest
	}
	offsets := h.Image().Topic(model.OffsetsTopic)
	if offsets == nil {
		h.Internal.Create(r, []string{model.OffsetsTopic})
		return kerr.CoordinatorNotAvailable.With("topic %s is being created", model.OffsetsTopic)
	}
	at := model.Partition{Topic: model.OffsetsTopic, Index: coordinator.PartitionFor(q.GroupID, len(offsets.Partitions))}
	reply, err := call[txn.AddPartitionsReply](ctx, h.Transactions, q.TransactionalID, txn.AddPartitions{
		TransactionalID: q.TransactionalID, Producer: producer(q.ProducerID, q.ProducerEpoch), Partitions: []model.Partition{at},
	})
	if err == nil {
		err = reply.Err
	}
	return err
}
