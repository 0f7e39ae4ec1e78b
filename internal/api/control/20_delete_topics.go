package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DeleteTopics serves versions 1-6 (KIP-4, 516) on controller listeners, by name
// and by id. The controller itself asks whether the principal may DELETE and
// DESCRIBE. Left out: the controller mutation quota (KIP-599).
type DeleteTopics struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DeleteTopics) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.DeleteTopicsRequest)
	ctx, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := submit(ctx, h.Controller, h.Authorizer, r, body, r.Header.APIVersion)
	if err != nil {
		return &wire.DeleteTopicsResponse{Responses: controller.RefuseDeletions(body, cause(ctx, err))}
	}
	return response
}
