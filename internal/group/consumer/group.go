// Package consumer is one consumer group of KIP-848: its members, the partitions
// that they own and those that they shall own, and every decision about them. It
// is pure.
//
// Three epochs carry the protocol. The group's epoch grows with each change of
// members, subscriptions or topics. The assignment's epoch is the group epoch for
// which the target assignment was computed. Each member's epoch is the assignment
// epoch that it has caught up with, in steps: it gives up what it must, then gets
// what others have given up. A partition has one owner at a time: it is given to a
// member only after the record that takes it from the one before.
//
//	subscriptions, topics ──▶ group epoch ──▶ target assignment ──▶ members, one by one
//
// A Group is the fold of its records. Each kind of record has a key of its own, and
// a Group is what the last record of each key says, so that it comes out the same
// after compaction. Decisions read the Group and write records; the Group changes
// when those are folded. The little that is not in records (Soft) may be lost.
//
// Members of classic groups may join (KIP-848's migration): for them JoinGroup,
// SyncGroup and Heartbeat stand in for the heartbeat of the new protocol.
package consumer

import (
	"maps"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/model"
)

// Group is a consumer group.
type Group struct {
	id      string
	epoch   int32 // initialEpoch when no record says
	hash    int64 // of the topics that the group epoch is for
	written bool  // there is a record of the epoch

	target        int32 // the assignment epoch, initialEpoch when no record says
	targetTime    int64 // when the assignment was computed, in milliseconds; 0 when not known
	targetWritten bool
	targets       map[string]assign.Assignment // by member id

	members map[string]*Member
	early   map[string]current   // of members whose metadata has not been folded yet
	regexes map[string]*Resolved // by the expression
	legacy  bool                 // there is a record of the topics as Kafka 4.0 wrote it

	// What follows from the above.
	static      map[string]string // member ids by instance id
	names       map[string]int    // topics that members name, and how many do
	matched     map[string]int    // topics that regular expressions match, and how many do
	expressions map[string]int    // regular expressions, and how many members have each
	assignors   map[string]int    // assignors, and how many members ask for each
	classic     int               // members of the classic protocol
	protocols   map[string]int    // of classic members, and how many know each
	holders     map[slot]int      // how many members hold a partition: one, when all is folded

	soft Soft
}

// initialEpoch is both epochs of a group of which no record says.
const initialEpoch = 1

// Resolved is a regular expression with the topics that it matches.
type Resolved struct {
	Topics  []string // sorted
	Version int64    // the metadata offset at which they were looked up
	At      int64    // and when, in milliseconds
}

// Soft is what a group knows for a time only.
type Soft struct {
	// The topics' hash need not be computed again before, unless the epoch is
	// below the one that it was computed for: then that record was refused.
	checkAt    time.Time
	checkEpoch int32
	// Who has caused a lookup of the regular expressions that is yet to be done.
	lookup *lookup
}

// New is a group without records.
func New(id string) *Group {
	return &Group{
		id: id, epoch: initialEpoch, target: initialEpoch,
		targets: map[string]assign.Assignment{}, members: map[string]*Member{}, early: map[string]current{}, regexes: map[string]*Resolved{},
		static: map[string]string{}, names: map[string]int{}, matched: map[string]int{}, expressions: map[string]int{},
		assignors: map[string]int{}, protocols: map[string]int{}, holders: map[slot]int{},
	}
}

// Inherit takes over what is not in records from a group that has decided them, and of
// which this one is made.
func (g *Group) Inherit(from *Group) { g.soft = from.soft }

// Empty reports whether the group has no members.
func (g *Group) Empty() bool { return len(g.members) == 0 }

// Gone reports whether nothing in the log stands for the group any more.
func (g *Group) Gone() bool {
	return len(g.members)+len(g.early)+len(g.targets)+len(g.regexes) == 0 && !g.written && !g.targetWritten && !g.legacy
}

// Members are the members in the order of their ids.
func (g *Group) Members() []*Member {
	all := make([]*Member, 0, len(g.members))
	for _, id := range slices.Sorted(maps.Keys(g.members)) {
		all = append(all, g.members[id])
	}
	return all
}

// Member is the member of an id, nil when there is none.
func (g *Group) Member(id string) *Member { return g.members[id] }

// StateName is the group's state, as ListGroups and describing say it.
func (g *Group) StateName() string {
	switch {
	case g.Empty():
		return "Empty"
	case g.epoch > g.target:
		return "Assigning"
	}
	for _, m := range g.members {
		if !m.reconciled(g.target) {
			return "Reconciling"
		}
	}
	return "Stable"
}

// Subscribes reports whether members of the group read the topic.
func (g *Group) Subscribes(topic string) bool { return g.names[topic]+g.matched[topic] > 0 }

// TopicsChanged makes the group look at its topics with the next heartbeat, if any
// that it reads is not what it was.
func (g *Group) TopicsChanged(changed func(topic string) bool) {
	for _, topics := range []map[string]int{g.names, g.matched} {
		for topic := range topics {
			if changed(topic) {
				g.soft.checkAt = time.Time{}
				return
			}
		}
	}
}

// UsesRegex reports whether new topics may belong to the group.
func (g *Group) UsesRegex() bool { return len(g.expressions) > 0 }

// free reports whether nobody holds the partition.
func (g *Group) free(topic model.TopicID, partition int32) bool {
	return g.holders[slot{topic, partition}] == 0
}

// staticMember is the member of an instance id, nil when there is none.
func (g *Group) staticMember(instance *string) *Member {
	if instance == nil {
		return nil
	}
	if id, ok := g.static[*instance]; ok {
		return g.members[id]
	}
	return nil
}

// targetOf is the target assignment of a member: of a static one, that of whoever
// has its instance id.
func (g *Group) targetOf(m *Member) assign.Assignment {
	if m.Meta.InstanceID == nil {
		return g.targets[m.ID]
	}
	return g.targets[g.static[*m.Meta.InstanceID]]
}

// replace puts a member in the place of another; either may be nil.
func (g *Group) replace(old, now *Member) {
	if old != nil {
		g.count(old, -1)
		if i := old.Meta.InstanceID; i != nil && g.static[*i] == old.ID {
			delete(g.static, *i)
		}
		delete(g.members, old.ID)
	}
	if now != nil {
		g.count(now, 1)
		if i := now.Meta.InstanceID; i != nil {
			g.static[*i] = now.ID
		}
		g.members[now.ID] = now
	}
}

// count adds a member to what follows from the members, or takes it out.
func (g *Group) count(m *Member, by int) {
	for _, topic := range m.Meta.SubscribedTopicNames {
		add(g.names, topic, by)
	}
	if r := m.regex(); r != "" {
		add(g.expressions, r, by)
	}
	if m.Meta.ServerAssignor != nil {
		add(g.assignors, *m.Meta.ServerAssignor, by)
	}
	if c := m.Meta.ClassicMemberMetadata; c != nil {
		g.classic += by
		for i := range c.SupportedProtocols {
			add(g.protocols, c.SupportedProtocols[i].Name, by)
		}
	}
	m.Assigned.all(func(s slot) { add(g.holders, s, by) })
	m.Revoking.all(func(s slot) { add(g.holders, s, by) })
}

func (g *Group) resolve(expression string, now *Resolved) {
	if old := g.regexes[expression]; old != nil {
		for _, topic := range old.Topics {
			add(g.matched, topic, -1)
		}
		delete(g.regexes, expression)
	}
	if now != nil {
		for _, topic := range now.Topics {
			add(g.matched, topic, 1)
		}
		g.regexes[expression] = now
	}
}

// add counts; what falls to nothing is dropped.
func add[K comparable](counts map[K]int, k K, by int) {
	if counts[k] += by; counts[k] == 0 {
		delete(counts, k)
	}
}
