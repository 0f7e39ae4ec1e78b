package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ControllerRegistration serves version 0 (KIP-919): a controller tells its
// endpoints and the features it understands. Needs CLUSTER_ACTION.
type ControllerRegistration struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *ControllerRegistration) Handle(ctx context.Context, r *server.Request) wire.Response {
	return decide(ctx, h.Controller, h.Authorizer, auth.ClusterAction, r, func(err error) wire.Response {
		response := &wire.ControllerRegistrationResponse{}
		response.Reset()
		response.ErrorCode, response.ErrorMessage = kerr.Code(err), kerr.Message(err)
		return response
	})
}
