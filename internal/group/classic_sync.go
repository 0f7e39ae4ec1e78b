package group

import (
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// sync is SyncGroup.
func (m *Machine) sync(t machine.Token, q *wire.SyncGroupRequest) {
	if k := m.consumers(q.GroupID); k != nil {
		k.sync(m, t, q)
		return
	}
	c := m.classic(q.GroupID)
	if c == nil || c.state == empty {
		m.replyNow(t, syncRefused(kerr.UnknownMemberID))
		return
	}
	if err := c.maySync(q); err != nil {
		m.replyNow(t, syncRefused(err))
		return
	}
	c.sync(m, t, q, c.members.get(q.MemberID))
}

// classic is the classic group of an id, nil when there is none.
func (m *Machine) classic(id string) *classic {
	g := m.groups[id]
	if g == nil {
		return nil
	}
	c, _ := g.kind.(*classic)
	return c
}

func (c *classic) maySync(q *wire.SyncGroupRequest) error {
	if err := c.mustBeMember(q.MemberID, q.GroupInstanceID); err != nil {
		return err
	}
	if q.GenerationID != c.generation {
		return kerr.IllegalGeneration
	}
	if q.ProtocolType != nil && *q.ProtocolType != c.protocol || q.ProtocolName != nil && (c.name == nil || *q.ProtocolName != *c.name) {
		return kerr.InconsistentGroupProtocol // KIP-559
	}
	return nil
}

func syncRefused(err error) *wire.SyncGroupResponse {
	return &wire.SyncGroupResponse{ErrorCode: kerr.Code(err), Assignment: []byte{}}
}

func (c *classic) sync(m *Machine, t machine.Token, q *wire.SyncGroupRequest, member *member) {
	switch c.state {
	case preparing:
		m.replyNow(t, syncRefused(kerr.RebalanceInProgress))
	case completing:
		if member.syncing != 0 { // the client has asked again on another connection
			c.answerSync(m, member, syncRefused(kerr.RebalanceInProgress))
		}
		member.syncing = t
		c.synced(m, member.id)
		if c.leader == member.id {
			c.assign(m, q)
		}
	default:
		c.synced(m, member.id)
		m.reply(t, c.assigned(member))
	}
}

// assign takes the leader's assignment. It is in force, and everybody told, once
// it is written.
func (c *classic) assign(m *Machine, q *wire.SyncGroupRequest) {
	for _, member := range c.members.all() {
		member.assignment = []byte{}
	}
	for i := range q.Assignments {
		if member := c.members.get(q.Assignments[i].MemberID); member != nil {
			member.assignment = q.Assignments[i].Assignment
		}
	}
	m.append(c.record())
	m.undo = unassigned{c, c.before, c.since}
	c.become(m, stable)
	for _, member := range c.members.all() {
		if member.syncing != 0 {
			c.answerSync(m, member, c.assigned(member))
			c.heard(m, member)
		}
	}
}

// unassigned takes an assignment back that could not be written: it is tried
// again from the start.
type unassigned struct {
	c      *classic
	before classicState
	since  int64
}

func (u unassigned) refused(m *Machine, err *kerr.Error) {
	u.c.state, u.c.before, u.c.since = completing, u.before, u.since
	u.c.abandonSync(m, err)
	u.c.prepare(m)
}

func (c *classic) assigned(member *member) *wire.SyncGroupResponse {
	protocol := c.protocol
	return &wire.SyncGroupResponse{ProtocolType: &protocol, ProtocolName: c.name, Assignment: member.assignment}
}

// answerSync ends a member's wait for its assignment, if it waits.
func (c *classic) answerSync(m *Machine, member *member, with *wire.SyncGroupResponse) {
	m.reply(member.syncing, with)
	member.syncing = 0
}

// abandonSync tells all who wait for an assignment that there will be none.
func (c *classic) abandonSync(m *Machine, err error) {
	for _, member := range c.members.all() {
		member.assignment = []byte{}
		if member.syncing != 0 {
			c.answerSync(m, member, syncRefused(err))
			c.heard(m, member)
		}
	}
}

// synced notes that a member has asked for its assignment.
func (c *classic) synced(m *Machine, id string) {
	delete(c.unsynced, id)
	if len(c.unsynced) == 0 {
		c.allSynced(m)
	}
}

func (c *classic) allSynced(m *Machine) {
	clear(c.unsynced)
	m.alarms.cancel(alarm{what: classicSync, group: c.id})
}

// syncOver puts those out who have joined and not asked for their assignment.
func (c *classic) syncOver(m *Machine) {
	if len(c.unsynced) == 0 || c.state != completing && c.state != stable {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.unsynced)) {
		c.remove(m, id)
	}
	c.prepare(m)
}

// heartbeat is Heartbeat.
func (m *Machine) heartbeat(t machine.Token, q *wire.HeartbeatRequest) {
	if k := m.consumers(q.GroupID); k != nil {
		k.heartbeat(m, t, q)
		return
	}
	err := error(kerr.UnknownMemberID)
	if c := m.classic(q.GroupID); c != nil {
		err = c.heartbeat(m, q)
	}
	m.replyNow(t, &wire.HeartbeatResponse{ErrorCode: kerr.Code(err)})
}

func (c *classic) heartbeat(m *Machine, q *wire.HeartbeatRequest) error {
	if err := c.mustBeMember(q.MemberID, q.GroupInstanceID); err != nil {
		return err
	}
	if q.GenerationID != c.generation {
		return kerr.IllegalGeneration
	}
	c.heard(m, c.members.get(q.MemberID))
	if c.state == preparing {
		return kerr.RebalanceInProgress
	}
	return nil
}
