package group

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// What members of the classic protocol ask a consumer group.

// join is JoinGroup. A consumer group without members gives way to a classic one.
func (k *consumers) join(m *Machine, g *group, j *joining) {
	if k.Empty() {
		k.yield(m, g, j)
		return
	}
	c := m.callOf(k.id)
	response, err := k.Join(c, clientOf(j.request), j.request.Version, j.JoinGroupRequest)
	if err != nil {
		m.replyNow(j.token, JoinRefused("", err))
		return
	}
	m.done(k.id, c)
	m.reply(j.token, response)
}

// yield makes the group a classic one with its first member.
func (k *consumers) yield(m *Machine, g *group, j *joining) {
	c := newClassic(g)
	if j.MemberID != "" {
		m.replyNow(j.token, JoinRefused(j.MemberID, kerr.UnknownMemberID))
		return
	}
	if err := c.speaks(j.ProtocolType, j.protocols); err != nil {
		m.replyNow(j.token, JoinRefused("", err))
		return
	}
	m.append(k.tombstones()...)
	m.become(g, c)
	c.join(m, j)
	m.append(c.recordOf(&wire.GroupMetadataValue{CurrentStateTimestamp: c.since}))
	m.undo = yielded{g, k, c}
}

// yielded takes back that a group has become a classic one.
type yielded struct {
	g *group
	k *consumers
	c *classic
}

func (u yielded) refused(m *Machine, err *kerr.Error) {
	for _, member := range u.c.members.all() {
		u.c.answerJoin(m, member, JoinRefused(member.id, err))
	}
	m.become(u.g, u.k)
}

// sync is SyncGroup.
func (k *consumers) sync(m *Machine, t machine.Token, q *wire.SyncGroupRequest) {
	response, err := k.Sync(m.callOf(k.id), q)
	if err != nil {
		m.replyNow(t, syncRefused(err))
		return
	}
	m.reply(t, response)
}

// heartbeat is Heartbeat.
func (k *consumers) heartbeat(m *Machine, t machine.Token, q *wire.HeartbeatRequest) {
	response, err := k.ClassicHeartbeat(m.callOf(k.id), q)
	if err != nil {
		m.replyNow(t, &wire.HeartbeatResponse{ErrorCode: kerr.Code(err)})
		return
	}
	m.reply(t, response)
}

// leaveGroup is LeaveGroup.
func (k *consumers) leaveGroup(m *Machine, t machine.Token, q *wire.LeaveGroupRequest) {
	c := m.callOf(k.id)
	response := k.LeaveClassic(c, q)
	m.done(k.id, c)
	m.reply(t, response)
}
