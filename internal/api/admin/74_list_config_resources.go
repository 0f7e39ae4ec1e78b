package admin

import (
	"context"
	"slices"
	"strconv"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ListConfigResources serves versions 0-1 (KIP-714, 1142) on broker listeners:
// what DescribeConfigs can be asked about. Version 0 lists client metrics
// subscriptions alone. Needs DESCRIBE_CONFIGS on the cluster.
type ListConfigResources struct {
	View       *View
	Authorizer auth.Authorizer
}

// listable are the resource types in the order in which Kafka lists them.
var listable = []int8{metadata.ConfigGroup, metadata.ConfigClientMetrics, metadata.ConfigBrokerLogger, metadata.ConfigBroker, metadata.ConfigTopic}

// Handle implements server.Handler.
func (h *ListConfigResources) Handle(_ context.Context, r *server.Request) wire.Response {
	response := &wire.ListConfigResourcesResponse{ConfigResources: []wire.ListConfigResourcesResponseConfigResource{}}
	if !rights.Cluster(h.Authorizer, r, auth.DescribeConfigs) {
		response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return response
	}
	known := listable
	if r.Header.APIVersion == 0 {
		known = []int8{metadata.ConfigClientMetrics}
	}
	kinds := r.Body.(*wire.ListConfigResourcesRequest).ResourceTypes
	if len(kinds) == 0 {
		kinds = known
	}
	if slices.ContainsFunc(kinds, func(kind int8) bool { return !slices.Contains(known, kind) }) {
		response.ErrorCode = kerr.UnsupportedVersion.Code
		return response
	}
	for _, kind := range known {
		if !slices.Contains(kinds, kind) {
			continue
		}
		for _, name := range resources(h.View.Image(), kind, r.Listener) {
			response.ConfigResources = append(response.ConfigResources, wire.ListConfigResourcesResponseConfigResource{ResourceName: name, ResourceType: kind})
		}
	}
	return response
}

// resources are the names of a type's resources. Topics and live brokers always
// are, others when something is set on them.
func resources(img *metadata.Image, kind int8, listener string) []string {
	var names []string
	switch kind {
	case metadata.ConfigTopic:
		for t := range img.Topics() {
			names = append(names, t.Name)
		}
	case metadata.ConfigBroker, metadata.ConfigBrokerLogger:
		for b := range img.Brokers() {
			if !b.Fenced && hasListener(b, listener) {
				names = append(names, strconv.Itoa(int(b.ID)))
			}
		}
	default:
		for r := range img.Configs() {
			if r.Type == kind {
				names = append(names, r.Name)
			}
		}
	}
	return names
}
