package control

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// fakeController answers with an empty response or an error, and keeps what it
// was asked.
type fakeController struct {
	err  error
	last controller.Request
}

func (f *fakeController) Submit(_ context.Context, r controller.Request) (wire.Response, error) {
	f.last = r
	if f.err != nil {
		return nil, f.err
	}
	response, _ := wire.NewResponse(r.Body.Key())
	return response, nil
}

func (f *fakeController) Fetch(context.Context, int16, string, *wire.FetchRequest) (*wire.FetchResponse, error) {
	return &wire.FetchResponse{SessionID: 1}, f.err
}

func (f *fakeController) FetchSnapshot(context.Context, int16, string, *wire.FetchSnapshotRequest) (*wire.FetchSnapshotResponse, error) {
	return &wire.FetchSnapshotResponse{}, f.err
}

func (f *fakeController) DescribeQuorum(context.Context, int16, *wire.DescribeQuorumRequest) (*wire.DescribeQuorumResponse, error) {
	return &wire.DescribeQuorumResponse{}, f.err
}

func (f *fakeController) Vote(context.Context, int16, string, *wire.VoteRequest) (*wire.VoteResponse, error) {
	return &wire.VoteResponse{}, f.err
}

func (f *fakeController) BeginQuorumEpoch(context.Context, int16, string, *wire.BeginQuorumEpochRequest) (*wire.BeginQuorumEpochResponse, error) {
	return &wire.BeginQuorumEpochResponse{}, f.err
}

func (f *fakeController) EndQuorumEpoch(context.Context, int16, string, *wire.EndQuorumEpochRequest) (*wire.EndQuorumEpochResponse, error) {
	return &wire.EndQuorumEpochResponse{}, f.err
}

func (f *fakeController) UpdateRaftVoter(context.Context, int16, string, *wire.UpdateRaftVoterRequest) (*wire.UpdateRaftVoterResponse, error) {
	return &wire.UpdateRaftVoterResponse{}, f.err
}

// heartbeats keeps what it is told.
type heartbeats struct{ told []string }

func (h *heartbeats) Heard(_ context.Context, id model.NodeID, epoch model.BrokerEpoch, connection string) {
	h.told = append(h.told, fmt.Sprintf("heard %d in %d by %s", id, epoch, connection))
}

func (h *heartbeats) Stopped(id model.NodeID) { h.told = append(h.told, fmt.Sprintf("stopped %d", id)) }

// TestHeartbeatsAreWatched: only a heartbeat that the controller has taken is.
func TestHeartbeatsAreWatched(t *testing.T) {
	told := &heartbeats{}
	beat := func(answer *wire.BrokerHeartbeatResponse, err error) {
		h := &BrokerHeartbeat{answers{answer, err}, auth.AllowAll{}, told}
		h.Handle(t.Context(), &server.Request{Body: &wire.BrokerHeartbeatRequest{BrokerID: 3, BrokerEpoch: 7}, ConnectionID: "c"})
	}
	beat(&wire.BrokerHeartbeatResponse{}, nil)
	beat(nil, kerr.NotController)
	beat(&wire.BrokerHeartbeatResponse{ErrorCode: kerr.StaleBrokerEpoch.Code}, nil)
	beat(&wire.BrokerHeartbeatResponse{ShouldShutDown: true}, nil)
	if want := []string{"heard 3 in 7 by c", "stopped 3"}; !slices.Equal(told.told, want) {
		t.Errorf("told %q, want %q", told.told, want)
	}
}

// answers is a controller with one answer.
type answers struct {
	response wire.Response
	err      error
}

func (a answers) Submit(context.Context, controller.Request) (wire.Response, error) {
	return a.response, a.err
}

// only allows one operation on the cluster.
type only auth.Operation

func (o only) Allowed(_ auth.Principal, _ string, op auth.Operation, rt auth.ResourceType, name string) bool {
	return op == auth.Operation(o) && rt == auth.Cluster && name == auth.ClusterName
}

// TestClusterRights: each handler asks for its one right on the cluster, refuses
// without it, hands on with it, and carries the controller's error.
func TestClusterRights(t *testing.T) {
	for _, c := range []struct {
		key  int16
		op   auth.Operation
		make func(*fakeController, auth.Authorizer) server.Handler
	}{
		{1, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &Fetch{f, a} }},
		{52, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &Vote{f, a} }},
		{53, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &BeginQuorumEpoch{f, a} }},
		{54, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &EndQuorumEpoch{f, a} }},
		{43, auth.Alter, func(f *fakeController, a auth.Authorizer) server.Handler { return &ElectLeaders{f, a} }},
		{46, auth.Describe, func(f *fakeController, a auth.Authorizer) server.Handler {
			return &ListPartitionReassignments{func() *metadata.Image { return metadata.Empty }, func() bool { return f.err == nil }, a}
		}},
		{57, auth.Alter, func(f *fakeController, a auth.Authorizer) server.Handler { return &UpdateFeatures{f, a} }},
		{55, auth.Describe, func(f *fakeController, a auth.Authorizer) server.Handler { return &DescribeQuorum{f, a} }},
		{56, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &AlterPartition{f, a} }},
		{59, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &FetchSnapshot{f, a} }},
		{62, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &BrokerRegistration{f, a} }},
		{63, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler {
			return &BrokerHeartbeat{f, a, &heartbeats{}}
		}},
		{64, auth.Alter, func(f *fakeController, a auth.Authorizer) server.Handler { return &UnregisterBroker{f, a} }},
		{67, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &AllocateProducerIds{f, a} }},
		{70, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &ControllerRegistration{f, a} }},
		{82, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &UpdateRaftVoter{f, a} }},
		{73, auth.ClusterAction, func(f *fakeController, a auth.Authorizer) server.Handler { return &AssignReplicasToDirs{f, a} }},
	} {
		body, _ := wire.NewRequest(c.key)
		r := &server.Request{Body: body}
		code := func(f *fakeController, a auth.Authorizer) int16 {
			response := c.make(f, a).Handle(t.Context(), r)
			if response.Key() != c.key {
				t.Errorf("key %d is answered with %T", c.key, response)
			}
			return int16(reflect.ValueOf(response).Elem().FieldByName("ErrorCode").Int())
		}
		if got := code(&fakeController{}, only(c.op)); got != 0 {
			t.Errorf("key %d with %v: error %d", c.key, c.op, got)
		}
		if got := code(&fakeController{}, only(auth.Read)); got != kerr.ClusterAuthorizationFailed.Code {
			t.Errorf("key %d without %v: error %d", c.key, c.op, got)
		}
		if got := code(&fakeController{err: kerr.NotController}, only(c.op)); got != kerr.NotController.Code {
			t.Errorf("key %d elsewhere: error %d", c.key, got)
		}
	}
}

// TestTopicsAreAuthorisedInside: the controller decides about topics with the
// rights of the request's own principal.
func TestTopicsAreAuthorisedInside(t *testing.T) {
	f := &fakeController{}
	r := &server.Request{Body: &wire.CreateTopicsRequest{}}
	r.Header.APIVersion = 7
	(&CreateTopics{f, only(auth.Create)}).Handle(t.Context(), r)
	if f.last.Version != 7 || !f.last.Allowed(auth.Create, auth.Cluster, "kafka-cluster") || f.last.Allowed(auth.Delete, auth.Cluster, "kafka-cluster") {
		t.Errorf("request %+v", f.last)
	}
}

func TestTopicErrors(t *testing.T) {
	name := "a"
	f := &fakeController{err: kerr.NotController}
	created := (&CreateTopics{f, auth.AllowAll{}}).Handle(t.Context(), &server.Request{Body: &wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: name}}}})
	if got := created.(*wire.CreateTopicsResponse).Topics; len(got) != 1 || got[0].ErrorCode != kerr.NotController.Code {
		t.Errorf("%+v", got)
	}
	deleted := (&DeleteTopics{f, auth.AllowAll{}}).Handle(t.Context(), &server.Request{Body: &wire.DeleteTopicsRequest{TopicNames: []string{name}, Topics: []wire.DeleteTopicsRequestTopic{{Name: &name}}}})
	if got := deleted.(*wire.DeleteTopicsResponse).Responses; len(got) != 2 || got[0].ErrorCode != kerr.NotController.Code {
		t.Errorf("%+v", got)
	}
}

// TestTimeoutIsTheRequests: a controller that does not answer in time is
// REQUEST_TIMED_OUT, not a server error.
func TestTimeoutIsTheRequests(t *testing.T) {
	ctx, cancel := withTimeout(t.Context(), 1)
	defer cancel()
	<-ctx.Done()
	if err := cause(ctx, ctx.Err()); !errors.Is(err, kerr.RequestTimedOut) {
		t.Error(err)
	}
}
