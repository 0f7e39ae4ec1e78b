package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Voter is this node as a voter of the metadata quorum.
type Voter interface {
	Vote(ctx context.Context, version int16, listener string, q *wire.VoteRequest) (*wire.VoteResponse, error)
	BeginQuorumEpoch(ctx context.Context, version int16, listener string, q *wire.BeginQuorumEpochRequest) (*wire.BeginQuorumEpochResponse, error)
	EndQuorumEpoch(ctx context.Context, version int16, listener string, q *wire.EndQuorumEpochRequest) (*wire.EndQuorumEpochResponse, error)
	UpdateRaftVoter(ctx context.Context, version int16, listener string, q *wire.UpdateRaftVoterRequest) (*wire.UpdateRaftVoterResponse, error)
}

// Vote serves versions 0-2 (KIP-595, 853, 996): votes of a voter for a candidate. Needs CLUSTER_ACTION.
type Vote struct {
	Quorum     Voter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *Vote) Handle(ctx context.Context, r *server.Request) wire.Response {
	refuse := func(err error) wire.Response {
		response := &wire.VoteResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	}
	if !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := h.Quorum.Vote(ctx, r.Header.APIVersion, r.Listener, r.Body.(*wire.VoteRequest))
	if err != nil {
		return refuse(err)
	}
	return response
}
