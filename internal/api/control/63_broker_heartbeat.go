package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// BrokerHeartbeat serves versions 0-2 (KIP-631, 858, 1066): a broker lives, asks
// to be unfenced, or to stop. Needs CLUSTER_ACTION.
type BrokerHeartbeat struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *BrokerHeartbeat) Handle(ctx context.Context, r *server.Request) wire.Response {
	return decide(ctx, h.Controller, h.Authorizer, auth.ClusterAction, r, func(err error) wire.Response {
		response := &wire.BrokerHeartbeatResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	})
}
