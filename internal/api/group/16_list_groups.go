package group

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ListGroups is API key 16, versions 0-5: the groups that this broker
// coordinates, by state (KIP-518) and type (KIP-848).
//
// Needs DESCRIBE on the cluster, or lists the groups with DESCRIBE.
type ListGroups struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
}

// Handle implements server.Handler. While a coordinator reads its log the list
// would lack its groups, so that there is none.
func (h *ListGroups) Handle(ctx context.Context, r *server.Request) wire.Response {
	out := &wire.ListGroupsResponse{Groups: []wire.ListGroupsResponseGroup{}}
	answers, loading := h.Groups.Each(ctx, requestOf(r, r.Body))
	if loading {
		out.ErrorCode = kerr.CoordinatorLoadInProgress.Code
		return out
	}
	all := h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Describe, auth.Cluster, auth.ClusterName)
	for _, answer := range answers {
		for _, g := range answer.(*wire.ListGroupsResponse).Groups {
			if all || rights.Group(h.Authorizer, r, auth.Describe, g.GroupID) {
				out.Groups = append(out.Groups, g)
			}
		}
	}
	return out
}
