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

// IncrementalAlterConfigs serves versions 0-1 (KIP-339) on broker listeners, as
// AlterConfigs does.
type IncrementalAlterConfigs struct {
	Forwarder Forwarder
	View      *View
	NodeID    model.NodeID
}

// Handle implements server.Handler.
func (h *IncrementalAlterConfigs) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.IncrementalAlterConfigsRequest)
	check := precheck{View: h.View, NodeID: h.NodeID}
	changes := make([]change, len(body.Resources))
	for i, resource := range body.Resources {
		changes[i] = change{resource: metadata.ConfigResource{Type: resource.ResourceType, Name: resource.ResourceName}}
		for _, c := range resource.Configs {
			changes[i].ops = append(changes[i].ops, changeOp{c.Name, c.ConfigOperation, c.Value})
		}
	}
	check.all(changes)
	rest := &wire.IncrementalAlterConfigsRequest{ValidateOnly: body.ValidateOnly}
	for i, c := range changes {
		if c.err == nil {
			rest.Resources = append(rest.Resources, body.Resources[i])
		}
	}
	answers := map[metadata.ConfigResource]wire.IncrementalAlterConfigsResponseResponse{}
	if len(rest.Resources) > 0 {
		response, err := h.Forwarder.Forward(ctx, r, rest, r.Header.APIVersion)
		if err != nil {
			response = controller.RefuseIncremental(rest, err)
		}
		for _, a := range response.(*wire.IncrementalAlterConfigsResponse).Responses {
			answers[metadata.ConfigResource{Type: a.ResourceType, Name: a.ResourceName}] = a
		}
	}
	all := &wire.IncrementalAlterConfigsResponse{}
	for i := range changes {
		c := &changes[i]
		a, answered := answers[c.resource]
		if c.err != nil || !answered {
			a = wire.IncrementalAlterConfigsResponseResponse{ErrorCode: code(c.err), ErrorMessage: kerr.Message(c.err), ResourceType: c.resource.Type, ResourceName: c.resource.Name}
		}
		c.done = a.ErrorCode == 0 && !body.ValidateOnly
		all.Responses = append(all.Responses, a)
	}
	awaitChanges(ctx, h.View, changes)
	return all
}
