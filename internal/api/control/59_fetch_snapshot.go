package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// FetchSnapshot serves versions 0-1 (KIP-630, 853) of the metadata log's
// snapshots. Needs CLUSTER_ACTION.
type FetchSnapshot struct {
	Log        MetadataLog
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *FetchSnapshot) Handle(ctx context.Context, r *server.Request) wire.Response {
	refuse := func(err error) wire.Response {
		response := &wire.FetchSnapshotResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	}
	if !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := h.Log.FetchSnapshot(ctx, r.Header.APIVersion, r.Listener, r.Body.(*wire.FetchSnapshotRequest))
	if err != nil {
		return refuse(err)
	}
	return response
}
