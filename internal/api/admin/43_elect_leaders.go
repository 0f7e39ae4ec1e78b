package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ElectLeaders serves versions 0-2 (KIP-183, 460) on broker listeners: the active
// controller authorises and decides.
type ElectLeaders struct{ Forwarder Forwarder }

// Handle implements server.Handler.
func (h *ElectLeaders) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.ElectLeadersRequest)
	ctx, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := h.Forwarder.Forward(ctx, r, body, r.Header.APIVersion)
	if err != nil {
		return controller.RefuseElections(body, cause(ctx, err))
	}
	return response
}
