package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// UnregisterBroker serves version 0 (KIP-631) on broker listeners: the active
// controller authorises and decides.
type UnregisterBroker struct{ Forwarder Forwarder }

// Handle implements server.Handler.
func (h *UnregisterBroker) Handle(ctx context.Context, r *server.Request) wire.Response {
	response, err := h.Forwarder.Forward(ctx, r, r.Body, r.Header.APIVersion)
	if err != nil {
		return &wire.UnregisterBrokerResponse{ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
	}
	return response
}
