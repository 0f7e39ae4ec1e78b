package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// BrokerRegistration serves versions 0-4 (KIP-631, 858, 966): a broker begins a
// life, or amends it. Needs CLUSTER_ACTION.
type BrokerRegistration struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *BrokerRegistration) Handle(ctx context.Context, r *server.Request) wire.Response {
	return decide(ctx, h.Controller, h.Authorizer, auth.ClusterAction, r, func(err error) wire.Response {
		response := &wire.BrokerRegistrationResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	})
}
