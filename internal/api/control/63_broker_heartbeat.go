package control

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// BrokerHeartbeat serves versions 0-2 (KIP-631, 858, 1066): a broker lives, asks
// to be unfenced, or to stop. Needs CLUSTER_ACTION.
type BrokerHeartbeat struct {
	Controller Submitter
	Authorizer auth.Authorizer
	Watch      HeartbeatWatch
}

// HeartbeatWatch is told which connection carries a broker's heartbeats, until
// ctx ends with it, and that a broker may stop.
type HeartbeatWatch interface {
	Heard(ctx context.Context, id model.NodeID, epoch model.BrokerEpoch, connection string)
	Stopped(id model.NodeID)
}

// Handle implements server.Handler.
func (h *BrokerHeartbeat) Handle(ctx context.Context, r *server.Request) wire.Response {
	response := decide(ctx, h.Controller, h.Authorizer, auth.ClusterAction, r, func(err error) wire.Response {
		response := &wire.BrokerHeartbeatResponse{}
		response.Reset()
		response.ErrorCode = kerr.Code(err)
		return response
	})
	asked, answer := r.Body.(*wire.BrokerHeartbeatRequest), response.(*wire.BrokerHeartbeatResponse)
	switch id := model.NodeID(asked.BrokerID); {
	case answer.ErrorCode != 0:
	case answer.ShouldShutDown:
		h.Watch.Stopped(id)
	default:
		h.Watch.Heard(ctx, id, model.BrokerEpoch(asked.BrokerEpoch), r.ConnectionID)
	}
	return response
}
