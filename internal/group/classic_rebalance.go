package group

import (
	"time"

	"github.com/stromkafka/strom/internal/kerr"
)

// rebalance begins a rebalance if there is none, and ends the joining if it waits
// for nobody.
func (c *classic) rebalance(m *Machine) {
	if c.state == preparing {
		c.tryComplete(m)
		return
	}
	c.prepare(m)
}

// tryComplete ends the joining once all have come. A group's first rebalance
// waits for its delay in any case.
func (c *classic) tryComplete(m *Machine) {
	if c.state == preparing && c.before != empty && c.allJoined() {
		c.complete(m)
	}
}

func (c *classic) allJoined() bool {
	return c.members.joining == c.members.count() && c.invited.count() == 0
}

// prepare begins a rebalance: everybody is to join again.
func (c *classic) prepare(m *Machine) {
	if c.state == completing {
		c.abandonSync(m, kerr.RebalanceInProgress)
	}
	c.allSynced(m)
	first := c.state == empty
	c.become(m, preparing)
	switch {
	case first:
		c.delay = m.config.Classic.InitialDelay
		c.delayLeft = max(c.members.rebalanceTimeout()-c.delay, 0)
		c.newcomer = false
		m.alarms.set(alarm{what: classicJoin, group: c.id}, m.now.Add(c.delay))
	case c.allJoined():
		c.complete(m)
	default:
		c.awaitJoins(m)
	}
}

// leastWait is how long a rebalance waits at least before it looks again: members
// may ask for no time at all, and those who keep their place without joining would
// have the time looked at again and again.
const leastWait = 100 * time.Millisecond

func (c *classic) awaitJoins(m *Machine) {
	m.alarms.set(alarm{what: classicJoin, group: c.id}, m.now.Add(max(c.members.rebalanceTimeout(), leastWait)))
}

// rangClassic is an alarm of a classic group. Alarms of groups that have become
// another kind since are cancelled, so that the group is there.
func (m *Machine) rangClassic(a alarm) {
	g := m.groups[a.group]
	if g == nil {
		return
	}
	c, ok := g.kind.(*classic)
	if !ok {
		return
	}
	switch a.what {
	case classicJoin:
		c.joinOver(m)
	case classicSync:
		c.syncOver(m)
	case classicSession:
		c.lost(m, a.member)
	}
}

// joinOver ends the wait for members to join. The first rebalance of a group
// waits on as long as somebody came during the last step, but not longer than a
// rebalance may take.
func (c *classic) joinOver(m *Machine) {
	if c.state != preparing {
		return
	}
	if c.before == empty && c.newcomer && c.delayLeft > 0 {
		c.newcomer = false
		step := min(m.config.Classic.InitialDelay, c.delayLeft)
		c.delayLeft = max(c.delayLeft-c.delay, 0)
		c.delay = step
		m.alarms.set(alarm{what: classicJoin, group: c.id}, m.now.Add(step))
		return
	}
	c.complete(m)
}

// complete ends the joining. Dynamic members that have not come are out; static
// ones keep their place until their session ends.
func (c *classic) complete(m *Machine) {
	m.alarms.cancel(alarm{what: classicJoin, group: c.id})
	for _, member := range append([]*member(nil), c.members.all()...) {
		if member.joining == 0 && member.instance == nil {
			c.remove(m, member.id)
		}
	}
	if !c.electLeader() && c.members.count() > 0 {
		c.awaitJoins(m) // static members only, and none has come
		return
	}
	c.generation++
	c.allSynced(m)
	if c.members.count() == 0 {
		c.name, c.topics = nil, c.subscriptions()
		c.become(m, empty)
		m.append(c.record())
		return
	}
	name := c.members.elect()
	c.name = &name
	c.topics = c.subscriptions()
	c.become(m, completing)
	for _, member := range c.members.all() {
		c.answerJoin(m, member, c.joined(member))
		c.heard(m, member)
		member.fresh = false
		c.unsynced[member.id] = struct{}{}
	}
	m.alarms.set(alarm{what: classicSync, group: c.id}, m.now.Add(c.members.rebalanceTimeout()))
}

// electLeader takes another leader if the one there is has not joined; false when
// nobody has.
func (c *classic) electLeader() bool {
	leader := c.members.get(c.leader)
	if leader == nil {
		return false
	}
	if leader.joining != 0 {
		return true
	}
	for _, member := range c.members.all() {
		if member.joining != 0 {
			c.leader = member.id
			return true
		}
	}
	return false
}

// lost ends the session of a member, or of one that was given an id and never
// came back.
func (c *classic) lost(m *Machine, id string) {
	if c.invited.has(id) {
		c.invited.remove(id)
		if c.state == preparing && c.allJoined() {
			c.complete(m)
		}
		return
	}
	member := c.members.get(id)
	if member == nil || member.waits() {
		return
	}
	c.answerJoin(m, member, JoinRefused("", kerr.UnknownMemberID))
	c.remove(m, id)
	switch {
	case c.state == stable || c.state == completing:
		c.rebalance(m)
	case c.state == preparing && c.allJoined():
		c.complete(m)
	}
}
