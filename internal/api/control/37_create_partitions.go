package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// CreatePartitions serves versions 0-3 (KIP-195) on controller listeners. The
// controller itself asks whether the principal may ALTER each topic. Left out:
// the controller mutation quota (KIP-599).
type CreatePartitions struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *CreatePartitions) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.CreatePartitionsRequest)
	ctx, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := submit(ctx, h.Controller, h.Authorizer, r, body, r.Header.APIVersion)
	if err != nil {
		return &wire.CreatePartitionsResponse{Results: controller.RefusePartitions(body, cause(ctx, err))}
	}
	return response
}
