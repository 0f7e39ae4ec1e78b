package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ElectLeaders serves versions 0-2 (KIP-183, 460) on controller listeners: the
// preferred leaders, or any for partitions without. Needs ALTER on the cluster.
type ElectLeaders struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *ElectLeaders) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.ElectLeadersRequest)
	ctx, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	return decide(ctx, h.Controller, h.Authorizer, auth.Alter, r, func(err error) wire.Response {
		return controller.RefuseElections(body, cause(ctx, err))
	})
}
