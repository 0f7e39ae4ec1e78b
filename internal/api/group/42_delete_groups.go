package group

import (
	"context"
	"slices"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DeleteGroups is API key 42, versions 0-2: groups without members go, with their
// offsets (KIP-229).
//
// Needs DELETE on each group.
type DeleteGroups struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DeleteGroups) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.DeleteGroupsRequest)
	out := &wire.DeleteGroupsResponse{Results: []wire.DeleteGroupsResponseResult{}}
	var ids, denied []string
	for _, id := range q.GroupsNames {
		switch {
		case rights.Group(h.Authorizer, r, auth.Delete, id):
			ids = append(ids, id)
		case !slices.Contains(denied, id):
			denied = append(denied, id)
		}
	}
	for _, some := range byPartition(h.Groups, ids) {
		answer, err := call[*wire.DeleteGroupsResponse](ctx, h.Groups, some[0], r, &wire.DeleteGroupsRequest{GroupsNames: some})
		if err != nil {
			out.Results = append(out.Results, notDeleted(some, err)...)
			continue
		}
		out.Results = append(out.Results, answer.Results...)
	}
	out.Results = append(out.Results, notDeleted(denied, kerr.GroupAuthorizationFailed)...)
	return out
}

func notDeleted(ids []string, err error) []wire.DeleteGroupsResponseResult {
	out := make([]wire.DeleteGroupsResponseResult, len(ids))
	for i, id := range ids {
		out[i] = wire.DeleteGroupsResponseResult{GroupID: id, ErrorCode: kerr.Code(err)}
	}
	return out
}
