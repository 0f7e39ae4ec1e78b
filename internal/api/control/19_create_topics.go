package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// CreateTopics serves versions 2-7 (KIP-4, 195, 464, 525, 516) on controller
// listeners. The controller itself asks whether the principal may CREATE on the
// cluster or on each topic. Left out: create.topic.policy.class.name and the
// controller mutation quota (KIP-599).
type CreateTopics struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *CreateTopics) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.CreateTopicsRequest)
	ctx, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := submit(ctx, h.Controller, h.Authorizer, r, body, r.Header.APIVersion)
	if err != nil {
		return &wire.CreateTopicsResponse{Topics: controller.RefuseCreations(body, cause(ctx, err))}
	}
	return response
}
