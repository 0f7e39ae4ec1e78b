package group

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// coordinators are three that answer what a test says, and remember what they
// were asked.
type coordinators struct {
	answer  func(r group.Request) (any, error)
	asked   []group.Request
	loading bool
}

func (c *coordinators) PartitionFor(key string) int32 { return coordinator.PartitionFor(key, 3) }

func (c *coordinators) Call(_ context.Context, _ int32, request any) (any, error) {
	r := request.(group.Request)
	c.asked = append(c.asked, r)
	return c.answer(r)
}

func (c *coordinators) Each(ctx context.Context, request any) ([]any, bool) {
	answer, _ := c.Call(ctx, 0, request)
	return []any{answer}, c.loading
}

// without allows everything but what it names: "READ GROUP g".
type without []string

func (w without) Allowed(_ auth.Principal, _ string, op auth.Operation, rt auth.ResourceType, name string) bool {
	return !slices.Contains(w, fmt.Sprintf("%v %v %s", op, rt, name))
}

func requestFrom(version int16, body wire.Request) *server.Request {
	id := "client"
	return &server.Request{Header: wire.RequestHeader{APIKey: body.Key(), APIVersion: version, ClientID: &id}, Body: body,
		ClientAddr: netip.MustParseAddr("10.0.0.7"), ClientHost: "10.0.0.7"}
}

// topics is an image of topics with two partitions each.
func topics(t *testing.T, names ...string) func() *metadata.Image {
	t.Helper()
	d := metadata.NewDraft(metadata.Empty)
	for i, name := range names {
		id := idOf(i)
		records := []wire.Record{&wire.TopicRecord{Name: name, TopicID: id}}
		for p := range int32(2) {
			r := &wire.PartitionRecord{}
			r.Reset()
			r.PartitionID, r.TopicID, r.Leader, r.Replicas, r.ISR, r.Directories = p, id, 1, []int32{1}, []int32{1}, make([]model.UUID, 1)
			records = append(records, r)
		}
		for _, r := range records {
			if err := d.Apply(r, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	img, _ := d.Image(0, 0)
	return func() *metadata.Image { return img }
}

func idOf(topic int) model.UUID { return model.UUID{15: byte(200 + topic)} }

// TestRightsOnGroups: who may not, and who names no group, is refused before any
// coordinator is asked.
func TestRightsOnGroups(t *testing.T) {
	image := topics(t)
	for _, c := range []struct {
		name  string
		right string
		body  func(id string) wire.Request
		serve func(g Coordinators, a auth.Authorizer) server.Handler
		code  func(wire.Response) int16
	}{
		{"JoinGroup", "READ", func(id string) wire.Request { return &wire.JoinGroupRequest{GroupID: id, SessionTimeoutMS: 10} },
			func(g Coordinators, a auth.Authorizer) server.Handler {
				return &JoinGroup{Groups: g, Authorizer: a, MinSession: 10, MaxSession: 20}
			}, func(r wire.Response) int16 { return r.(*wire.JoinGroupResponse).ErrorCode }},
		{"SyncGroup", "READ", func(id string) wire.Request { return &wire.SyncGroupRequest{GroupID: id} },
			func(g Coordinators, a auth.Authorizer) server.Handler { return &SyncGroup{g, a} },
			func(r wire.Response) int16 { return r.(*wire.SyncGroupResponse).ErrorCode }},
		{"Heartbeat", "READ", func(id string) wire.Request { return &wire.HeartbeatRequest{GroupID: id} },
			func(g Coordinators, a auth.Authorizer) server.Handler { return &Heartbeat{g, a} },
			func(r wire.Response) int16 { return r.(*wire.HeartbeatResponse).ErrorCode }},
		{"LeaveGroup", "READ", func(id string) wire.Request { return &wire.LeaveGroupRequest{GroupID: id} },
			func(g Coordinators, a auth.Authorizer) server.Handler { return &LeaveGroup{g, a} },
			func(r wire.Response) int16 { return r.(*wire.LeaveGroupResponse).ErrorCode }},
		{"OffsetDelete", "DELETE", func(id string) wire.Request { return &wire.OffsetDeleteRequest{GroupID: id} },
			func(g Coordinators, a auth.Authorizer) server.Handler {
				return &OffsetDelete{Groups: g, Image: image, Authorizer: a}
			}, func(r wire.Response) int16 { return r.(*wire.OffsetDeleteResponse).ErrorCode }},
	} {
		g := &coordinators{}
		h := c.serve(g, without{c.right + " GROUP g"})
		if got := c.code(h.Handle(t.Context(), requestFrom(4, c.body("g")))); got != kerr.GroupAuthorizationFailed.Code {
			t.Errorf("%s without the right: %d", c.name, got)
		}
		if got := c.code(h.Handle(t.Context(), requestFrom(4, c.body("")))); got != kerr.InvalidGroupID.Code {
			t.Errorf("%s without a group: %d", c.name, got)
		}
		g.answer = func(group.Request) (any, error) { return nil, kerr.NotCoordinator }
		if got := c.code(h.Handle(t.Context(), requestFrom(4, c.body("other")))); got != kerr.NotCoordinator.Code || len(g.asked) != 1 {
			t.Errorf("%s at the wrong broker: %d, asked %d times", c.name, got, len(g.asked))
		}
		if r := g.asked[0]; r.ClientID != "client" || r.ClientHost != "/10.0.0.7" || r.Version != 4 {
			t.Errorf("%s: the coordinator was asked by %+v", c.name, r)
		}
	}
}

// TestJoinGroup: session time-outs are bounded, and what the coordinator keeps is
// not in the frame.
func TestJoinGroup(t *testing.T) {
	g := &coordinators{answer: func(group.Request) (any, error) { return &wire.JoinGroupResponse{MemberID: "m"}, nil }}
	h := &JoinGroup{Groups: g, Authorizer: auth.AllowAll{}, MinSession: 10, MaxSession: 20}
	for timeout, want := range map[int32]int16{9: kerr.InvalidSessionTimeout.Code, 10: 0, 20: 0, 21: kerr.InvalidSessionTimeout.Code} {
		frame := []byte("metadata")
		q := &wire.JoinGroupRequest{GroupID: "g", SessionTimeoutMS: timeout, Protocols: []wire.JoinGroupRequestProtocol{{Name: "range", Metadata: frame}}}
		if got := h.Handle(t.Context(), requestFrom(9, q)).(*wire.JoinGroupResponse).ErrorCode; got != want {
			t.Errorf("session of %d ms: %d, want %d", timeout, got, want)
		}
		clear(frame)
	}
	for _, r := range g.asked {
		if got := r.Body.(*wire.JoinGroupRequest).Protocols[0].Metadata; string(got) != "metadata" {
			t.Errorf("the coordinator sees %q", got)
		}
	}
}

// TestSyncGroupNamesItsProtocol: from version 5 on (KIP-559).
func TestSyncGroupNamesItsProtocol(t *testing.T) {
	frame := []byte("assignment")
	g := &coordinators{answer: func(group.Request) (any, error) { return &wire.SyncGroupResponse{}, nil }}
	h := &SyncGroup{g, auth.AllowAll{}}
	q := &wire.SyncGroupRequest{GroupID: "g", Assignments: []wire.SyncGroupRequestAssignment{{MemberID: "m", Assignment: frame}}}
	if got := h.Handle(t.Context(), requestFrom(5, q)).(*wire.SyncGroupResponse).ErrorCode; got != kerr.InconsistentGroupProtocol.Code {
		t.Errorf("version 5: %d", got)
	}
	if got := h.Handle(t.Context(), requestFrom(4, q)).(*wire.SyncGroupResponse).ErrorCode; got != 0 {
		t.Errorf("version 4: %d", got)
	}
	clear(frame)
	if got := g.asked[0].Body.(*wire.SyncGroupRequest).Assignments[0].Assignment; string(got) != "assignment" {
		t.Errorf("the coordinator sees %q", got)
	}
}

// TestHeartbeatWhileLoading: a member need not know that its coordinator reads its log.
func TestHeartbeatWhileLoading(t *testing.T) {
	g := &coordinators{answer: func(group.Request) (any, error) { return nil, kerr.CoordinatorLoadInProgress }}
	h := &Heartbeat{g, auth.AllowAll{}}
	if got := h.Handle(t.Context(), requestFrom(4, &wire.HeartbeatRequest{GroupID: "g"})).(*wire.HeartbeatResponse).ErrorCode; got != 0 {
		t.Errorf("answered %d", got)
	}
}

// TestLeaveGroupAlone: before version 3 there is one member, and its error is the response's.
func TestLeaveGroupAlone(t *testing.T) {
	g := &coordinators{answer: func(r group.Request) (any, error) {
		out := &wire.LeaveGroupResponse{}
		for _, m := range r.Body.(*wire.LeaveGroupRequest).Members {
			out.Members = append(out.Members, wire.LeaveGroupResponseMember{MemberID: m.MemberID, ErrorCode: kerr.UnknownMemberID.Code})
		}
		return out, nil
	}}
	h := &LeaveGroup{g, auth.AllowAll{}}
	alone := h.Handle(t.Context(), requestFrom(2, &wire.LeaveGroupRequest{GroupID: "g", MemberID: "m"})).(*wire.LeaveGroupResponse)
	if alone.ErrorCode != kerr.UnknownMemberID.Code || alone.Members != nil {
		t.Errorf("version 2: %+v", alone)
	}
	several := h.Handle(t.Context(), requestFrom(3, &wire.LeaveGroupRequest{GroupID: "g", Members: []wire.LeaveGroupRequestMember{{MemberID: "a"}, {MemberID: "b"}}})).(*wire.LeaveGroupResponse)
	if several.ErrorCode != 0 || len(several.Members) != 2 {
		t.Errorf("version 3: %+v", several)
	}
}

func commitRequest(version int16, partitions ...int32) *wire.OffsetCommitRequest {
	q := &wire.OffsetCommitRequest{GroupID: "g"}
	for i, name := range []string{"known", "denied", "unknown"} {
		topic := wire.OffsetCommitRequestTopic{Name: name}
		if version >= topicIDsSince {
			topic.Name, topic.TopicID = "", idOf(i)
		}
		for _, p := range partitions {
			topic.Partitions = append(topic.Partitions, wire.OffsetCommitRequestPartition{PartitionIndex: p})
		}
		q.Topics = append(q.Topics, topic)
	}
	return q
}

func commitText(r *wire.OffsetCommitResponse) string {
	var out []string
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			out = append(out, fmt.Sprintf("%s%d-%d:%d", t.Name, t.TopicID[15], p.PartitionIndex, p.ErrorCode))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestOffsetCommit: what is not there or not allowed is refused here, the rest is
// the coordinator's; a topic is answered once.
func TestOffsetCommit(t *testing.T) {
	g := &coordinators{answer: func(r group.Request) (any, error) {
		return group.CommitRefused(r.Body.(*wire.OffsetCommitRequest), nil), nil
	}}
	h := &OffsetCommit{Groups: g, Image: topics(t, "known", "denied"), Authorizer: without{"READ TOPIC denied", "READ GROUP secret"}}
	for version, want := range map[int16]string{
		9:  "denied0-0:29 denied0-5:29 known200-0:0 known200-5:3 unknown0-0:3 unknown0-5:3",
		10: "202-0:100 202-5:100 denied201-0:29 denied201-5:29 known200-0:0 known200-5:3",
	} {
		got := h.Handle(t.Context(), requestFrom(version, commitRequest(version, 0, 5))).(*wire.OffsetCommitResponse)
		if commitText(got) != want {
			t.Errorf("version %d: %s, want %s", version, commitText(got), want)
		}
		if len(got.Topics) != 3 {
			t.Errorf("version %d: %d topics in the answer", version, len(got.Topics))
		}
	}
	asked := len(g.asked)
	q := commitRequest(9, 5)
	if got := h.Handle(t.Context(), requestFrom(9, q)).(*wire.OffsetCommitResponse); len(got.Topics) != 3 || len(g.asked) != asked {
		t.Errorf("nothing to commit: %+v", got)
	}
	q.GroupID = "secret"
	if got := commitText(h.Handle(t.Context(), requestFrom(9, q)).(*wire.OffsetCommitResponse)); got != "denied0-5:30 known0-5:30 unknown0-5:30" {
		t.Errorf("another's group: %s", got)
	}
	g.answer = func(group.Request) (any, error) { return nil, kerr.NotCoordinator }
	if got := commitText(h.Handle(t.Context(), requestFrom(9, commitRequest(9, 0))).(*wire.OffsetCommitResponse)); got != "denied0-0:16 known0-0:16 unknown0-0:16" {
		t.Errorf("at the wrong broker: %s", got)
	}
}

func fetchText(topics []wire.OffsetFetchResponseGroupTopic) string {
	var out []string
	for _, t := range topics {
		for _, p := range t.Partitions {
			out = append(out, fmt.Sprintf("%s%d-%d:%d:%d", t.Name, t.TopicID[15], p.PartitionIndex, p.CommittedOffset, p.ErrorCode))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// offsetsOf answers for the asked topics, or for three if all are asked for.
func offsetsOf(r group.Request) (any, error) {
	q := r.Body.(group.FetchOffsets).Group
	out := &wire.OffsetFetchResponseGroup{GroupID: q.GroupID}
	asked := q.Topics
	if asked == nil {
		for _, name := range []string{"known", "denied", "unknown"} {
			asked = append(asked, wire.OffsetFetchRequestGroupTopic{Name: name, PartitionIndexes: []int32{0}})
		}
	}
	for _, t := range asked {
		topic := wire.OffsetFetchResponseGroupTopic{Name: t.Name, TopicID: t.TopicID}
		for _, p := range t.PartitionIndexes {
			topic.Partitions = append(topic.Partitions, wire.OffsetFetchResponseGroupTopicPartition{PartitionIndex: p, CommittedOffset: 7})
		}
		out.Topics = append(out.Topics, topic)
	}
	return out, nil
}

func TestOffsetFetch(t *testing.T) {
	g := &coordinators{answer: offsetsOf}
	h := &OffsetFetch{Groups: g, Image: topics(t, "known", "denied"), Authorizer: without{"DESCRIBE TOPIC denied", "DESCRIBE GROUP secret"}}
	one := func(version int16, q *wire.OffsetFetchRequest) *wire.OffsetFetchResponse {
		return h.Handle(t.Context(), requestFrom(version, q)).(*wire.OffsetFetchResponse)
	}
	byName := []wire.OffsetFetchRequestGroupTopic{{Name: "known", PartitionIndexes: []int32{0}}, {Name: "denied", PartitionIndexes: []int32{0}}}
	byID := []wire.OffsetFetchRequestGroupTopic{{TopicID: idOf(0), PartitionIndexes: []int32{0}}, {TopicID: idOf(2), PartitionIndexes: []int32{0}}}
	for _, c := range []struct {
		name    string
		version int16
		topics  []wire.OffsetFetchRequestGroupTopic
		want    string
	}{
		{"some", 9, byName, "denied0-0:-1:29 known0-0:7:0"},
		{"some by id", 10, byID, "202-0:-1:100 known200-0:7:0"},
		{"all", 9, nil, "known0-0:7:0 unknown0-0:7:0"},
		{"all by id", 10, nil, "known200-0:7:0"}, // the unknown one has no id to be named by
	} {
		got := one(c.version, &wire.OffsetFetchRequest{Groups: []wire.OffsetFetchRequestGroup{{GroupID: "g", Topics: c.topics}, {GroupID: "secret", Topics: c.topics}}})
		if text := fetchText(got.Groups[0].Topics); text != c.want {
			t.Errorf("%s: %s, want %s", c.name, text, c.want)
		}
		if got.Groups[1].ErrorCode != kerr.GroupAuthorizationFailed.Code || len(got.Groups[1].Topics) > 0 {
			t.Errorf("%s: another's group: %+v", c.name, got.Groups[1])
		}
	}
	asked := []wire.OffsetFetchRequestTopic{{Name: "known", PartitionIndexes: []int32{0, 1}}}
	if got := one(7, &wire.OffsetFetchRequest{GroupID: "g", Topics: asked, RequireStable: true}); got.ErrorCode != 0 || len(got.Topics[0].Partitions) != 2 || got.Topics[0].Partitions[1].CommittedOffset != 7 {
		t.Errorf("version 7: %+v", got)
	}
	if !g.asked[len(g.asked)-1].Body.(group.FetchOffsets).RequireStable {
		t.Error("the coordinator was not asked for stable offsets")
	}
	g.answer = func(group.Request) (any, error) { return nil, kerr.NotCoordinator }
	if got := one(2, &wire.OffsetFetchRequest{GroupID: "g", Topics: asked}); got.ErrorCode != kerr.NotCoordinator.Code || len(got.Topics) > 0 {
		t.Errorf("version 2 at the wrong broker: %+v", got)
	}
	if got := one(1, &wire.OffsetFetchRequest{GroupID: "g", Topics: asked}); got.Topics[0].Partitions[1].ErrorCode != kerr.NotCoordinator.Code {
		t.Errorf("version 1 at the wrong broker: %+v", got)
	}
}

func TestOffsetDelete(t *testing.T) {
	g := &coordinators{answer: func(r group.Request) (any, error) {
		out := &wire.OffsetDeleteResponse{}
		for _, topic := range r.Body.(*wire.OffsetDeleteRequest).Topics {
			answer := wire.OffsetDeleteResponseTopic{Name: topic.Name}
			for _, p := range topic.Partitions {
				answer.Partitions = append(answer.Partitions, wire.OffsetDeleteResponsePartition{PartitionIndex: p.PartitionIndex})
			}
			out.Topics = append(out.Topics, answer)
		}
		return out, nil
	}}
	h := &OffsetDelete{Groups: g, Image: topics(t, "known", "denied"), Authorizer: without{"READ TOPIC denied"}}
	q := &wire.OffsetDeleteRequest{GroupID: "g"}
	for _, name := range []string{"known", "denied", "unknown"} {
		q.Topics = append(q.Topics, wire.OffsetDeleteRequestTopic{Name: name, Partitions: []wire.OffsetDeleteRequestPartition{{PartitionIndex: 0}, {PartitionIndex: 5}}})
	}
	got := h.Handle(t.Context(), requestFrom(0, q)).(*wire.OffsetDeleteResponse)
	var out []string
	for _, topic := range got.Topics {
		for _, p := range topic.Partitions {
			out = append(out, fmt.Sprintf("%s-%d:%d", topic.Name, p.PartitionIndex, p.ErrorCode))
		}
	}
	slices.Sort(out)
	if want := "denied-0:29 denied-5:29 known-0:0 known-5:3 unknown-0:3 unknown-5:3"; strings.Join(out, " ") != want || len(got.Topics) != 3 {
		t.Errorf("%v, want %s", out, want)
	}
}

// TestSeveralGroups: groups are asked of their coordinators, each once, and rights
// are looked at one by one.
func TestSeveralGroups(t *testing.T) {
	broken := keyFor(1)
	g := &coordinators{answer: func(r group.Request) (any, error) {
		switch q := r.Body.(type) {
		case *wire.DescribeGroupsRequest:
			out := &wire.DescribeGroupsResponse{}
			for _, id := range q.Groups {
				if id == broken {
					return nil, kerr.NotCoordinator
				}
				out.Groups = append(out.Groups, wire.DescribeGroupsResponseGroup{GroupID: id})
			}
			return out, nil
		case *wire.DeleteGroupsRequest:
			out := &wire.DeleteGroupsResponse{}
			for _, id := range q.GroupsNames {
				if id == broken {
					return nil, kerr.NotCoordinator
				}
				out.Results = append(out.Results, wire.DeleteGroupsResponseResult{GroupID: id})
			}
			return out, nil
		}
		return nil, kerr.UnknownServerError
	}}
	a := without{"DESCRIBE GROUP secret", "DELETE GROUP secret", "ALTER_CONFIGS GROUP " + keyFor(0)}
	ids := []string{keyFor(0), "secret", broken, keyFor(0), keyFor(2), "secret"}
	described := (&DescribeGroups{g, a}).Handle(t.Context(), requestFrom(6, &wire.DescribeGroupsRequest{Groups: ids, IncludeAuthorizedOperations: true})).(*wire.DescribeGroupsResponse)
	codes := map[string]int16{}
	for i := range described.Groups {
		d := &described.Groups[i]
		codes[d.GroupID] = d.ErrorCode
		if want := int32(1<<auth.Read | 1<<auth.Delete | 1<<auth.Describe | 1<<auth.DescribeConfigs); d.GroupID == keyFor(0) && d.AuthorizedOperations != want {
			t.Errorf("rights on %s: %b, want %b", d.GroupID, d.AuthorizedOperations, want)
		}
	}
	want := map[string]int16{keyFor(0): 0, "secret": kerr.GroupAuthorizationFailed.Code, broken: kerr.NotCoordinator.Code, keyFor(2): 0}
	if fmt.Sprint(codes) != fmt.Sprint(want) {
		t.Errorf("described %v, want %v", codes, want)
	}
	deleted := (&DeleteGroups{g, a}).Handle(t.Context(), requestFrom(2, &wire.DeleteGroupsRequest{GroupsNames: ids})).(*wire.DeleteGroupsResponse)
	codes = map[string]int16{}
	for _, d := range deleted.Results {
		codes[d.GroupID] = d.ErrorCode
	}
	if fmt.Sprint(codes) != fmt.Sprint(want) || len(deleted.Results) != len(want) {
		t.Errorf("deleted %v of %d, want %v", codes, len(deleted.Results), want)
	}
}

func TestListGroups(t *testing.T) {
	g := &coordinators{answer: func(group.Request) (any, error) {
		return &wire.ListGroupsResponse{Groups: []wire.ListGroupsResponseGroup{{GroupID: "a"}, {GroupID: "b"}}}, nil
	}}
	for rights, want := range map[string]int{"": 2, "DESCRIBE GROUP a": 2, "DESCRIBE CLUSTER kafka-cluster,DESCRIBE GROUP a": 1} {
		h := &ListGroups{g, without(strings.Split(rights, ","))}
		if got := h.Handle(t.Context(), requestFrom(5, &wire.ListGroupsRequest{})).(*wire.ListGroupsResponse); len(got.Groups) != want {
			t.Errorf("without %q: %+v", rights, got.Groups)
		}
	}
	g.loading = true
	if got := (&ListGroups{g, auth.AllowAll{}}).Handle(t.Context(), requestFrom(5, &wire.ListGroupsRequest{})).(*wire.ListGroupsResponse); got.ErrorCode != kerr.CoordinatorLoadInProgress.Code {
		t.Errorf("while one is loading: %+v", got)
	}
}

// TestClientHost: as Java's InetAddress writes itself, which is what describes show.
func TestClientHost(t *testing.T) {
	for addr, want := range map[string]string{"10.0.0.7": "/10.0.0.7", "::1": "/0:0:0:0:0:0:0:1", "fe80::1:2": "/fe80:0:0:0:0:0:1:2"} {
		r := &server.Request{ClientAddr: netip.MustParseAddr(addr), ClientHost: addr}
		if got := clientHost(r); got != want {
			t.Errorf("%s is %s, want %s", addr, got, want)
		}
	}
	if got := clientHost(&server.Request{ClientHost: "pipe"}); got != "/pipe" {
		t.Errorf("without an address: %s", got)
	}
}
