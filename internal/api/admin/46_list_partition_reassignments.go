package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ListPartitionReassignments serves version 0 (KIP-455) on broker listeners: the
// active controller authorises and knows.
type ListPartitionReassignments struct{ Forwarder Forwarder }

// Handle implements server.Handler.
func (h *ListPartitionReassignments) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.ListPartitionReassignmentsRequest)
	ctx, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := h.Forwarder.Forward(ctx, r, body, r.Header.APIVersion)
	if err != nil {
		err = cause(ctx, err)
		return &wire.ListPartitionReassignmentsResponse{ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
	}
	return response
}
