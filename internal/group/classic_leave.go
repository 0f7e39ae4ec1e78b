package group

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// leaveGroup is LeaveGroup, for several members at once (KIP-345).
func (m *Machine) leaveGroup(t machine.Token, q *wire.LeaveGroupRequest) {
	if k := m.consumers(q.GroupID); k != nil {
		k.leaveGroup(m, t, q)
		return
	}
	c := m.classic(q.GroupID)
	out := &wire.LeaveGroupResponse{Members: make([]wire.LeaveGroupResponseMember, len(q.Members))}
	left := false
	for i := range q.Members {
		who := &q.Members[i]
		err := error(kerr.UnknownMemberID)
		if c != nil {
			err = c.leave(m, who)
		}
		left = left || err == nil
		out.Members[i] = wire.LeaveGroupResponseMember{MemberID: who.MemberID, GroupInstanceID: who.GroupInstanceID, ErrorCode: kerr.Code(err)}
	}
	if left {
		switch c.state {
		case stable, completing:
			c.rebalance(m)
		case preparing:
			c.tryComplete(m)
		}
	}
	m.reply(t, out)
}

// leave takes one member out. An administrator may name a static member by its
// instance alone.
func (c *classic) leave(m *Machine, who *wire.LeaveGroupRequestMember) error {
	id := who.MemberID
	if id == "" {
		if who.GroupInstanceID == nil || c.members.static[*who.GroupInstanceID] == "" {
			return kerr.UnknownMemberID
		}
		id = c.members.static[*who.GroupInstanceID]
	} else if c.invited.has(id) {
		c.remove(m, id)
		return nil
	} else if err := c.mustBeMember(id, who.GroupInstanceID); err != nil {
		return err
	}
	member := c.members.get(id)
	c.answerJoin(m, member, JoinRefused("", kerr.UnknownMemberID))
	c.answerSync(m, member, syncRefused(kerr.UnknownMemberID))
	c.remove(m, id)
	return nil
}
