package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// IncrementalAlterConfigs serves versions 0-1 (KIP-339) on controller listeners:
// it sets, deletes, and adds to or takes from lists. Rights and what is left out
// are AlterConfigs'; the loggers of a node are refused.
type IncrementalAlterConfigs struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *IncrementalAlterConfigs) Handle(ctx context.Context, r *server.Request) wire.Response {
	response, err := submit(ctx, h.Controller, h.Authorizer, r, r.Body, r.Header.APIVersion)
	if err != nil {
		return controller.RefuseIncremental(r.Body.(*wire.IncrementalAlterConfigsRequest), err)
	}
	return response
}
