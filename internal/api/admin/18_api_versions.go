package admin

import (
	"context"
	"regexp"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ApiVersions serves versions 0-5 (KIP-35, 511, 584, 1022, 1242) on both kinds of
// listener: the API keys and versions that work on this listener, the feature
// levels this node understands, and the cluster's finalised ones. It needs no
// right. Left out: intersecting forwarded APIs with another controller's
// versions.
type ApiVersions struct {
	Served    func() []server.Route // of this listener
	Broker    bool                  // a broker listener, where Produce is advertised from 0
	ClusterID string
	NodeID    model.NodeID
	View      *View
	// KRaftVersion is the quorum's current kraft.version.
	KRaftVersion func() int16
	// Supported are the levels of features that this node understands.
	Supported []metadata.FeatureRange
}

// softwareName is what a client may call itself and its version (KIP-511).
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// Handle implements server.Handler.
func (h *ApiVersions) Handle(_ context.Context, r *server.Request) wire.Response {
	body, version := r.Body.(*wire.ApiVersionsRequest), r.Header.APIVersion
	switch {
	case version >= 5 && (body.ClusterID == nil) != (body.NodeID == -1):
		return refuseVersions(kerr.InvalidRequest)
	case version >= 3 && (!softwareName.MatchString(body.ClientSoftwareName) || !softwareName.MatchString(body.ClientSoftwareVersion)):
		return refuseVersions(kerr.InvalidRequest)
	case version >= 5 && h.Broker && body.ClusterID != nil && (*body.ClusterID != h.ClusterID || model.NodeID(body.NodeID) != h.NodeID):
		// The client was led to another node than it wanted (KIP-1242).
		return refuseVersions(kerr.RebootstrapRequired)
	}
	response := &wire.ApiVersionsResponse{}
	response.Reset()
	for _, route := range h.Served() {
		lowest := route.Min
		if h.Broker && route.Key == wire.KeyProduce {
			lowest = 0 // librdkafka before 2.6 needs this to see idempotence and zstd (KAFKA-18659)
		}
		response.APIKeys = append(response.APIKeys, wire.ApiVersionsResponseAPIKey{APIKey: route.Key, MinVersion: lowest, MaxVersion: route.Max})
	}
	for _, f := range h.Supported {
		if version < 4 && f.Min == 0 {
			continue // older clients cannot read a minimum of 0 (KAFKA-17492)
		}
		response.SupportedFeatures = append(response.SupportedFeatures, wire.ApiVersionsResponseSupportedFeature{Name: f.Name, MinVersion: f.Min, MaxVersion: f.Max})
	}
	h.finalized(response)
	return response
}

func (h *ApiVersions) finalized(response *wire.ApiVersionsResponse) {
	img := h.View.Image()
	if img.Features().Version == 0 {
		return // the epoch stays -1: nothing is finalised yet
	}
	response.FinalizedFeaturesEpoch = int64(img.Offset)
	levels := append([]metadata.FeatureLevel{}, img.Features().All()...)
	if level := h.KRaftVersion(); level > 0 {
		levels = append(levels, metadata.FeatureLevel{Name: metadata.FeatureKRaftVersion, Level: level})
	}
	for _, l := range levels {
		response.FinalizedFeatures = append(response.FinalizedFeatures, wire.ApiVersionsResponseFinalizedFeature{Name: l.Name, MaxVersionLevel: l.Level, MinVersionLevel: l.Level})
	}
}

func refuseVersions(err *kerr.Error) *wire.ApiVersionsResponse {
	response := &wire.ApiVersionsResponse{}
	response.Reset()
	response.ErrorCode = err.Code
	return response
}
