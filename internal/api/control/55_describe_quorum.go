package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Quorum tells of the metadata quorum. Only its leader can.
type Quorum interface {
	DescribeQuorum(ctx context.Context, version int16, q *wire.DescribeQuorumRequest) (*wire.DescribeQuorumResponse, error)
}

// DescribeQuorum serves versions 0-2 (KIP-595, 836, 853) on both kinds of
// listener; a broker forwards it to the quorum's leader. Needs DESCRIBE on the
// cluster.
type DescribeQuorum struct {
	Quorum     Quorum
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DescribeQuorum) Handle(ctx context.Context, r *server.Request) wire.Response {
	refuse := func(err error) wire.Response {
		return &wire.DescribeQuorumResponse{ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
	}
	if !rights.Cluster(h.Authorizer, r, auth.Describe) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := h.Quorum.DescribeQuorum(ctx, r.Header.APIVersion, r.Body.(*wire.DescribeQuorumRequest))
	if err != nil {
		return refuse(err)
	}
	return response
}
