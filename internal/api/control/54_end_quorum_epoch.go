package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// EndQuorumEpoch serves versions 0-1 (KIP-595, 853): that a leader resigns, told to the voters. Needs CLUSTER_ACTION.
type EndQuorumEpoch struct {
	Quorum     Voter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *EndQuorumEpoch) Handle(ctx context.Context, r *server.Request) wire.Response {
	refuse := func(err error) wire.Response {
		response := &wire.EndQuorumEpochResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	}
	if !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := h.Quorum.EndQuorumEpoch(ctx, r.Header.APIVersion, r.Listener, r.Body.(*wire.EndQuorumEpochRequest))
	if err != nil {
		return refuse(err)
	}
	return response
}
