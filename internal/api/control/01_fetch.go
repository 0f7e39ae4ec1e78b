package control

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// MetadataLog serves the metadata log to voters and observers.
type MetadataLog interface {
	Fetch(ctx context.Context, version int16, listener string, q *wire.FetchRequest) (*wire.FetchResponse, error)
	FetchSnapshot(ctx context.Context, version int16, listener string, q *wire.FetchSnapshotRequest) (*wire.FetchSnapshotResponse, error)
}

// Fetch serves versions 4-18 (KIP-595, 630, 853, 1166) of the metadata log on
// controller listeners. Needs CLUSTER_ACTION. Topics other than the metadata log
// are refused by the quorum.
type Fetch struct {
	Log        MetadataLog
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *Fetch) Handle(ctx context.Context, r *server.Request) wire.Response {
	refuse := func(err error) wire.Response {
		response := &wire.FetchResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	}
	if !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := h.Log.Fetch(ctx, r.Header.APIVersion, r.Listener, r.Body.(*wire.FetchRequest))
	if err != nil {
		return refuse(err)
	}
	return response
}
