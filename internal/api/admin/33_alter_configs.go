package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// AlterConfigs serves versions 0-2 (KIP-133) on broker listeners: it replaces all
// that is set on a resource. This broker checks what only it can (precheck); the
// active controller authorises and decides. The answer waits as CreateTopics'
// does.
type AlterConfigs struct {
	Forwarder Forwarder
	View      *View
	Static    *config.Values // of this node's files and flags
	NodeID    model.NodeID
}

// Handle implements server.Handler.
func (h *AlterConfigs) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.AlterConfigsRequest)
	changes := make([]change, len(body.Resources))
	for i, resource := range body.Resources {
		changes[i] = change{resource: metadata.ConfigResource{Type: resource.ResourceType, Name: resource.ResourceName}, replace: true}
		for _, c := range resource.Configs {
			changes[i].ops = append(changes[i].ops, changeOp{name: c.Name, value: c.Value})
		}
	}
	a := alteration{precheck: precheck{View: h.View, Static: h.Static, NodeID: h.NodeID}, validateOnly: body.ValidateOnly}
	return &wire.AlterConfigsResponse{Responses: a.carryOut(ctx, changes, func(kept []int) []configAnswer {
		rest := &wire.AlterConfigsRequest{ValidateOnly: body.ValidateOnly}
		for _, i := range kept {
			rest.Resources = append(rest.Resources, body.Resources[i])
		}
		response, err := h.Forwarder.Forward(ctx, r, rest, r.Header.APIVersion)
		if err != nil {
			response = controller.RefuseConfigs(rest, err)
		}
		return response.(*wire.AlterConfigsResponse).Responses
	})}
}
