package txn

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// DescribeTransactions serves version 0 (KIP-664). Needs DESCRIBE on each
// transactional id; topics that the caller may not describe are left out.
type DescribeTransactions struct {
	Transactions Coordinator
	Authorizer   auth.Authorizer
}

// Handle implements server.Handler.
func (h *DescribeTransactions) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.DescribeTransactionsRequest)
	response := &wire.DescribeTransactionsResponse{TransactionStates: make([]wire.DescribeTransactionsResponseState, len(q.TransactionalIDs))}
	for i, id := range q.TransactionalIDs {
		state, err := h.describe(ctx, r, id)
		state.TransactionalID, state.ErrorCode = id, kerr.Code(err)
		response.TransactionStates[i] = state
	}
	return response
}

func (h *DescribeTransactions) describe(ctx context.Context, r *server.Request, id string) (state wire.DescribeTransactionsResponseState, err error) {
	switch {
	case !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Describe, auth.TransactionalID, id):
		return state, kerr.TransactionalIDAuthorizationFailed
	case id == "":
		return state, kerr.InvalidRequest
	}
	reply, err := call[txn.DescribeReply](ctx, h.Transactions, id, txn.Describe{TransactionalID: id})
	if err == nil && !reply.Found {
		err = kerr.TransactionalIDNotFound
	}
	if err != nil {
		return state, err
	}
	state.TransactionState, state.TransactionTimeoutMS, state.TransactionStartTimeMS = reply.State.String(), reply.TimeoutMS, reply.StartedMS
	state.ProducerID, state.ProducerEpoch = int64(reply.Producer.ID), reply.Producer.Epoch
	for _, p := range reply.PartitionsLeft { // in order
		if n := len(state.Topics); n > 0 && state.Topics[n-1].Topic == p.Topic {
			state.Topics[n-1].Partitions = append(state.Topics[n-1].Partitions, p.Index)
		} else if h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Describe, auth.Topic, p.Topic) {
			state.Topics = append(state.Topics, wire.DescribeTransactionsResponseTopic{Topic: p.Topic, Partitions: []int32{p.Index}})
		}
	}
	return state, nil
}
