package consumer

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// harness is a coordinator of one group: it appends, folds and rings alarms, and
// after each call compares the group with what its log makes of it.
type harness struct {
	t      *testing.T
	now    time.Time
	draft  *metadata.Draft
	topics *Topics
	offset model.Offset
	config Config
	hidden map[string]bool // topics that nobody may describe
	ids    int

	group  *Group
	old    *Classic // the group while it is a classic one
	alarms map[alarmName]time.Time
	log    []machine.Record
	last   map[string]int // the last record of each key
	calls  int
}

type alarmName struct {
	kind   Alarm
	member string
}

func newHarness(t *testing.T) *harness {
	limits := func(d time.Duration) Limits { return Limits{Default: d, Min: d / 2, Max: d * 2} }
	h := &harness{
		t: t, now: time.UnixMilli(1_000_000), draft: metadata.NewDraft(metadata.Empty), hidden: map[string]bool{},
		group: New("g"), alarms: map[alarmName]time.Time{}, last: map[string]int{},
		config: Config{
			SessionTimeout: limits(45 * time.Second), HeartbeatInterval: limits(5 * time.Second), AssignmentInterval: limits(0),
			MaxSize: 1000, Assignors: []string{"uniform", "range"}, Migration: ParsePolicy("bidirectional"),
			RegexRefresh: 10 * time.Minute, ClassicMaxSize: 1000,
		},
	}
	img, _ := h.draft.Image(0, 0)
	h.topics = NewTopics(img)
	return h
}

func (h *harness) Allowed(_ auth.Principal, _ string, _ auth.Operation, _ auth.ResourceType, name string) bool {
	return !h.hidden[name]
}

func (h *harness) Set(kind Alarm, member string, at time.Time) {
	h.alarms[alarmName{kind, member}] = at
}

func (h *harness) SetIfAbsent(kind Alarm, member string, at time.Time) {
	if _, ok := h.alarms[alarmName{kind, member}]; !ok {
		h.Set(kind, member, at)
	}
}

func (h *harness) Cancel(kind Alarm, member string) { delete(h.alarms, alarmName{kind, member}) }

func (h *harness) call() *Call {
	return &Call{
		Now: h.now, Config: &h.config, Topics: h.topics, Alarms: h, Authorizer: h,
		NewID: func() string { h.ids++; return fmt.Sprintf("id-%d", h.ids) },
	}
}

// topicID is the id of the topic, 0 when there is none.
func (h *harness) topicID(name string) model.TopicID {
	if topic := h.topics.img.Topic(name); topic != nil {
		return topic.ID
	}
	return model.TopicID{}
}

// newTopicID is an id that no topic has had; the name can be read in it.
func (h *harness) newTopicID(name string) model.TopicID {
	h.ids++
	id := model.TopicID{14: byte(h.ids >> 8), 15: byte(h.ids)}
	copy(id[:14], name)
	return id
}

func nameOf(id model.TopicID) string { return strings.TrimRight(string(id[:14]), "\x00") }

// metadata applies records and shows the image.
func (h *harness) metadata(records ...wire.Record) {
	h.t.Helper()
	for _, r := range records {
		h.offset++
		if err := h.draft.Apply(r, h.offset); err != nil {
			h.t.Fatal(err)
		}
	}
	old := h.topics.img
	img, _ := h.draft.Image(h.offset, 0)
	h.topics.Update(img, h.group.UsesRegex())
	h.group.TopicsChanged(h.topics.Changed(old))
}

// topic creates a topic or adds partitions to it.
func (h *harness) topic(name string, partitions int) {
	h.t.Helper()
	var records []wire.Record
	have, id := 0, h.topicID(name)
	if topic := h.topics.img.Topic(name); topic != nil {
		have = len(topic.Partitions)
	} else {
		id = h.newTopicID(name)
		records = append(records, &wire.TopicRecord{Name: name, TopicID: model.UUID(id)})
	}
	for i := have; i < partitions; i++ {
		records = append(records, &wire.PartitionRecord{
			PartitionID: int32(i), TopicID: model.UUID(id), Replicas: []int32{1}, ISR: []int32{1}, Leader: 1,
		})
	}
	h.metadata(records...)
}

func (h *harness) deleteTopic(name string) {
	h.metadata(&wire.RemoveTopicRecord{TopicID: model.UUID(h.topicID(name))})
}

// done appends the records of a call, unless it failed, and folds them.
func (h *harness) done(c *Call, err error) []machine.Record {
	h.t.Helper()
	if err != nil {
		return nil
	}
	for _, r := range c.Records {
		h.last[string(r.Key)] = len(h.log)
		h.log = append(h.log, r)
		if member := h.fold(h.group, r); member != "" {
			h.group.Arm(h.call(), member)
		}
	}
	h.maybeClassic(c.Records)
	if len(c.Records) > 0 {
		h.compare()
	}
	return c.Records
}

// fold folds a record, of a classic group none.
func (h *harness) fold(g *Group, r machine.Record) string {
	h.t.Helper()
	key, value := decoded(h.t, r)
	if _, ok := GroupOf(key); !ok {
		return ""
	}
	return g.Fold(key, value)
}

// maybeClassic takes over the group when it has become a classic one.
func (h *harness) maybeClassic(records []machine.Record) {
	for _, r := range records {
		key, value := decoded(h.t, r)
		if _, ok := key.(*wire.GroupMetadataKey); !ok {
			continue
		}
		h.old = nil
		v, ok := value.(*wire.GroupMetadataValue)
		if !ok {
			continue
		}
		if !h.group.Gone() {
			h.t.Fatalf("the group has become classic and is still there:\n%s", written(h.group))
		}
		h.group.Stop(h)
		h.group, h.alarms = New("g"), map[alarmName]time.Time{}
		h.old = classicOf(v)
	}
}

func classicOf(v *wire.GroupMetadataValue) *Classic {
	old := &Classic{Generation: v.Generation, ProtocolType: v.ProtocolType}
	for _, m := range v.Members {
		old.Members = append(old.Members, ClassicMember{
			ID: m.MemberID, InstanceID: m.GroupInstanceID, ClientID: m.ClientID, ClientHost: m.ClientHost,
			RebalanceTimeoutMS: m.RebalanceTimeout, SessionTimeoutMS: m.SessionTimeout,
			Protocols:    []wire.ConsumerGroupMemberMetadataValueProtocol{{Name: *v.Protocol, Metadata: m.Subscription}},
			Subscription: m.Subscription, Assignment: m.Assignment,
		})
	}
	return old
}

// heartbeat sends a heartbeat, which makes a consumer group of a classic one.
func (h *harness) heartbeat(r *wire.ConsumerGroupHeartbeatRequest) (*wire.ConsumerGroupHeartbeatResponse, []machine.Record, error) {
	h.t.Helper()
	c, g := h.call(), h.group
	if h.old != nil && r.MemberEpoch == 0 {
		c.add(record(wire.GroupMetadataRecord, &wire.GroupMetadataKey{Group: "g"}, nil))
		upgraded, err := Upgrade(c, "g", h.old)
		if err != nil {
			return nil, nil, err
		}
		g = upgraded
	}
	response, err := g.Heartbeat(c, Client{ID: "client", Host: "/1.2.3.4"}, r)
	return response, h.done(c, err), err
}

// tick lets the time pass to t, ringing what is due.
func (h *harness) tick(t time.Time) {
	h.t.Helper()
	for {
		name, ok := h.next()
		if !ok || h.alarms[name].After(t) {
			break
		}
		h.now = later(h.now, h.alarms[name])
		delete(h.alarms, name)
		c := h.call()
		h.group.Ring(c, name.kind, name.member)
		h.done(c, nil)
	}
	h.now = later(h.now, t)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// next is the alarm that rings first.
func (h *harness) next() (alarmName, bool) {
	names := slices.SortedFunc(maps.Keys(h.alarms), func(a, b alarmName) int {
		if c := h.alarms[a].Compare(h.alarms[b]); c != 0 {
			return c
		}
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	if len(names) == 0 {
		return alarmName{}, false
	}
	return names[0], true
}

// compare holds the group against replays of the log: compacted, without tombstones or,
// now and then, with them; and now and then, since that takes its time, whole.
func (h *harness) compare() {
	h.t.Helper()
	want := written(h.group)
	logs := [][]machine.Record{h.compacted(h.calls%8 == 0)}
	if h.calls++; h.calls%50 == 0 {
		logs = append(logs, h.log)
	}
	for _, log := range logs {
		g := New("g")
		for _, r := range log {
			h.fold(g, r)
		}
		if got := written(g); got != want {
			h.t.Fatalf("a replay makes\n%s\nof a log that has made\n%s", got, want)
		}
	}
}

// compacted keeps the last record of each key.
func (h *harness) compacted(tombstones bool) []machine.Record {
	var kept []machine.Record
	for _, i := range slices.Sorted(maps.Values(h.last)) {
		if r := h.log[i]; tombstones || r.Value != nil {
			kept = append(kept, r)
		}
	}
	return kept
}

// written is all that a group holds, but what is soft.
func written(g *Group) string {
	var b strings.Builder
	fmt.Fprintf(&b, "epoch %d %d %v target %d %d %v legacy %v\n", g.epoch, g.hash, g.written, g.target, g.targetTime, g.targetWritten, g.legacy)
	for _, m := range g.Members() {
		fmt.Fprintf(&b, "%s: %s target %s\n", m.ID, memberText(m), assignmentText(g.targets[m.ID]))
		meta, _ := wire.Encode(0, &m.Meta)
		fmt.Fprintf(&b, "  %x\n", meta)
	}
	fmt.Fprintf(&b, "targets of %v early %v\n", slices.Sorted(maps.Keys(g.targets)), g.early)
	for _, r := range slices.Sorted(maps.Keys(g.regexes)) {
		fmt.Fprintf(&b, "%s: %v\n", r, *g.regexes[r])
	}
	fmt.Fprintln(&b, g.static, g.names, g.matched, g.expressions, g.assignors, g.classic, g.protocols)
	held := map[string]int{}
	for s, n := range g.holders {
		held[fmt.Sprint(nameOf(s.topic), s.partition)] = n
	}
	fmt.Fprintln(&b, held)
	return b.String()
}

func decoded(t *testing.T, r machine.Record) (key, value wire.Message) {
	t.Helper()
	kind := int16(binary.BigEndian.Uint16(r.Key))
	kinds := map[int16][2]func() wire.Message{
		2:  {func() wire.Message { return new(wire.GroupMetadataKey) }, func() wire.Message { return new(wire.GroupMetadataValue) }},
		3:  {func() wire.Message { return new(wire.ConsumerGroupMetadataKey) }, func() wire.Message { return new(wire.ConsumerGroupMetadataValue) }},
		4:  {func() wire.Message { return new(wire.ConsumerGroupPartitionMetadataKey) }, func() wire.Message { return new(wire.ConsumerGroupPartitionMetadataValue) }},
		5:  {func() wire.Message { return new(wire.ConsumerGroupMemberMetadataKey) }, func() wire.Message { return new(wire.ConsumerGroupMemberMetadataValue) }},
		6:  {func() wire.Message { return new(wire.ConsumerGroupTargetAssignmentMetadataKey) }, func() wire.Message { return new(wire.ConsumerGroupTargetAssignmentMetadataValue) }},
		7:  {func() wire.Message { return new(wire.ConsumerGroupTargetAssignmentMemberKey) }, func() wire.Message { return new(wire.ConsumerGroupTargetAssignmentMemberValue) }},
		8:  {func() wire.Message { return new(wire.ConsumerGroupCurrentMemberAssignmentKey) }, func() wire.Message { return new(wire.ConsumerGroupCurrentMemberAssignmentValue) }},
		16: {func() wire.Message { return new(wire.ConsumerGroupRegularExpressionKey) }, func() wire.Message { return new(wire.ConsumerGroupRegularExpressionValue) }},
	}
	key = kinds[kind][0]()
	if err := wire.Decode(r.Key[2:], 0, key); err != nil {
		t.Fatal(err)
	}
	if r.Value == nil {
		return key, nil
	}
	value = kinds[kind][1]()
	if err := wire.Decode(r.Value[2:], int16(binary.BigEndian.Uint16(r.Value)), value); err != nil {
		t.Fatal(err)
	}
	return key, value
}
