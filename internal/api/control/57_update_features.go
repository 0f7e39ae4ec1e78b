package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// UpdateFeatures serves versions 0-2 (KIP-584, 778, 1022) on controller
// listeners. Needs ALTER on the cluster.
type UpdateFeatures struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *UpdateFeatures) Handle(ctx context.Context, r *server.Request) wire.Response {
	ctx, cancel := withTimeout(ctx, r.Body.(*wire.UpdateFeaturesRequest).TimeoutMS)
	defer cancel()
	return decide(ctx, h.Controller, h.Authorizer, auth.Alter, r, func(err error) wire.Response {
		err = cause(ctx, err)
		return &wire.UpdateFeaturesResponse{ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
	})
}
