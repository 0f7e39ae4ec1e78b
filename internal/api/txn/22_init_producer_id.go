// Package txn has the handlers of the APIs for idempotent and transactional
// producers, a file each.
package txn

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// InitProducerID serves versions 0-5 (KIP-98, 360, 588, 890) for idempotent
// producers: each gets a producer id of its own at epoch 0. Needs
// IDEMPOTENT_WRITE on the cluster, or WRITE on any topic (KIP-679).
//
// Left out: transactional ids. They are answered with UNSUPPORTED_VERSION, which
// is fatal to every client and is what a client concludes as well from finding no
// FindCoordinator; a coordinator error would be tried again for ever.
type InitProducerID struct {
	IDs        ProducerIDs
	Authorizer auth.Authorizer
}

// ProducerIDs gives each caller another producer id.
type ProducerIDs interface {
	Next(ctx context.Context) (model.ProducerID, error)
}

// anyResource is what an authorizer has besides that knows whether a principal
// may do something to at least one resource of a kind.
type anyResource interface {
	AllowedAny(p auth.Principal, host string, op auth.Operation, rt auth.ResourceType) bool
}

// Handle implements server.Handler.
func (h *InitProducerID) Handle(ctx context.Context, r *server.Request) wire.Response {
	response := &wire.InitProducerIdResponse{}
	response.Reset()
	id, err := h.init(ctx, r, r.Body.(*wire.InitProducerIdRequest))
	if err != nil {
		response.ErrorCode = kerr.Code(err)
		response.ProducerID, response.ProducerEpoch = -1, -1
		return response
	}
	response.ProducerID, response.ProducerEpoch = int64(id), 0
	return response
}

func (h *InitProducerID) init(ctx context.Context, r *server.Request, body *wire.InitProducerIdRequest) (model.ProducerID, error) {
	switch {
	case body.TransactionalID != nil && !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Write, auth.TransactionalID, *body.TransactionalID):
		return 0, kerr.TransactionalIDAuthorizationFailed
	case body.TransactionalID == nil && !h.mayWrite(r):
		return 0, kerr.ClusterAuthorizationFailed
	case (body.ProducerID == -1) != (body.ProducerEpoch == -1):
		return 0, kerr.InvalidRequest
	case body.TransactionalID != nil && *body.TransactionalID == "":
		return 0, kerr.InvalidRequest
	case body.TransactionalID != nil:
		return 0, kerr.UnsupportedVersion
	}
	return h.IDs.Next(ctx)
}

func (h *InitProducerID) mayWrite(r *server.Request) bool {
	if h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.IdempotentWrite, auth.Cluster, auth.ClusterName) {
		return true
	}
	a, ok := h.Authorizer.(anyResource)
	return ok && a.AllowedAny(r.Principal, r.ClientHost, auth.Write, auth.Topic)
}
