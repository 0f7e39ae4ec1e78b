package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ListPartitionReassignments serves version 0 (KIP-455) on controller listeners,
// from the active controller's committed metadata. Needs DESCRIBE on the cluster.
type ListPartitionReassignments struct {
	Image      func() *metadata.Image
	Active     func() bool // this node is the active controller
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *ListPartitionReassignments) Handle(_ context.Context, r *server.Request) wire.Response {
	response := &wire.ListPartitionReassignmentsResponse{Topics: []wire.ListPartitionReassignmentsResponseTopic{}}
	switch {
	case !rights.Cluster(h.Authorizer, r, auth.Describe):
		response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
	case !h.Active():
		response.ErrorCode = kerr.NotController.Code
	default:
		response.Topics = controller.Reassignments(h.Image(), r.Body.(*wire.ListPartitionReassignmentsRequest))
	}
	return response
}
