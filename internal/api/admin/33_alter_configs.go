package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
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
	NodeID    model.NodeID
}

// Handle implements server.Handler.
func (h *AlterConfigs) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.AlterConfigsRequest)
	check := precheck{View: h.View, NodeID: h.NodeID}
	changes := make([]change, len(body.Resources))
	for i, resource := range body.Resources {
		changes[i] = change{resource: metadata.ConfigResource{Type: resource.ResourceType, Name: resource.ResourceName}, replace: true}
		for _, c := range resource.Configs {
			changes[i].ops = append(changes[i].ops, changeOp{name: c.Name, value: c.Value})
		}
	}
	check.all(changes)
	rest := &wire.AlterConfigsRequest{ValidateOnly: body.ValidateOnly}
	for i, c := range changes {
		if c.err == nil {
			rest.Resources = append(rest.Resources, body.Resources[i])
		}
	}
	answers := map[metadata.ConfigResource]wire.AlterConfigsResponseResponse{}
	if len(rest.Resources) > 0 {
		response, err := h.Forwarder.Forward(ctx, r, rest, r.Header.APIVersion)
		if err != nil {
			response = controller.RefuseConfigs(rest, err)
		}
		for _, a := range response.(*wire.AlterConfigsResponse).Responses {
			answers[metadata.ConfigResource{Type: a.ResourceType, Name: a.ResourceName}] = a
		}
	}
	all := &wire.AlterConfigsResponse{}
	for i := range changes {
		c := &changes[i]
		a, answered := answers[c.resource]
		if c.err != nil || !answered {
			a = wire.AlterConfigsResponseResponse{ErrorCode: code(c.err), ErrorMessage: kerr.Message(c.err), ResourceType: c.resource.Type, ResourceName: c.resource.Name}
		}
		c.done = a.ErrorCode == 0 && !body.ValidateOnly
		all.Responses = append(all.Responses, a)
	}
	awaitChanges(ctx, h.View, changes)
	return all
}
