// Package control has the handlers of what nodes ask the active controller and
// the metadata quorum, a file each. All but DescribeQuorum belong to controller
// listeners.
//
// Each handler authorises, hands the request on, and turns an error into the
// response that carries it.
package control

import (
	"context"
	"time"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Submitter gives requests to the active controller. Its error is
// NOT_CONTROLLER when this node is not that.
type Submitter interface {
	Submit(ctx context.Context, r controller.Request) (wire.Response, error)
}

// submit hands a request to the controller on behalf of its principal.
func submit(ctx context.Context, s Submitter, a auth.Authorizer, r *server.Request, body wire.Request, version int16) (wire.Response, error) {
	return s.Submit(ctx, controller.Request{Body: body, Version: version, Forwarded: r.Forwarded,
		Allowed: func(op auth.Operation, resource auth.ResourceType, name string) bool {
			return a.Allowed(r.Principal, r.ClientHost, op, resource, name)
		}})
}

// decide authorises a request for the cluster and submits it; refuse makes the
// response of an error.
func decide(ctx context.Context, s Submitter, a auth.Authorizer, op auth.Operation, r *server.Request, refuse func(error) wire.Response) wire.Response {
	if !rights.Cluster(a, r, op) {
		return refuse(kerr.ClusterAuthorizationFailed)
	}
	response, err := submit(ctx, s, a, r, r.Body, r.Header.APIVersion)
	if err != nil {
		return refuse(err)
	}
	return response
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

// Direct forwards clients' requests to a controller in this process.
type Direct struct {
	Controller Submitter
	Authorizer auth.Authorizer
}

// Forward submits body on behalf of whoever sent r.
func (d Direct) Forward(ctx context.Context, r *server.Request, body wire.Request, version int16) (wire.Response, error) {
	return submit(ctx, d.Controller, d.Authorizer, r, body, version)
}
