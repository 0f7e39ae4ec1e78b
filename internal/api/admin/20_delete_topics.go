package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DeleteTopics serves versions 1-6 (KIP-4, 516) on broker listeners, by name and
// by id: the active controller authorises and decides. The answer waits as
// CreateTopics' does, until the topics are gone here.
type DeleteTopics struct {
	Forwarder Forwarder
	View      *View
}

// Handle implements server.Handler.
func (h *DeleteTopics) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.DeleteTopicsRequest)
	bounded, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := h.Forwarder.Forward(bounded, r, body, r.Header.APIVersion)
	if err != nil {
		return &wire.DeleteTopicsResponse{Responses: controller.RefuseDeletions(body, cause(bounded, err))}
	}
	if deleted, ok := response.(*wire.DeleteTopicsResponse); ok {
		h.await(bounded, deleted)
	}
	return response
}

func (h *DeleteTopics) await(ctx context.Context, deleted *wire.DeleteTopicsResponse) {
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	h.View.Wait(ctx, func(img *metadata.Image) bool {
		for _, t := range deleted.Responses {
			if t.ErrorCode == 0 && img.TopicByID(model.TopicID(t.TopicID)) != nil {
				return false
			}
		}
		return true
	})
}
