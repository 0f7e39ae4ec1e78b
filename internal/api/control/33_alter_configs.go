package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// AlterConfigs serves versions 0-2 (KIP-133) on controller listeners: it replaces
// all that is set on a topic, a node, all brokers, a group or a client metrics
// subscription. The controller itself asks whether the principal may
// ALTER_CONFIGS each of them. Left out: alter.config.policy.class.name.
type AlterConfigs struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *AlterConfigs) Handle(ctx context.Context, r *server.Request) wire.Response {
	response, err := submit(ctx, h.Controller, h.Authorizer, r, r.Body, r.Header.APIVersion)
	if err != nil {
		return controller.RefuseConfigs(r.Body.(*wire.AlterConfigsRequest), err)
	}
	return response
}
