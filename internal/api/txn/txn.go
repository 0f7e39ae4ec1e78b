// Package txn has the handlers of the APIs for idempotent and transactional
// producers, a file each.
package txn

import (
	"context"
	"math"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
)

// Coordinator is the coordinators of transactions on this broker.
type Coordinator interface {
	PartitionFor(key string) int32
	Call(ctx context.Context, partition int32, request any) (any, error)
	Each(ctx context.Context, request any) (responses []any, loading bool)
}

// call asks the coordinator of a transactional id.
func call[R any](ctx context.Context, c Coordinator, id string, request any) (R, error) {
	response, err := c.Call(ctx, c.PartitionFor(id), request)
	if err != nil {
		var none R
		return none, err
	}
	return response.(R), nil
}

// usable reports whether a transactional id may be one: it has to fit into the
// records of the coordinator.
func usable(id string) bool { return id != "" && len(id) <= math.MaxInt16 }

// fencedBefore is the error's code; older versions of a request than the given
// do not know PRODUCER_FENCED and hear INVALID_PRODUCER_EPOCH.
func fencedBefore(version int16, r *server.Request, err error) int16 {
	code := kerr.Code(err)
	if r.Header.APIVersion < version && code == kerr.ProducerFenced.Code {
		return kerr.InvalidProducerEpoch.Code
	}
	return code
}

func producer(id int64, epoch int16) machine.Producer {
	return machine.Producer{ID: model.ProducerID(id), Epoch: epoch}
}
