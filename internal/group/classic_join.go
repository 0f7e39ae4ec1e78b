package group

import (
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

const (
	// memberIDRequiredSince is the version of JoinGroup from which on a dynamic
	// member is told its id before it joins (KIP-394), so that a client that
	// gives up and tries again does not leave a member behind each time.
	memberIDRequiredSince = 4
	// skipsAssignmentSince is the version from which on a leader that came back
	// under the same instance is told to leave the assignment as it is (KIP-814).
	skipsAssignmentSince = 9
	// newMemberTimeout is how long one is kept that has not heard its id yet.
	newMemberTimeout = 5 * time.Minute
)

// join is JoinGroup.
func (m *Machine) join(t machine.Token, r *Request, q *wire.JoinGroupRequest) {
	if !writable(q.GroupID, q.ProtocolType, r.ClientID, text(q.GroupInstanceID)) || !writableNames(q.Protocols) {
		m.replyNow(t, JoinRefused(q.MemberID, kerr.InvalidRequest))
		return
	}
	g := m.groups[q.GroupID]
	j := joining{token: t, request: r, JoinGroupRequest: q, protocols: protocolsOf(q)}
	switch {
	case g == nil && q.MemberID != "":
		m.replyNow(t, JoinRefused(q.MemberID, kerr.UnknownMemberID))
	case g == nil:
		m.joinNewGroup(&j)
	default:
		switch k := g.kind.(type) {
		case *classic:
			k.join(m, &j)
		case *consumers:
			k.join(m, g, &j)
		}
	}
}

func writableNames(protocols []wire.JoinGroupRequestProtocol) bool {
	for i := range protocols {
		if !writable(protocols[i].Name) {
			return false
		}
	}
	return true
}

// joining is one JoinGroup on its way.
type joining struct {
	token   machine.Token
	request *Request
	*wire.JoinGroupRequest
	protocols []memberProtocol
}

func (j *joining) rebalanceTimeout() time.Duration {
	if j.request.Version == 0 || j.RebalanceTimeoutMS < 0 {
		return millis(j.SessionTimeoutMS)
	}
	return millis(j.RebalanceTimeoutMS)
}

// JoinRefused answers a JoinGroup with an error.
func JoinRefused(member string, err error) *wire.JoinGroupResponse {
	out := new(wire.JoinGroupResponse)
	out.Reset()
	out.MemberID, out.ErrorCode = member, kerr.Code(err)
	return out
}

// joinNewGroup lets the first member into a group, which is written at once: a
// member that was given an id must find the group again.
func (m *Machine) joinNewGroup(j *joining) {
	g := m.group(j.GroupID)
	c := g.kind.(*classic)
	if err := c.speaks(j.ProtocolType, j.protocols); err != nil {
		delete(m.groups, g.id)
		m.replyNow(j.token, JoinRefused("", err))
		return
	}
	c.join(m, j)
	if len(m.out.Records) == 0 {
		m.append(c.recordOf(&wire.GroupMetadataValue{CurrentStateTimestamp: c.since}))
		m.undo = newGroup{c}
	}
}

// newGroup takes a group back that could not be written.
type newGroup struct{ c *classic }

func (u newGroup) refused(m *Machine, err *kerr.Error) {
	u.c.gone(m)
	delete(m.groups, u.c.id)
	for _, member := range u.c.members.all() {
		u.c.answerJoin(m, member, JoinRefused(member.id, err))
	}
}

func (c *classic) join(m *Machine, j *joining) {
	if !c.hasRoom(m, j.MemberID) {
		c.remove(m, j.MemberID)
		m.replyNow(j.token, JoinRefused("", kerr.GroupMaxSizeReached))
		return
	}
	if err := c.speaks(j.ProtocolType, j.protocols); err != nil {
		m.replyNow(j.token, JoinRefused(j.MemberID, err))
		return
	}
	if j.MemberID == "" {
		c.joinNew(m, j)
		return
	}
	if c.invited.has(j.MemberID) {
		c.enter(m, j, j.MemberID)
		return
	}
	if err := c.mustBeMember(j.MemberID, j.GroupInstanceID); err != nil {
		m.replyNow(j.token, JoinRefused(j.MemberID, err))
		return
	}
	c.rejoin(m, j, c.members.get(j.MemberID))
}

// hasRoom reports whether one may join. While a rebalance is prepared those count
// who have joined it: the last to come find no place in a group that was made
// smaller.
func (c *classic) hasRoom(m *Machine, id string) bool {
	member := c.members.get(id)
	switch c.state {
	case empty:
		return true
	case preparing:
		return member != nil && member.joining != 0 || c.members.joining < m.config.Classic.MaxSize
	}
	return member != nil || c.members.count() < m.config.Classic.MaxSize
}

// speaks checks that a member fits in: it must share a protocol with all others.
func (c *classic) speaks(protocol string, offered []memberProtocol) error {
	if c.state == empty {
		if protocol == "" || len(offered) == 0 {
			return kerr.InconsistentGroupProtocol
		}
		return nil
	}
	if c.protocol == protocol {
		for _, p := range offered {
			if c.members.supported(p.name) {
				return nil
			}
		}
	}
	return kerr.InconsistentGroupProtocol
}

// joinNew lets one in that has no member id.
func (c *classic) joinNew(m *Machine, j *joining) {
	if j.GroupInstanceID != nil {
		id := *j.GroupInstanceID + "-" + m.newID()
		if holder, ok := c.members.static[*j.GroupInstanceID]; ok {
			c.replace(m, j, c.members.get(holder), id)
			return
		}
		c.enter(m, j, id)
		return
	}
	id := j.request.ClientID + "-" + m.newID()
	if j.request.Version < memberIDRequiredSince {
		c.enter(m, j, id)
		return
	}
	if out := c.invited.add(id); out != "" {
		m.alarms.cancel(c.session(out))
	}
	m.alarms.set(c.session(id), m.now.Add(millis(j.SessionTimeoutMS)))
	m.replyNow(j.token, JoinRefused(id, kerr.MemberIDRequired))
}

// enter adds a member.
func (c *classic) enter(m *Machine, j *joining, id string) {
	if c.state == preparing && c.before == empty {
		c.newcomer = true
	}
	if c.members.count() == 0 {
		c.protocol = j.ProtocolType
	}
	if c.leader == "" {
		c.leader = id
	}
	c.invited.remove(id)
	c.members.add(&member{
		id: id, instance: j.GroupInstanceID, clientID: j.request.ClientID, clientHost: j.request.ClientHost,
		rebalanceTimeout: j.rebalanceTimeout(), sessionTimeout: millis(j.SessionTimeoutMS),
		protocols: j.protocols, assignment: []byte{}, joining: j.token, fresh: true,
	})
	m.alarms.set(c.session(id), m.now.Add(newMemberTimeout))
	c.rebalance(m)
}

// rejoin is a JoinGroup of a member. In a group that is stable or about to be,
// only a leader, who may have reasons of its own, or a member that says something
// new begins another rebalance; others are told how things stand.
func (c *classic) rejoin(m *Machine, j *joining, member *member) {
	switch {
	case c.state == empty:
		m.replyNow(j.token, JoinRefused(j.MemberID, kerr.UnknownMemberID))
	case c.state == preparing,
		c.state == stable && c.leader == member.id,
		!member.offers(j.protocols):
		c.update(m, j, member)
		c.rebalance(m)
	default:
		m.reply(j.token, c.joined(member))
	}
}

// update takes over what a member says now, and lets it wait for the rebalance.
func (c *classic) update(m *Machine, j *joining, member *member) {
	c.members.speaks(member, j.protocols)
	member.rebalanceTimeout, member.sessionTimeout = j.rebalanceTimeout(), millis(j.SessionTimeoutMS)
	if member.joining != 0 { // the client has asked again on another connection
		c.answerJoin(m, member, JoinRefused(member.id, kerr.RebalanceInProgress))
	}
	c.members.wait(member, j.token)
}

// joined tells a member the generation; the leader hears of all members.
func (c *classic) joined(to *member) *wire.JoinGroupResponse {
	out := &wire.JoinGroupResponse{
		GenerationID: c.generation, ProtocolName: c.name, Leader: c.leader, MemberID: to.id,
	}
	if c.leader == to.id {
		out.Members = c.joinedMembers()
	}
	protocol := c.protocol
	out.ProtocolType = &protocol
	return out
}

func (c *classic) joinedMembers() []wire.JoinGroupResponseMember {
	out := make([]wire.JoinGroupResponseMember, 0, c.members.count())
	for _, o := range c.members.all() {
		out = append(out, wire.JoinGroupResponseMember{MemberID: o.id, GroupInstanceID: o.instance, Metadata: o.metadata(text(c.name))})
	}
	return out
}

// answerJoin ends a member's wait for the rebalance, if it waits.
func (c *classic) answerJoin(m *Machine, member *member, with *wire.JoinGroupResponse) {
	m.reply(member.joining, with)
	c.members.wait(member, 0)
}

// replace gives a static member's place to another process of the same instance
// (KIP-345). Whoever held it is fenced.
func (c *classic) replace(m *Machine, j *joining, member *member, id string) {
	was := replaced{c: c, member: member, id: member.id, leader: c.leader, protocols: member.protocols,
		rebalanceTimeout: member.rebalanceTimeout, sessionTimeout: member.sessionTimeout}
	c.answerJoin(m, member, JoinRefused(member.id, kerr.FencedInstanceID))
	c.answerSync(m, member, syncRefused(kerr.FencedInstanceID))
	c.rename(m, member, id)
	c.update(m, j, member)
	member.fresh = false
	switch {
	case c.state == stable && text(c.name) == c.members.elect():
		c.replaceInPlace(m, j, member, was)
	case c.state == preparing:
		c.tryComplete(m)
	default: // the leader may have been told the old id already
		c.prepare(m)
	}
}

// replaceInPlace writes the new id down and leaves everything else as it is.
func (c *classic) replaceInPlace(m *Machine, j *joining, member *member, was replaced) {
	out := c.joined(member)
	leads := c.leader == member.id
	if j.request.Version >= skipsAssignmentSince {
		out.SkipAssignment = leads
	} else {
		// A leader would go and assign anew; it is told of the one before.
		out.Leader, out.Members = was.leader, nil
	}
	m.append(c.record())
	c.answerJoin(m, member, out)
	m.undo = was
}

// rename changes a member's id, in everything that knows it by that.
func (c *classic) rename(m *Machine, member *member, id string) {
	m.alarms.cancel(c.session(member.id))
	if _, ok := c.unsynced[member.id]; ok {
		delete(c.unsynced, member.id)
		c.unsynced[id] = struct{}{}
	}
	if c.leader == member.id {
		c.leader = id
	}
	c.members.rename(member, id)
	c.heard(m, member)
}

// replaced is how it was before another process took a static member's place.
type replaced struct {
	c                                *classic
	member                           *member
	id, leader                       string
	protocols                        []memberProtocol
	rebalanceTimeout, sessionTimeout time.Duration
}

func (u replaced) refused(m *Machine, _ *kerr.Error) {
	u.member.rebalanceTimeout, u.member.sessionTimeout = u.rebalanceTimeout, u.sessionTimeout
	u.c.members.speaks(u.member, u.protocols)
	u.c.rename(m, u.member, u.id)
}
