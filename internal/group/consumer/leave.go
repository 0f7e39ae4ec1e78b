package consumer

import (
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/wire"
)

// leave takes a member out of the group, or marks a static one as gone for a while.
func (g *Group) leave(c *Call, r *wire.ConsumerGroupHeartbeatRequest) (*wire.ConsumerGroupHeartbeatResponse, error) {
	response := &wire.ConsumerGroupHeartbeatResponse{MemberID: &r.MemberID, MemberEpoch: r.MemberEpoch}
	if r.InstanceID == nil {
		m := g.members[r.MemberID]
		if m == nil {
			return nil, unknownMember(g.id, r.MemberID)
		}
		g.fence(c, m)
		return response, nil
	}
	m := g.staticMember(r.InstanceID)
	if err := mustHold(m, r.MemberID, *r.InstanceID); err != nil {
		return nil, err
	}
	if r.MemberEpoch != leavingStatic {
		g.fence(c, m)
		return response, nil
	}
	// What it has stays its own, for whoever comes back under its instance id.
	gone := *m
	gone.Epoch, gone.Revoking, gone.Assigned = leavingStatic, nil, m.Assigned.at(0)
	c.add(g.currentRecord(&gone))
	return response, nil
}

// fence takes members out of the group. If those that stay all speak the classic
// protocol, the group becomes a classic one.
func (g *Group) fence(c *Call, out ...*Member) {
	if len(out) == 0 {
		return
	}
	if g.mayDowngrade(c, 0, out...) {
		before := len(c.Records)
		if g.downgrade(c, out, nil) == nil {
			c.Rebalance = true
			return
		}
		c.Records = c.Records[:before] // what the members told cannot be read: they stay as they are
	}
	for _, m := range out {
		c.add(g.removal(m.ID)...)
	}
	names, regexes := g.leftBy(out...)
	for _, expression := range slices.Sorted(maps.Keys(regexes)) {
		c.add(g.forgetRegex(expression))
	}
	c.add(g.epochRecord(g.epoch+1, c.Topics.hash(g.topicsWithout(names, regexes))))
}

// Ring does what an alarm was set for.
func (g *Group) Ring(c *Call, kind Alarm, member string) {
	m := g.members[member]
	switch {
	case kind == Lookup:
		g.lookUp(c)
	case m == nil || kind == Rebalance && m.State != Unrevoked:
	default:
		g.fence(c, m)
	}
}

// Arm sets the alarms that follow from the record of a member that was just folded.
func (g *Group) Arm(c *Call, member string) {
	m := g.members[member]
	if m == nil {
		for _, kind := range []Alarm{Session, Rebalance, Join, Sync} {
			c.Alarms.Cancel(kind, member)
		}
		return
	}
	if m.Classic() || m.State != Unrevoked {
		c.Alarms.Cancel(Rebalance, member)
		return
	}
	c.Alarms.Set(Rebalance, member, c.after(m.Meta.RebalanceTimeoutMS))
}

// Serve begins the sessions of all members, as after a change of leadership.
func (g *Group) Serve(c *Call) {
	for _, m := range g.Members() {
		c.Alarms.Set(Session, m.ID, c.Now.Add(c.setting(g.id, sessionKey, c.Config.SessionTimeout)))
		g.Arm(c, m.ID)
	}
}

// Stop takes all alarms back.
func (g *Group) Stop(a Alarms) {
	for id := range g.members {
		for _, kind := range []Alarm{Session, Rebalance, Join, Sync} {
			a.Cancel(kind, id)
		}
	}
	a.Cancel(Lookup, "")
}
