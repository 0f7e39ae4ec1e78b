package txn

import (
	"context"
	"regexp"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// ListTransactions serves versions 0-2 (KIP-664, 994, 1152): the transactional ids
// that this broker coordinates and the caller may DESCRIBE.
//
// Patterns are regular expressions of RE2, which has most of what Java's have; the
// rest is INVALID_REGULAR_EXPRESSION.
type ListTransactions struct {
	Transactions Coordinator
	Authorizer   auth.Authorizer
}

// Handle implements server.Handler.
func (h *ListTransactions) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.ListTransactionsRequest)
	response := &wire.ListTransactionsResponse{}
	filter := txn.List{DurationMS: q.DurationFilter}
	if q.TransactionalIDPattern != nil && *q.TransactionalIDPattern != "" {
		pattern, err := wholePattern(*q.TransactionalIDPattern)
		if err != nil {
			response.ErrorCode = kerr.InvalidRegularExpression.Code
			return response
		}
		filter.Pattern = pattern
	}
	for _, id := range q.ProducerIDFilters {
		filter.ProducerIDs = append(filter.ProducerIDs, model.ProducerID(id))
	}
	var unknown []string
	if len(q.StateFilters) > 0 {
		filter.States = []txn.State{}
	}
	for _, name := range q.StateFilters {
		if state, ok := txn.ParseState(name); ok {
			filter.States = append(filter.States, state)
		} else {
			unknown = append(unknown, name)
		}
	}
	replies, loading := h.Transactions.Each(ctx, filter)
	if loading {
		response.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return response
	}
	response.UnknownStateFilters = unknown
	for _, reply := range replies {
		for _, t := range reply.(txn.ListReply).Transactions {
			if h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Describe, auth.TransactionalID, t.TransactionalID) {
				response.TransactionStates = append(response.TransactionStates, wire.ListTransactionsResponseState{
					TransactionalID: t.TransactionalID, ProducerID: int64(t.ProducerID), TransactionState: t.State.String(),
				})
			}
		}
	}
	return response
}

// wholePattern matches what a pattern matches from beginning to end.
func wholePattern(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}
