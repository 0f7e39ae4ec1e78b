package control

import (
	"context"
	"slices"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// IncrementalAlterConfigs serves versions 0-1 (KIP-339) on controller listeners:
// it sets, deletes, and adds to or takes from lists. Rights and what is left out
// are AlterConfigs'; this node's loggers need CLUSTER_ACTION and are altered here,
// whether it is the active controller or not.
type IncrementalAlterConfigs struct {
	Controller Submitter
	Loggers    *loggers.Set
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *IncrementalAlterConfigs) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.IncrementalAlterConfigsRequest)
	isLogger := func(resource wire.IncrementalAlterConfigsRequestResource) bool {
		return resource.ResourceType == metadata.ConfigBrokerLogger
	}
	if !slices.ContainsFunc(body.Resources, isLogger) {
		return h.submit(ctx, r, body)
	}
	rest := &wire.IncrementalAlterConfigsRequest{ValidateOnly: body.ValidateOnly}
	response := &wire.IncrementalAlterConfigsResponse{}
	for _, resource := range body.Resources {
		if !isLogger(resource) {
			rest.Resources = append(rest.Resources, resource)
			continue
		}
		err := h.alterLoggers(r, resource, body.ValidateOnly)
		response.Responses = append(response.Responses, wire.IncrementalAlterConfigsResponseResponse{
			ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err), ResourceType: resource.ResourceType, ResourceName: resource.ResourceName})
	}
	if len(rest.Resources) > 0 {
		response.Responses = append(response.Responses, h.submit(ctx, r, rest).Responses...)
	}
	return response
}

func (h *IncrementalAlterConfigs) submit(ctx context.Context, r *server.Request, body *wire.IncrementalAlterConfigsRequest) *wire.IncrementalAlterConfigsResponse {
	response, err := submit(ctx, h.Controller, h.Authorizer, r, body, r.Header.APIVersion)
	if err != nil {
		return controller.RefuseIncremental(body, err)
	}
	return response.(*wire.IncrementalAlterConfigsResponse)
}

func (h *IncrementalAlterConfigs) alterLoggers(r *server.Request, resource wire.IncrementalAlterConfigsRequestResource, validateOnly bool) error {
	if !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		return kerr.ClusterAuthorizationFailed
	}
	var changes []loggers.Change
	for _, c := range resource.Configs {
		l := loggers.Change{Logger: c.Name, Op: c.ConfigOperation}
		if c.Value != nil {
			l.Level = *c.Value
		}
		changes = append(changes, l)
	}
	return h.Loggers.Alter(resource.ResourceName, changes, validateOnly)
}
