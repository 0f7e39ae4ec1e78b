package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DescribeQuorum serves API key 55, versions 0-2, on broker listeners: only the
// active controller knows what the voters have, so it is asked.
type DescribeQuorum struct {
	Forwarder  Forwarder
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DescribeQuorum) Handle(ctx context.Context, r *server.Request) wire.Response {
	response, err := h.Forwarder.Forward(ctx, r, r.Body, r.Header.APIVersion)
	if err != nil {
		return &wire.DescribeQuorumResponse{ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
	}
	return response
}
