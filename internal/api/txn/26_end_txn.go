package txn

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// EndTxn serves versions 0-5 (KIP-98, 890): a transaction is committed or aborted.
// Clients of transaction version 2 send version 5, which raises the producer's
// epoch and answers with the producer of the next transaction. Needs WRITE on the
// transactional id.
type EndTxn struct {
	Transactions Coordinator
	Authorizer   auth.Authorizer
}

// Handle implements server.Handler.
func (h *EndTxn) Handle(ctx context.Context, r *server.Request) wire.Response {
	response := &wire.EndTxnResponse{}
	response.Reset()
	reply, err := h.end(ctx, r, r.Body.(*wire.EndTxnRequest))
	if err == nil {
		err = reply.Err
	}
	if err != nil {
		response.ErrorCode = fencedBefore(2, r, err)
		return response
	}
	response.ProducerID, response.ProducerEpoch = int64(reply.Producer.ID), reply.Producer.Epoch
	return response
}

func (h *EndTxn) end(ctx context.Context, r *server.Request, q *wire.EndTxnRequest) (txn.EndTxnReply, error) {
	switch {
	case !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Write, auth.TransactionalID, q.TransactionalID):
		return txn.EndTxnReply{}, kerr.TransactionalIDAuthorizationFailed
	case !usable(q.TransactionalID):
		return txn.EndTxnReply{}, kerr.InvalidRequest
	}
	request := txn.EndTxn{TransactionalID: q.TransactionalID, Producer: producer(q.ProducerID, q.ProducerEpoch), Commit: q.Committed}
	if r.Header.APIVersion >= 5 {
		request.Client = 2
	}
	return call[txn.EndTxnReply](ctx, h.Transactions, q.TransactionalID, request)
}
