package group

import (
	"context"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// oneMachine coordinates all groups, and commits at once.
type oneMachine struct {
	*group.Machine
	t   *testing.T
	err error // of the coordinator
}

func newOneMachine(t *testing.T) *oneMachine {
	draft := metadata.NewDraft(metadata.Empty)
	id := model.UUID{15: 200}
	for i, r := range []wire.Record{
		&wire.TopicRecord{Name: "t", TopicID: id},
		&wire.PartitionRecord{TopicID: id, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1},
	} {
		if err := draft.Apply(r, model.Offset(i)); err != nil {
			t.Fatal(err)
		}
	}
	img, _ := draft.Image(2, 1)
	second := consumer.Limits{Default: time.Second, Max: time.Second}
	config := &group.Config{Consumer: consumer.Config{
		SessionTimeout: second, HeartbeatInterval: second, MaxSize: 10, Assignors: []string{"uniform", "range"},
	}}
	m := &oneMachine{Machine: group.New(group.Options{Config: config, NewID: func() string { return "id" }}), t: t}
	m.Start(time.UnixMilli(0), img)
	return m
}

func (m *oneMachine) PartitionFor(string) int32 { return 0 }

func (m *oneMachine) Call(_ context.Context, _ int32, request any) (any, error) {
	if m.err != nil {
		return nil, m.err
	}
	e := m.Handle(time.UnixMilli(1), 1, request)
	for _, r := range e.Records {
		if err := m.Fold(machine.Origin{Producer: machine.Producer{ID: -1}}, r); err != nil {
			m.t.Fatal(err)
		}
	}
	return e.Replies[0].Response, nil
}

func (m *oneMachine) Each(context.Context, any) ([]any, bool) { return nil, false }

func ask(t *testing.T, h server.Handler, version int16, body wire.Request) wire.Response {
	t.Helper()
	response := h.Handle(t.Context(), &server.Request{Header: wire.RequestHeader{APIVersion: version}, Body: body})
	if _, err := wire.Encode(version, response); err != nil {
		t.Fatal(err)
	}
	return response
}

func on() bool  { return true }
func off() bool { return false }

func joins(change func(*wire.ConsumerGroupHeartbeatRequest)) *wire.ConsumerGroupHeartbeatRequest {
	q := &wire.ConsumerGroupHeartbeatRequest{GroupID: "g", MemberID: "m", RebalanceTimeoutMS: 1000, SubscribedTopicNames: []string{"t"},
		TopicPartitions: []wire.ConsumerGroupHeartbeatTopicPartitions{}}
	if change != nil {
		change(q)
	}
	return q
}

// noRights allows everything but an operation on a kind of resource.
type noRights struct {
	op auth.Operation
	rt auth.ResourceType
}

func (n noRights) Allowed(_ auth.Principal, _ string, op auth.Operation, rt auth.ResourceType, _ string) bool {
	return op != n.op || rt != n.rt
}

// TestConsumerGroupHeartbeat: what is refused before the coordinator is asked, in
// Kafka's order, with its messages.
func TestConsumerGroupHeartbeat(t *testing.T) {
	type request = wire.ConsumerGroupHeartbeatRequest
	blank := " "
	for name, c := range map[string]struct {
		change  func(*request)
		rights  auth.Authorizer
		off     bool
		down    error
		version int16
		code    int16
		message string
	}{
		"joins":                   {},
		"no feature":              {off: true, code: kerr.UnsupportedVersion.Code},
		"no group right":          {rights: noRights{auth.Read, auth.Group}, code: kerr.GroupAuthorizationFailed.Code},
		"no topic right":          {rights: noRights{auth.Describe, auth.Topic}, code: kerr.TopicAuthorizationFailed.Code},
		"coordinator gone":        {down: kerr.NotCoordinator, code: kerr.NotCoordinator.Code},
		"no member id, version 0": {change: func(q *request) { q.MemberID = "" }},
		"no member id":            {version: 1, change: func(q *request) { q.MemberID = "" }, code: kerr.InvalidRequest.Code, message: "MemberId can't be empty."},
		"no group id":             {change: func(q *request) { q.GroupID = "" }, code: kerr.InvalidRequest.Code, message: "GroupId can't be empty."},
		"blank instance":          {change: func(q *request) { q.InstanceID = &blank }, code: kerr.InvalidRequest.Code, message: "InstanceId can't be empty."},
		"blank rack":              {change: func(q *request) { q.RackID = &blank }, code: kerr.InvalidRequest.Code, message: "RackId can't be empty."},
		"no time-out":             {change: func(q *request) { q.RebalanceTimeoutMS = -1 }, code: kerr.InvalidRequest.Code, message: "RebalanceTimeoutMs must be provided in first request."},
		"owned unknown":           {change: func(q *request) { q.TopicPartitions = nil }, code: kerr.InvalidRequest.Code, message: "TopicPartitions must be empty when (re-)joining."},
		"no subscription":         {change: func(q *request) { q.SubscribedTopicNames = nil }, code: kerr.InvalidRequest.Code, message: "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."},
		"static leave":            {change: func(q *request) { q.MemberEpoch = -2 }, code: kerr.InvalidRequest.Code, message: "InstanceId can't be null."},
		"no such epoch":           {change: func(q *request) { q.MemberEpoch = -3 }, code: kerr.InvalidRequest.Code, message: "MemberEpoch is invalid."},
		"unknown assignor":        {change: func(q *request) { q.ServerAssignor = &blank }, code: kerr.UnsupportedAssignor.Code, message: "ServerAssignor   is not supported. Supported assignors: uniform, range."},
	} {
		t.Run(name, func(t *testing.T) {
			m := newOneMachine(t)
			m.err = c.down
			h := &ConsumerGroupHeartbeat{Groups: m, Authorizer: c.rights, Enabled: on, Assignors: []string{"uniform", "range"}}
			if c.rights == nil {
				h.Authorizer = auth.AllowAll{}
			}
			if c.off {
				h.Enabled = off
			}
			got := ask(t, h, c.version, joins(c.change)).(*wire.ConsumerGroupHeartbeatResponse)
			message := ""
			if got.ErrorMessage != nil {
				message = *got.ErrorMessage
			}
			if got.ErrorCode != c.code || message != c.message {
				t.Errorf("%d %q", got.ErrorCode, message)
			}
			if c.code == 0 && (got.Assignment == nil || len(got.Assignment.TopicPartitions) != 1) {
				t.Errorf("assigned %v", got.Assignment)
			}
		})
	}
}

// TestConsumerGroupDescribe: groups with an error each, and rights to what is in them.
func TestConsumerGroupDescribe(t *testing.T) {
	m := newOneMachine(t)
	heartbeat := &ConsumerGroupHeartbeat{Groups: m, Authorizer: auth.AllowAll{}, Enabled: on, Assignors: []string{"uniform"}}
	if got := ask(t, heartbeat, 1, joins(nil)).(*wire.ConsumerGroupHeartbeatResponse); got.ErrorCode != 0 {
		t.Fatal(got.ErrorCode)
	}
	q := &wire.ConsumerGroupDescribeRequest{GroupIDs: []string{"", "g", "h"}, IncludeAuthorizedOperations: true}
	for name, c := range map[string]struct {
		rights auth.Authorizer
		off    bool
		want   map[string]int16
	}{
		"all":            {rights: auth.AllowAll{}, want: map[string]int16{"": kerr.InvalidGroupID.Code, "g": 0, "h": kerr.GroupIDNotFound.Code}},
		"no feature":     {rights: auth.AllowAll{}, off: true, want: map[string]int16{"": kerr.UnsupportedVersion.Code, "g": kerr.UnsupportedVersion.Code, "h": kerr.UnsupportedVersion.Code}},
		"no group right": {rights: noRights{auth.Describe, auth.Group}, want: map[string]int16{"": kerr.GroupAuthorizationFailed.Code, "g": kerr.GroupAuthorizationFailed.Code, "h": kerr.GroupAuthorizationFailed.Code}},
		"no topic right": {rights: noRights{auth.Describe, auth.Topic}, want: map[string]int16{"": kerr.InvalidGroupID.Code, "g": kerr.TopicAuthorizationFailed.Code, "h": kerr.GroupIDNotFound.Code}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &ConsumerGroupDescribe{Groups: m, Authorizer: c.rights, Enabled: on}
			if c.off {
				h.Enabled = off
			}
			got := ask(t, h, 1, q).(*wire.ConsumerGroupDescribeResponse)
			if len(got.Groups) != len(c.want) {
				t.Fatalf("%d groups", len(got.Groups))
			}
			for _, g := range got.Groups {
				if g.ErrorCode != c.want[g.GroupID] {
					t.Errorf("%q: error %d, want %d", g.GroupID, g.ErrorCode, c.want[g.GroupID])
				}
				if (g.ErrorCode == 0) != (len(g.Members) == 1) || (g.ErrorCode == 0) != (g.AuthorizedOperations > 0) {
					t.Errorf("%q: %d members, operations %d", g.GroupID, len(g.Members), g.AuthorizedOperations)
				}
			}
		})
	}
}
