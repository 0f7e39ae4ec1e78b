package group

import (
	"bytes"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// classicState is where a classic group is in its rebalances.
//
//	          first member                 initial delay, or all have joined,
//	empty ───────────────▶ preparing ────────────────────────────▶ completing
//	  ▲                     │  ▲   ▲      or the time-out is over       │  │
//	  └─────────────────────┘  │   └────────────────────────────────────┘  │ the leader's assignment
//	    nobody is left         │      a member joins, leaves or is lost    ▼ is written
//	                           └──────────────────────────────────────── stable
type classicState uint8

const (
	empty      classicState = iota // no members; offsets perhaps
	preparing                      // members are joining
	completing                     // all have joined; the leader makes up its mind
	stable                         // every member has its assignment, or may ask for it
)

var classicStateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable"}

func (s classicState) String() string { return classicStateNames[s] }

// consumerProtocol is the protocol type of consumers, of which the coordinator
// knows how to read what they subscribe to.
const consumerProtocol = "consumer"

// classic is a classic group: one whose members decide among themselves, by a
// leader, who does what. It implements kind.
//
// The log has the generations that reached stable or empty. What came after the
// last of them is only here.
type classic struct {
	id      string
	written model.Offset // of the last record of the group, -1 when there is none

	state, before classicState
	since         int64 // when the state began, in milliseconds; -1 when the log does not say
	generation    int32
	protocol      string  // the protocol type; empty in a group that never had members
	name          *string // of the protocol chosen for this generation, nil for none
	leader        string  // a member id, empty for none
	members       roster
	invited       invited             // were given a member id and have not joined with it
	unsynced      map[string]struct{} // have not asked for their assignment
	topics        map[string]struct{} // that members subscribe to, nil when not known

	// While the group prepares its first generation: it began with nobody, and
	// waits for more members in steps of a delay.
	delay     time.Duration // the step being waited for
	delayLeft time.Duration // what may be waited after it
	newcomer  bool          // somebody has joined during this step
}

func newClassic(g *group) *classic {
	return &classic{id: g.id, written: -1, since: -1, members: newRoster(), unsynced: map[string]struct{}{}}
}

func (c *classic) typeName() string     { return "classic" }
func (c *classic) protocolType() string { return c.protocol }
func (c *classic) stateName() string    { return c.state.String() }
func (c *classic) isEmpty() bool        { return c.state == empty }
func (c *classic) lasting() bool        { return c.written >= 0 }

// simple reports whether the group never had members: it has committed offsets
// and no more.
func (c *classic) simple() bool {
	return c.protocol == "" && c.state == empty && c.invited.count() == 0
}

// mayCommit: who is no member may commit to a group without members.
func (c *classic) mayCommit(by committer) (func(string, model.TopicID, int32) error, error) {
	switch {
	case by.generation < 0 && c.state == empty:
		return nil, nil
	case by.generation >= 0 || by.member != "" || by.instance != nil:
		if err := c.mustBeMember(by.member, by.instance); err != nil {
			return nil, err
		}
		if by.generation != c.generation {
			return nil, kerr.IllegalGeneration
		}
	case !by.transactional && c.state != empty:
		return nil, kerr.UnknownMemberID
	}
	if !by.transactional && c.state == completing {
		return nil, kerr.RebalanceInProgress
	}
	return nil, nil
}

// committed: a commit is as good as a heartbeat.
func (c *classic) committed(m *Machine, id string) {
	if member := c.members.get(id); member != nil && (c.state == stable || c.state == preparing) {
		c.heard(m, member)
	}
}

func (c *classic) mayFetch(*string, int32) error { return nil }

func (c *classic) mayDelete() error {
	if c.state != empty {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (c *classic) mayDeleteOffsets() error {
	if c.state != empty && c.protocol != consumerProtocol {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (c *classic) subscribed(topic string) bool {
	if c.topics == nil {
		return c.protocol == consumerProtocol
	}
	_, ok := c.topics[topic]
	return ok
}

// retained: of a group that has had members, offsets are kept from when it
// became empty; of topics that a stable group does not read any more, from the
// commit (KIP-211).
func (c *classic) retained(committed int64) (int64, bool) {
	switch {
	case c.protocol == "":
		return committed, true
	case c.state == empty && c.since != -1:
		return c.since, true
	case c.state == empty:
		return committed, true
	case c.state == stable && c.protocol == consumerProtocol && c.topics != nil:
		return committed, true
	}
	return 0, false
}

func (c *classic) tombstones() []machine.Record {
	return []machine.Record{record(wire.GroupMetadataRecord, &wire.GroupMetadataKey{Group: c.id}, 0, nil)}
}

// serve begins the sessions of the members that the log has left. A group that
// is larger than allowed by now starts over, so that those who come too late for
// a place may commit before they go.
func (c *classic) serve(m *Machine) {
	for _, member := range c.members.all() {
		c.heard(m, member)
	}
	if c.members.count() > m.config.Classic.MaxSize {
		c.prepare(m)
	}
}

func (c *classic) gone(m *Machine) {
	for _, member := range c.members.all() {
		m.alarms.cancel(c.session(member.id))
	}
	for _, id := range c.invited.all() {
		m.alarms.cancel(c.session(id))
	}
	m.alarms.cancel(alarm{what: classicJoin, group: c.id})
	m.alarms.cancel(alarm{what: classicSync, group: c.id})
}

func (c *classic) session(member string) alarm {
	return alarm{what: classicSession, group: c.id, member: member}
}

// heard begins a member's session again.
func (c *classic) heard(m *Machine, member *member) {
	m.alarms.set(c.session(member.id), m.now.Add(member.sessionTimeout))
}

func (c *classic) become(m *Machine, s classicState) {
	c.before, c.state, c.since = c.state, s, m.millis()
}

// mustBeMember checks who asks. A static member that another has taken the place
// of is fenced.
func (c *classic) mustBeMember(id string, instance *string) error {
	if instance != nil {
		holder, ok := c.members.static[*instance]
		if !ok {
			return kerr.UnknownMemberID
		}
		if holder != id {
			return kerr.FencedInstanceID
		}
	}
	if c.members.get(id) == nil {
		return kerr.UnknownMemberID
	}
	return nil
}

// remove takes a member out, without an answer to what it may wait for.
func (c *classic) remove(m *Machine, id string) {
	m.alarms.cancel(c.session(id))
	c.invited.remove(id)
	delete(c.unsynced, id)
	c.members.remove(id)
	if c.leader == id {
		c.leader = c.members.first()
	}
}

// record is the group as it goes into the log. Assignments that are missing are empty.
func (c *classic) record() machine.Record {
	v := &wire.GroupMetadataValue{
		ProtocolType: c.protocol, Generation: c.generation, Protocol: c.name, CurrentStateTimestamp: c.since,
		Members: make([]wire.GroupMetadataValueMember, 0, c.members.count()),
	}
	if c.leader != "" {
		v.Leader = &c.leader
	}
	for _, member := range c.members.all() {
		v.Members = append(v.Members, wire.GroupMetadataValueMember{
			MemberID: member.id, GroupInstanceID: member.instance, ClientID: member.clientID, ClientHost: member.clientHost,
			RebalanceTimeout: int32(member.rebalanceTimeout.Milliseconds()), SessionTimeout: int32(member.sessionTimeout.Milliseconds()),
			Subscription: member.metadata(text(c.name)), Assignment: member.assignment,
		})
	}
	return c.recordOf(v)
}

func (c *classic) recordOf(v *wire.GroupMetadataValue) machine.Record {
	return record(wire.GroupMetadataRecord, &wire.GroupMetadataKey{Group: c.id}, metadataVersion, v)
}

// foldClassic takes in the record of a classic group, nil for a tombstone. While
// the group is served, the record is one that it has just written, so that it
// knows what is in it and more; but a group that was a consumer group until just now
// does not.
func (m *Machine) foldClassic(at model.Offset, k *wire.GroupMetadataKey, v *wire.GroupMetadataValue) {
	g := m.groups[k.Group]
	if v == nil {
		if g == nil {
			return
		}
		if _, ok := g.kind.(*classic); ok {
			m.become(g, newClassic(g))
			m.dropHusk(g)
		}
		return
	}
	known := g != nil
	g = m.group(k.Group)
	if c, ok := g.kind.(*classic); ok && known && m.serving && (c.lasting() || !c.simple()) {
		c.written = at
		return
	}
	c := newClassic(g)
	c.load(v)
	c.written = at
	m.become(g, c)
}

// load makes the group what a record says.
func (c *classic) load(v *wire.GroupMetadataValue) {
	c.generation, c.protocol, c.name, c.leader, c.since = v.Generation, v.ProtocolType, v.Protocol, text(v.Leader), v.CurrentStateTimestamp
	for i := range v.Members {
		in := &v.Members[i]
		rebalance := in.RebalanceTimeout
		if rebalance == -1 {
			rebalance = in.SessionTimeout
		}
		if c.members.has(in.MemberID, in.GroupInstanceID) {
			continue // no coordinator writes that
		}
		c.members.add(&member{
			id: in.MemberID, instance: in.GroupInstanceID, clientID: in.ClientID, clientHost: in.ClientHost,
			rebalanceTimeout: millis(rebalance), sessionTimeout: millis(in.SessionTimeout),
			protocols:  []memberProtocol{{text(v.Protocol), bytes.Clone(in.Subscription)}},
			assignment: bytes.Clone(in.Assignment),
		})
	}
	if c.members.count() > 0 {
		c.state = stable
	}
	c.topics = c.subscriptions()
}

func millis(ms int32) time.Duration { return time.Duration(ms) * time.Millisecond }

// describe is the group for DescribeGroups. What members subscribe to is shown
// of a stable group only: in others it belongs to no protocol.
func (c *classic) describe(d *wire.DescribeGroupsResponseGroup) {
	d.GroupState, d.ProtocolType = c.state.String(), c.protocol
	if c.state == stable {
		d.ProtocolData = text(c.name)
	}
	for _, member := range c.members.all() {
		out := wire.DescribeGroupsResponseMember{
			MemberID: member.id, GroupInstanceID: member.instance, ClientID: member.clientID, ClientHost: member.clientHost,
			MemberAssignment: member.assignment,
		}
		if c.state == stable {
			out.MemberMetadata = member.metadata(text(c.name))
		}
		d.Members = append(d.Members, out)
	}
}
