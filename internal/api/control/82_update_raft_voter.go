package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// UpdateRaftVoter serves versions 0 (KIP-853): what a voter says of its listeners and directory to the leader. Needs CLUSTER_ACTION.
type UpdateRaftVoter struct {
	Quorum     Voter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *UpdateRaftVoter) Handle(ctx context.Context, r *server.Request) wire.Response {
	refuse := func(err error) wire.Response {
		response := &wire.UpdateRaftVoterResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	}
	if !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := h.Quorum.UpdateRaftVoter(ctx, r.Header.APIVersion, r.Listener, r.Body.(*wire.UpdateRaftVoterRequest))
	if err != nil {
		return refuse(err)
	}
	return response
}
