package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// Controller is where the active controller is: over TCP, or in this process.
type Controller struct {
	ID      model.NodeID
	Network transport.Network
	Address string
}

// Finder tells where the active controller is, and waits until one is known. A
// stale answer does no harm: that node says that it is not the controller.
type Finder func(ctx context.Context) (Controller, error)

// retryBackoff is the wait before the controller is looked up again.
const retryBackoff = 100 * time.Millisecond

// ChannelOptions are what a Channel needs.
type ChannelOptions struct {
	Find     Finder
	ClientID string
	// MaxInFlight is how many requests may be on their way at once; one keeps
	// them in order. 0 is 1.
	MaxInFlight int
	// Timeout is how long an answer may take before the connection counts as dead.
	Timeout time.Duration
	Log     *slog.Logger
}

// Channel sends requests to whoever is the active controller. It keeps one
// connection, made when first needed. Each use that must not wait behind another
// (heartbeats, forwarding, in-sync sets) has a Channel of its own.
type Channel struct {
	opts ChannelOptions
	// current holds the connection, nil if there is none; taken out while one is
	// being made, so that it is made once.
	current chan *link.Link
}

// NewChannel makes a channel that is not connected yet.
func NewChannel(o ChannelOptions) *Channel {
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 1
	}
	c := &Channel{opts: o, current: make(chan *link.Link, 1)}
	c.current <- nil
	return c
}

// Do sends a request to the active controller until one answers. It looks for
// the controller again, after 100 ms, when the connection breaks or the node
// answers NOT_CONTROLLER; every other answer is the caller's. A request may thus
// be carried out twice, if its answer was lost. The error is ctx's, or
// UNSUPPORTED_VERSION.
func (c *Channel) Do(ctx context.Context, r wire.Request) (wire.Response, error) {
	for {
		response, err := c.try(ctx, r)
		if err == nil && errorCode(response) != kerr.NotController.Code {
			return response, nil
		}
		if ctx.Err() != nil {
			if !errors.Is(err, ctx.Err()) {
				err = fmt.Errorf("%w, after: %w", ctx.Err(), orNotController(err))
			}
			return nil, fmt.Errorf("request to the controller: %w", err)
		}
		if errors.Is(err, kerr.UnsupportedVersion) {
			return nil, err
		}
		c.opts.Log.Debug("controller is looked up again", "error", err)
		if err := sleep(ctx, retryBackoff); err != nil {
			return nil, fmt.Errorf("request to the controller: %w", err)
		}
	}
}

// orNotController is the error of a try that was answered with NOT_CONTROLLER.
func orNotController(err error) error {
	if err == nil {
		return kerr.NotController
	}
	return err
}

// try sends the request once. A node that is not the controller loses the
// connection.
func (c *Channel) try(ctx context.Context, r wire.Request) (wire.Response, error) {
	l, err := c.connection(ctx)
	if err != nil {
		return nil, err
	}
	response, err := l.Do(ctx, r)
	switch {
	case err == nil && errorCode(response) == kerr.NotController.Code:
		l.Close()
	case err != nil && c.opts.MaxInFlight == 1 && !errors.Is(err, kerr.UnsupportedVersion):
		l.Close() // an answer that nobody waits for would hold up the next request
	}
	return response, err
}

// connection is the connection in use, or a new one if that has ended.
func (c *Channel) connection(ctx context.Context) (*link.Link, error) {
	var l *link.Link
	select {
	case l = <-c.current:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { c.current <- l }()
	if l != nil && l.Err() == nil {
		return l, nil
	}
	l = nil
	controller, err := c.opts.Find(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the controller: %w", err)
	}
	made, err := link.Dial(ctx, link.Options{Network: controller.Network, Address: controller.Address,
		ClientID: c.opts.ClientID, MaxInFlight: c.opts.MaxInFlight, Timeout: c.opts.Timeout})
	if err != nil {
		return nil, err
	}
	l = made
	return l, nil
}

// Close ends the connection. Requests that wait for an answer find the controller
// again; Close waits for one that is doing so.
func (c *Channel) Close() {
	l := <-c.current
	if l != nil {
		l.Close()
	}
	c.current <- nil
}

// errorCode is the code of a whole response, 0 if the response has none.
func errorCode(r wire.Response) int16 {
	switch r := r.(type) {
	case *wire.BrokerRegistrationResponse:
		return r.ErrorCode
	case *wire.BrokerHeartbeatResponse:
		return r.ErrorCode
	case *wire.AllocateProducerIdsResponse:
		return r.ErrorCode
	case *wire.EnvelopeResponse:
		return r.ErrorCode
	case *wire.AlterPartitionResponse:
		return r.ErrorCode
	case *wire.AssignReplicasToDirsResponse:
		return r.ErrorCode
	case *wire.UnregisterBrokerResponse:
		return r.ErrorCode
	case *wire.ControllerRegistrationResponse:
		return r.ErrorCode
	}
	return 0
}

// sleep waits, or returns ctx's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
