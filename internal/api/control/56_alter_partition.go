package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// AlterPartition serves versions 2-3 (KIP-497, 704, 841, 903): a leader proposes
// in-sync sets. Needs CLUSTER_ACTION.
type AlterPartition struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *AlterPartition) Handle(ctx context.Context, r *server.Request) wire.Response {
	return decide(ctx, h.Controller, h.Authorizer, auth.ClusterAction, r, func(err error) wire.Response {
		response := &wire.AlterPartitionResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	})
}
