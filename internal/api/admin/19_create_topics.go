package admin

import (
	"context"
	"time"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// CreateTopics serves versions 2-7 (KIP-4, 195, 464, 525, 516) on broker
// listeners: the active controller authorises and decides. The answer waits,
// within the request's timeout and at most readYourWrites, until this broker
// knows the topics, so that the caller's next Metadata finds them here.
type CreateTopics struct {
	Forwarder Forwarder
	View      *View
}

// readYourWrites bounds how long an answer waits for this broker's own image.
const readYourWrites = time.Second

// Handle implements server.Handler.
func (h *CreateTopics) Handle(ctx context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.CreateTopicsRequest)
	bounded, cancel := withTimeout(ctx, body.TimeoutMS)
	defer cancel()
	response, err := h.Forwarder.Forward(bounded, r, body, r.Header.APIVersion)
	if err != nil {
		return &wire.CreateTopicsResponse{Topics: controller.RefuseCreations(body, cause(bounded, err))}
	}
	if created, ok := response.(*wire.CreateTopicsResponse); ok && !body.ValidateOnly {
		h.await(bounded, created)
	}
	return response
}

func (h *CreateTopics) await(ctx context.Context, created *wire.CreateTopicsResponse) {
	var names []string
	for _, t := range created.Topics {
		if t.ErrorCode == 0 {
			names = append(names, t.Name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, readYourWrites)
	defer cancel()
	h.View.Wait(ctx, func(img *metadata.Image) bool { return haveLeaders(img, names) })
}

// withTimeout bounds a request by the timeout it names, if it names one.
func withTimeout(ctx context.Context, ms int32) (context.Context, context.CancelFunc) {
	if ms <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, time.Duration(ms)*time.Millisecond, kerr.RequestTimedOut)
}

// cause is the protocol's error where a context only knows that it is over.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
