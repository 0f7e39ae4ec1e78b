package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// AssignReplicasToDirs serves version 0 (KIP-858): a broker tells in which log
// directories its replicas are. Needs CLUSTER_ACTION.
type AssignReplicasToDirs struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *AssignReplicasToDirs) Handle(ctx context.Context, r *server.Request) wire.Response {
	return decide(ctx, h.Controller, h.Authorizer, auth.ClusterAction, r, func(err error) wire.Response {
		response := &wire.AssignReplicasToDirsResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	})
}
