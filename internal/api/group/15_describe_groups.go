package group

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DescribeGroups is API key 15, versions 0-6: the state and the members of
// classic groups. A group that is not there is a dead one, and from version 6 on
// an error (KIP-1043).
//
// Needs DESCRIBE on each group.
type DescribeGroups struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DescribeGroups) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.DescribeGroupsRequest)
	out := &wire.DescribeGroupsResponse{Groups: []wire.DescribeGroupsResponseGroup{}}
	var ids []string
	for _, id := range q.Groups {
		if rights.Group(h.Authorizer, r, auth.Describe, id) {
			ids = append(ids, id)
		} else {
			out.Groups = append(out.Groups, notDescribed(id, kerr.GroupAuthorizationFailed))
		}
	}
	for _, some := range byPartition(h.Groups, ids) {
		out.Groups = append(out.Groups, h.describe(ctx, r, some)...)
	}
	for i := range out.Groups {
		if g := &out.Groups[i]; q.IncludeAuthorizedOperations && g.ErrorCode == 0 {
			g.AuthorizedOperations = rights.Operations(h.Authorizer, r, auth.Group, g.GroupID)
		}
	}
	return out
}

// describe asks one coordinator.
func (h *DescribeGroups) describe(ctx context.Context, r *server.Request, ids []string) []wire.DescribeGroupsResponseGroup {
	answer, err := call[*wire.DescribeGroupsResponse](ctx, h.Groups, ids[0], r, &wire.DescribeGroupsRequest{Groups: ids})
	if err == nil {
		return answer.Groups
	}
	out := make([]wire.DescribeGroupsResponseGroup, len(ids))
	for i, id := range ids {
		out[i] = notDescribed(id, err)
	}
	return out
}

func notDescribed(id string, err error) wire.DescribeGroupsResponseGroup {
	var g wire.DescribeGroupsResponseGroup
	g.Reset()
	g.GroupID, g.ErrorCode = id, kerr.Code(err)
	return g
}
