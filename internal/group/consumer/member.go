package consumer

import (
	"cmp"
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// State is where a member is on its way to its target assignment.
//
//	            target moves on,                    all given up
//	stable ──── must give partitions up ──▶ unrevoked ───────────────┐
//	  ▲  │                                                           │
//	  │  └── target moves on, others still hold what it gets ──▶ unreleased
//	  └──────────────── all that it gets is free ────────────────────┘
//
// A member's epoch moves to the target's when it leaves stable or unrevoked: an
// unreleased member is at the target's epoch and waits for partitions only.
type State int8

// The states, as records have them. What Kafka may add later is none of these.
const (
	Stable     State = 0
	Unrevoked  State = 1
	Unreleased State = 2
)

// leavingStatic is the epoch of a static member that has gone and may come back.
const (
	leaving       = -1
	leavingStatic = -2
)

// Owned is partitions with the epoch at which the member got each. It is never
// changed once it is made.
type Owned map[model.TopicID]map[int32]int32

// Member is a member of the group. It is never changed once it is made.
type Member struct {
	ID   string
	Meta wire.ConsumerGroupMemberMetadataValue // topic names sorted, without repeats
	current
}

// current is what a member has. It is what a CurrentMemberAssignment record says.
type current struct {
	Epoch    int32
	Previous int32
	State    State
	Assigned Owned
	Revoking Owned // partitions that it must give up first
}

var newcomer = current{Epoch: 0, Previous: -1, State: Stable}

func newMember(id string) *Member {
	return &Member{ID: id, Meta: wire.ConsumerGroupMemberMetadataValue{RebalanceTimeoutMS: -1, SubscribedTopicRegex: new(string)}, current: newcomer}
}

// Classic reports whether the member speaks the classic protocol.
func (m *Member) Classic() bool { return m.Meta.ClassicMemberMetadata != nil }

func (m *Member) regex() string               { return text(m.Meta.SubscribedTopicRegex) }
func (m *Member) reconciled(epoch int32) bool { return m.State == Stable && m.Epoch == epoch }

// moved is the member at an epoch, with new partitions.
func (m *Member) moved(epoch int32, state State, assigned, revoking Owned) *Member {
	n := *m
	n.Previous, n.Epoch, n.State, n.Assigned, n.Revoking = m.Epoch, epoch, state, assigned, revoking
	return &n
}

// equal compares what the members have.
func (c *current) equal(o *current) bool {
	return c.Epoch == o.Epoch && c.Previous == o.Previous && c.State == o.State && c.Assigned.equal(o.Assigned) && c.Revoking.equal(o.Revoking)
}

func (o Owned) equal(p Owned) bool { return maps.EqualFunc(o, p, maps.Equal[map[int32]int32]) }

func (o Owned) has(topic model.TopicID, partition int32) bool {
	_, ok := o[topic][partition]
	return ok
}

// topics are the topics in the order of their ids.
func (o Owned) topics() []model.TopicID { return slices.SortedFunc(maps.Keys(o), compareTopics) }

// all calls for each partition; in no order.
func (o Owned) all(call func(slot)) {
	for topic, partitions := range o {
		for p := range partitions {
			call(slot{topic, p})
		}
	}
}

// plus is the union; where both have a partition, the other's epoch counts.
func (o Owned) plus(other Owned) Owned {
	if len(other) == 0 {
		return o
	}
	sum := maps.Clone(o)
	if sum == nil {
		sum = Owned{}
	}
	for topic, partitions := range other {
		both := maps.Clone(sum[topic])
		if both == nil {
			both = map[int32]int32{}
		}
		maps.Copy(both, partitions)
		sum[topic] = both
	}
	return sum
}

// at is the same partitions, all got at one epoch.
func (o Owned) at(epoch int32) Owned {
	same := make(Owned, len(o))
	for topic, partitions := range o {
		same[topic] = make(map[int32]int32, len(partitions))
		for p := range partitions {
			same[topic][p] = epoch
		}
	}
	return same
}

// slot is a partition of a topic.
type slot struct {
	topic     model.TopicID
	partition int32
}

// sameMeta reports whether two members' records would be the same.
func sameMeta(a, b *wire.ConsumerGroupMemberMetadataValue) bool {
	return sameText(a.InstanceID, b.InstanceID) && sameText(a.RackID, b.RackID) && a.ClientID == b.ClientID && a.ClientHost == b.ClientHost &&
		slices.Equal(a.SubscribedTopicNames, b.SubscribedTopicNames) && text(a.SubscribedTopicRegex) == text(b.SubscribedTopicRegex) &&
		a.RebalanceTimeoutMS == b.RebalanceTimeoutMS && sameText(a.ServerAssignor, b.ServerAssignor) &&
		sameClassic(a.ClassicMemberMetadata, b.ClassicMemberMetadata)
}

func sameClassic(a, b *wire.ConsumerGroupMemberMetadataValueClassic) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SessionTimeoutMS == b.SessionTimeoutMS &&
		slices.EqualFunc(a.SupportedProtocols, b.SupportedProtocols, func(a, b wire.ConsumerGroupMemberMetadataValueProtocol) bool {
			return a.Name == b.Name && string(a.Metadata) == string(b.Metadata)
		})
}

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// text is the string, empty for null.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// set is the strings sorted and without repeats.
func set(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

func compareTopics(a, b model.TopicID) int { return cmp.Compare(string(a[:]), string(b[:])) }
