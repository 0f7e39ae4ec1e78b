package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// UnregisterBroker serves version 0 (KIP-631): a broker is forgotten, alive or
// not. Needs ALTER on the cluster.
type UnregisterBroker struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *UnregisterBroker) Handle(ctx context.Context, r *server.Request) wire.Response {
	return decide(ctx, h.Controller, h.Authorizer, auth.Alter, r, func(err error) wire.Response {
		response := &wire.UnregisterBrokerResponse{}
		response.Reset()
		response.ErrorCode, response.ErrorMessage = kerr.Code(err), kerr.Message(err)
		return response
	})
}
