package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// UpdateFeatures serves versions 0-2 (KIP-584, 778, 1022) on broker listeners:
// the active controller authorises and decides. The answer waits as
// CreateTopics' does, so that ApiVersions shows the levels here.
type UpdateFeatures struct {
	Forwarder Forwarder
	View      *View
}

// Handle implements server.Handler.
func (h *UpdateFeatures) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.UpdateFeaturesRequest)
	bounded, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := h.Forwarder.Forward(bounded, r, body, r.Header.APIVersion)
	if err != nil {
		err = cause(bounded, err)
		return &wire.UpdateFeaturesResponse{ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
	}
	if done, ok := response.(*wire.UpdateFeaturesResponse); ok && done.ErrorCode == 0 && !body.ValidateOnly {
		h.await(bounded, body)
	}
	return response
}

func (h *UpdateFeatures) await(ctx context.Context, done *wire.UpdateFeaturesRequest) {
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	h.View.Wait(ctx, func(img *metadata.Image) bool {
		for _, u := range done.FeatureUpdates {
			if u.Feature != metadata.FeatureKRaftVersion && img.Features().Level(u.Feature) != u.MaxVersionLevel {
				return false
			}
		}
		return true
	})
}
