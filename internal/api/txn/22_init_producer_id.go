package txn

import (
	"context"
	"errors"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// InitProducerID serves versions 0-6 (KIP-98, 360, 588, 890, 939). An idempotent
// producer gets a producer id of its own at epoch 0, which needs IDEMPOTENT_WRITE on
// the cluster, or WRITE on any topic (KIP-679). A transactional id's producer comes
// from its coordinator, which needs WRITE on the id, and TWO_PHASE_COMMIT if it asks
// for that.
//
// Left out: keeping a prepared transaction (KIP-939), which is UNSUPPORTED_VERSION,
// as in Kafka.
type InitProducerID struct {
	IDs          ProducerIDs
	Transactions Coordinator
	Authorizer   auth.Authorizer
	TwoPhase     bool // transaction.two.phase.commit.enable
}

// idPatience is how long a transactional producer may wait for a producer id.
const idPatience = 5 * time.Second

// ProducerIDs gives each caller another producer id.
type ProducerIDs interface {
	Next(ctx context.Context) (model.ProducerID, error)
	// Ready waits until one is at hand.
	Ready(ctx context.Context) error
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
	p, err := h.init(ctx, r, r.Body.(*wire.InitProducerIdRequest))
	if err != nil {
		response.ErrorCode = fencedBefore(4, r, err)
		response.ProducerID, response.ProducerEpoch = -1, -1
		return response
	}
	response.ProducerID, response.ProducerEpoch = int64(p.ID), p.Epoch
	return response
}

func (h *InitProducerID) init(ctx context.Context, r *server.Request, body *wire.InitProducerIdRequest) (machine.Producer, error) {
	var none machine.Producer
	if err := h.authorize(r, body); err != nil {
		return none, err
	}
	if (body.ProducerID == -1) != (body.ProducerEpoch == -1) {
		return none, kerr.InvalidRequest
	}
	if body.TransactionalID == nil {
		id, err := h.IDs.Next(ctx)
		return machine.Producer{ID: id}, err
	}
	id := *body.TransactionalID
	switch {
	case !usable(id):
		return none, kerr.InvalidRequest
	case body.Enable2Pc && !h.TwoPhase:
		return none, kerr.TransactionalIDAuthorizationFailed
	case body.KeepPreparedTxn:
		return none, kerr.UnsupportedVersion
	}
	request := txn.InitProducerID{TransactionalID: id, TimeoutMS: body.TransactionTimeoutMS, TwoPhase: body.Enable2Pc}
	if body.ProducerID != -1 {
		request.Expected = &machine.Producer{ID: model.ProducerID(body.ProducerID), Epoch: body.ProducerEpoch}
	}
	reply, err := call[txn.InitProducerIDReply](ctx, h.Transactions, id, request)
	if err == nil && errors.Is(reply.Err, kerr.CoordinatorLoadInProgress) && h.awaitID(ctx) {
		reply, err = call[txn.InitProducerIDReply](ctx, h.Transactions, id, request)
	}
	if err == nil {
		err = reply.Err
	}
	return reply.Producer, err
}

// awaitID waits for a producer id, as the coordinator that lacks one cannot, but
// not for long: the client asks again.
func (h *InitProducerID) awaitID(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, idPatience)
	defer cancel()
	return h.IDs.Ready(ctx) == nil
}

func (h *InitProducerID) authorize(r *server.Request, body *wire.InitProducerIdRequest) error {
	if body.TransactionalID == nil {
		if !h.mayWrite(r) {
			return kerr.ClusterAuthorizationFailed
		}
		return nil
	}
	may := func(op auth.Operation) bool {
		return h.Authorizer.Allowed(r.Principal, r.ClientHost, op, auth.TransactionalID, *body.TransactionalID)
	}
	if !may(auth.Write) || body.Enable2Pc && !may(auth.TwoPhaseCommit) {
		return kerr.TransactionalIDAuthorizationFailed
	}
	return nil
}

func (h *InitProducerID) mayWrite(r *server.Request) bool {
	if h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.IdempotentWrite, auth.Cluster, auth.ClusterName) {
		return true
	}
	a, ok := h.Authorizer.(anyResource)
	return ok && a.AllowedAny(r.Principal, r.ClientHost, auth.Write, auth.Topic)
}
