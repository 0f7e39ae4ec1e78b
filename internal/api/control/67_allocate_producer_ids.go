package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// AllocateProducerIds serves version 0 (KIP-730): a broker gets a block of 1000
// producer ids. Needs CLUSTER_ACTION.
type AllocateProducerIds struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *AllocateProducerIds) Handle(ctx context.Context, r *server.Request) wire.Response {
	return decide(ctx, h.Controller, h.Authorizer, auth.ClusterAction, r, func(err error) wire.Response {
		response := &wire.AllocateProducerIdsResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	})
}
