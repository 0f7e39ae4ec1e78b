package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// CreatePartitions serves versions 0-3 (KIP-195) on broker listeners: the active
// controller authorises and decides. The answer waits as CreateTopics' does.
type CreatePartitions struct {
	Forwarder Forwarder
	View      *View
}

// Handle implements server.Handler.
func (h *CreatePartitions) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.CreatePartitionsRequest)
	bounded, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := h.Forwarder.Forward(bounded, r, body, r.Header.APIVersion)
	if err != nil {
		return &wire.CreatePartitionsResponse{Results: controller.RefusePartitions(body, cause(bounded, err))}
	}
	if done, ok := response.(*wire.CreatePartitionsResponse); ok && !body.ValidateOnly {
		h.await(bounded, body, done)
	}
	return response
}

func (h *CreatePartitions) await(ctx context.Context, asked *wire.CreatePartitionsRequest, done *wire.CreatePartitionsResponse) {
	want := map[string]int32{}
	for _, t := range asked.Topics {
		want[t.Name] = t.Count
	}
	for _, t := range done.Results {
		if t.ErrorCode != 0 {
			delete(want, t.Name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	h.View.Wait(ctx, func(img *metadata.Image) bool {
		for name, count := range want {
			if t := img.Topic(name); t != nil && len(t.Partitions) < int(count) {
				return false
			}
		}
		return true
	})
}
