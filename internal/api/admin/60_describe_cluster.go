package admin

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Endpoint types of DescribeCluster (KIP-919).
const (
	endpointBrokers     int8 = 1
	endpointControllers int8 = 2
)

var endpointNames = map[int8]string{endpointBrokers: "BROKER", endpointControllers: "CONTROLLER"}

// DescribeCluster serves versions 0-2 (KIP-700, 919, 1073): on a broker listener
// the brokers, on a controller listener the controllers, where it needs ALTER on
// the cluster and controllers that register.
type DescribeCluster struct {
	View       *View
	ClusterID  string
	NodeID     model.NodeID
	Authorizer auth.Authorizer
	// QuorumLeader is the leader of the metadata quorum; nil on broker listeners.
	QuorumLeader func() model.NodeID
}

// Handle implements server.Handler.
func (h *DescribeCluster) Handle(_ context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.DescribeClusterRequest)
	response := &wire.DescribeClusterResponse{}
	response.Reset()
	if err := h.check(r, body); err != nil {
		response.ErrorCode, response.ErrorMessage = kerr.Code(err), kerr.Message(err)
		return response
	}
	response.ClusterID, response.EndpointType = h.ClusterID, h.serves()
	response.Brokers = []wire.DescribeClusterResponseBroker{}
	if body.IncludeClusterAuthorizedOperations {
		response.ClusterAuthorizedOperations = clusterOperations(h.Authorizer, r)
	}
	if h.QuorumLeader == nil {
		h.brokers(response, r.Listener, body.IncludeFencedBrokers)
	} else {
		h.controllers(response, r.Listener)
	}
	return response
}

func (h *DescribeCluster) serves() int8 {
	if h.QuorumLeader == nil {
		return endpointBrokers
	}
	return endpointControllers
}

func (h *DescribeCluster) check(r *server.Request, body *wire.DescribeClusterRequest) error {
	if h.QuorumLeader != nil {
		if !h.View.Image().Features().Version.ControllerRegistration() {
			return kerr.UnsupportedVersion.With("Direct-to-controller communication is not supported with the current MetadataVersion.")
		}
		if !rights.Cluster(h.Authorizer, r, auth.Alter) {
			return kerr.ClusterAuthorizationFailed
		}
	}
	unknown, mismatch := kerr.UnsupportedEndpointType, kerr.MismatchedEndpointType
	if r.Header.APIVersion == 0 { // older than both errors
		unknown, mismatch = kerr.InvalidRequest, kerr.InvalidRequest
	}
	switch _, known := endpointNames[body.EndpointType]; {
	case !known:
		return unknown.With("Unsupported endpoint type %d", body.EndpointType)
	case body.EndpointType != h.serves():
		return mismatch.With("The request was sent to an endpoint of type %s, but we wanted an endpoint of type %s",
			endpointNames[h.serves()], endpointNames[body.EndpointType])
	}
	return nil
}

// brokers lists those with the listener; any live one takes what is for the
// controller.
func (h *DescribeCluster) brokers(response *wire.DescribeClusterResponse, listener string, fenced bool) {
	for b := range h.View.Image().Brokers() {
		e, ok := b.Endpoint(listener)
		if !ok || b.Fenced && !fenced {
			continue
		}
		if !b.Fenced && (response.ControllerID == -1 || b.ID == h.NodeID) {
			response.ControllerID = int32(b.ID)
		}
		response.Brokers = append(response.Brokers, wire.DescribeClusterResponseBroker{
			BrokerID: int32(b.ID), Host: e.Host, Port: int32(e.Port), Rack: b.Rack, IsFenced: b.Fenced,
		})
	}
}

// controllers lists the registered ones; a leader that has not registered yet is
// not named, as the client could not find it.
func (h *DescribeCluster) controllers(response *wire.DescribeClusterResponse, listener string) {
	leader := h.QuorumLeader()
	for c := range h.View.Image().Controllers() {
		e, ok := c.Endpoint(listener)
		if !ok {
			continue
		}
		if c.ID == leader {
			response.ControllerID = int32(leader)
		}
		response.Brokers = append(response.Brokers, wire.DescribeClusterResponseBroker{BrokerID: int32(c.ID), Host: e.Host, Port: int32(e.Port)})
	}
}
