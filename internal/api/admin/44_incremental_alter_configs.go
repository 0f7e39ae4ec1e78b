package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// IncrementalAlterConfigs serves versions 0-1 (KIP-339) on broker listeners, as
// AlterConfigs does. This node's loggers are altered here (KIP-412).
type IncrementalAlterConfigs struct {
	Forwarder  Forwarder
	View       *View
	Static     *config.Values // of this node's files and flags
	NodeID     model.NodeID
	Loggers    *loggers.Set
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *IncrementalAlterConfigs) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.IncrementalAlterConfigsRequest)
	changes := make([]change, len(body.Resources))
	for i, resource := range body.Resources {
		changes[i] = change{resource: metadata.ConfigResource{Type: resource.ResourceType, Name: resource.ResourceName}}
		for _, c := range resource.Configs {
			changes[i].ops = append(changes[i].ops, changeOp{c.Name, c.ConfigOperation, c.Value})
		}
	}
	a := alteration{precheck: precheck{View: h.View, Static: h.Static, NodeID: h.NodeID, Loggers: h.Loggers,
		MayLoggers: rights.Cluster(h.Authorizer, r, auth.AlterConfigs)}, validateOnly: body.ValidateOnly}
	answers := a.carryOut(ctx, changes, func(kept []int) (all []configAnswer) {
		rest := &wire.IncrementalAlterConfigsRequest{ValidateOnly: body.ValidateOnly}
		for _, i := range kept {
			rest.Resources = append(rest.Resources, body.Resources[i])
		}
		response, err := h.Forwarder.Forward(ctx, r, rest, r.Header.APIVersion)
		if err != nil {
			response = controller.RefuseIncremental(rest, err)
		}
		for _, one := range response.(*wire.IncrementalAlterConfigsResponse).Responses {
			all = append(all, configAnswer(one))
		}
		return all
	})
	response := &wire.IncrementalAlterConfigsResponse{}
	for _, one := range answers {
		response.Responses = append(response.Responses, wire.IncrementalAlterConfigsResponseResponse(one))
	}
	return response
}
