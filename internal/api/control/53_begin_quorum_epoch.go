package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// BeginQuorumEpoch serves versions 0-1 (KIP-595, 853): who leads, told by the leader to voters that do not fetch. Needs CLUSTER_ACTION.
type BeginQuorumEpoch struct {
	Quorum     Voter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *BeginQuorumEpoch) Handle(ctx context.Context, r *server.Request) wire.Response {
	refuse := func(err error) wire.Response {
		response := &wire.BeginQuorumEpochResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	}
	if !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := h.Quorum.BeginQuorumEpoch(ctx, r.Header.APIVersion, r.Listener, r.Body.(*wire.BeginQuorumEpochRequest))
	if err != nil {
		return refuse(err)
	}
	return response
}
