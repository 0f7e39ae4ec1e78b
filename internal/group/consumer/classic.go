package consumer

import (
	"slices"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Members of the classic protocol in a consumer group. Their generation is their
// epoch. A heartbeat tells them to join again whenever there is a step to take; the
// join takes it, from what their subscription says that they own; the sync gives them
// what they have then.

const protocolType = "consumer"

// maybeKnownIDSince is the version of JoinGroup from which a member is given an id
// before it is let in (KIP-394).
const maybeKnownIDSince = 4

// Join is JoinGroup. The response may be an error of the request: a member id that
// the client is to come back with.
func (g *Group) Join(c *Call, by Client, version int16, r *wire.JoinGroupRequest) (*wire.JoinGroupResponse, error) {
	if c.Config.Migration == (Policy{}) {
		return nil, kerr.InconsistentGroupProtocol.With("Cannot join the consumer group %s with the classic protocol because the group migration is disabled.", g.id)
	}
	id := r.MemberID
	if id == "" {
		id = c.NewID()
	}
	if err := g.mustHaveRoom(c, id, r.GroupInstanceID); err != nil {
		return nil, err
	}
	if !g.understands(r) {
		return nil, kerr.InconsistentGroupProtocol.With("Member %s's protocols are not supported.", id)
	}
	if r.GroupInstanceID == nil && r.MemberID == "" && version >= maybeKnownIDSince {
		return &wire.JoinGroupResponse{MemberID: id, ErrorCode: kerr.MemberIDRequired.Code, GenerationID: -1}, nil
	}
	var s wire.ConsumerProtocolSubscription
	if _, err := wire.DecodeConsumerProtocol(r.Protocols[0].Metadata, &s); err != nil {
		return nil, kerr.InconsistentGroupProtocol.With("Malformed embedded consumer protocol in subscription deserialization.")
	}
	member, err := g.joining(c, id, r)
	if err != nil {
		return nil, err
	}
	now, err := g.joined(c, by, member, r, &s)
	if err != nil {
		return nil, err
	}
	c.Alarms.Cancel(Join, now.ID)
	if !c.Rebalance {
		c.Alarms.Set(Session, now.ID, c.after(r.SessionTimeoutMS))
		c.Alarms.Set(Sync, now.ID, c.after(now.Meta.RebalanceTimeoutMS))
	}
	return &wire.JoinGroupResponse{
		MemberID: now.ID, GenerationID: now.Epoch, ProtocolType: ptr(protocolType),
		ProtocolName: ptr(now.protocol().Name),
	}, nil
}

// understands reports whether a classic member speaks a protocol that all classic
// members of the group speak.
func (g *Group) understands(r *wire.JoinGroupRequest) bool {
	return r.ProtocolType == protocolType && slices.ContainsFunc(r.Protocols, func(p wire.JoinGroupRequestProtocol) bool {
		return g.protocols[p.Name] == g.classic
	})
}

// joining finds or makes the member that joins.
func (g *Group) joining(c *Call, id string, r *wire.JoinGroupRequest) (*Member, error) {
	if r.GroupInstanceID == nil {
		return g.memberOrNew(id), nil
	}
	holder := g.staticMember(r.GroupInstanceID)
	switch {
	case r.MemberID != "":
		return holder, mustHold(holder, id, *r.GroupInstanceID)
	case holder == nil:
		return g.memberOrNew(id), nil
	}
	return g.succeed(c, holder, id), nil
}

// joined takes the member's step.
func (g *Group) joined(c *Call, by Client, member *Member, r *wire.JoinGroupRequest, s *wire.ConsumerProtocolSubscription) (*Member, error) {
	holder := g.staticMember(r.GroupInstanceID)
	downgrade := holder != nil && !holder.Classic() && g.mayDowngrade(c, 1, holder)
	updated := *member
	updated.Meta = joinMeta(member.Meta, by, r, s)
	ch := change{old: member, now: &updated, owned: c.Topics.owned(s.OwnedPartitions)}
	if err := ch.mustBeKnown(); err != nil {
		return nil, err
	}
	if err := g.subscribe(c, by, &ch); err != nil {
		return nil, err
	}
	if !downgrade {
		epoch, target, err := g.retarget(c, &ch)
		if err != nil {
			return nil, err
		}
		return g.reconcile(c, &ch, epoch, target), nil
	}
	now := ch.now
	if g.target >= ch.epoch {
		now = g.reconcile(c, &ch, g.target, g.targetOf(ch.now))
	} else {
		c.Rebalance = true
	}
	return now, g.downgrade(c, []*Member{holder}, now)
}

func joinMeta(m wire.ConsumerGroupMemberMetadataValue, by Client, r *wire.JoinGroupRequest, s *wire.ConsumerProtocolSubscription) wire.ConsumerGroupMemberMetadataValue {
	m.InstanceID = or(r.GroupInstanceID, m.InstanceID)
	if text(s.RackID) != "" {
		m.RackID = s.RackID
	}
	if r.RebalanceTimeoutMS != -1 {
		m.RebalanceTimeoutMS = r.RebalanceTimeoutMS
	}
	m.SubscribedTopicNames, m.SubscribedTopicRegex = set(s.Topics), new(string)
	m.ClientID, m.ClientHost = by.ID, by.Host
	m.ClassicMemberMetadata = &wire.ConsumerGroupMemberMetadataValueClassic{SessionTimeoutMS: r.SessionTimeoutMS}
	for _, p := range r.Protocols {
		m.ClassicMemberMetadata.SupportedProtocols = append(m.ClassicMemberMetadata.SupportedProtocols,
			wire.ConsumerGroupMemberMetadataValueProtocol(p))
	}
	return m
}

// owned are partitions that a classic member says it owns, of topics that exist.
func (t *Topics) owned(partitions []wire.ConsumerProtocolTopicPartition) *assign.Assignment {
	a := assign.Assignment{}
	for i := range partitions {
		if topic := t.img.Topic(partitions[i].Topic); topic != nil {
			a[topic.ID] = append(a[topic.ID], partitions[i].Partitions...)
		}
	}
	return &a
}

// Sync is SyncGroup.
func (g *Group) Sync(c *Call, r *wire.SyncGroupRequest) (*wire.SyncGroupResponse, error) {
	m, err := g.classicMember(r.MemberID, r.GroupInstanceID, r.GenerationID)
	if err != nil {
		return nil, err
	}
	name := m.protocol().Name
	switch {
	case r.ProtocolType != nil && *r.ProtocolType != protocolType:
		return nil, kerr.InconsistentGroupProtocol.With("The protocol type %s from member %s request is not equal to the group protocol type %s.", *r.ProtocolType, m.ID, protocolType)
	case r.ProtocolName != nil && *r.ProtocolName != name:
		return nil, kerr.InconsistentGroupProtocol.With("The protocol name %s from member %s request is not equal to the protocol name %s returned in the join response.", *r.ProtocolName, m.ID, name)
	case g.target > m.Epoch && m.State != Unrevoked:
		c.Alarms.SetIfAbsent(Join, m.ID, c.after(m.Meta.RebalanceTimeoutMS))
		return nil, kerr.RebalanceInProgress.With("A new rebalance is triggered in group %s and member %s should rejoin to catch up.", g.id, m.ID)
	}
	assignment, err := c.Topics.protocolAssignment(m.Assigned.assignment(), m.protocol().Metadata)
	if err != nil {
		return nil, err
	}
	c.Alarms.Cancel(Sync, m.ID)
	c.Alarms.Set(Session, m.ID, c.after(m.Meta.ClassicMemberMetadata.SessionTimeoutMS))
	return &wire.SyncGroupResponse{ProtocolType: r.ProtocolType, ProtocolName: r.ProtocolName, Assignment: assignment}, nil
}

// ClassicHeartbeat is Heartbeat. REBALANCE_IN_PROGRESS tells the member to join again:
// it is behind, must give partitions up, or can have those that it waits for.
func (g *Group) ClassicHeartbeat(c *Call, r *wire.HeartbeatRequest) (*wire.HeartbeatResponse, error) {
	m, err := g.classicMember(r.MemberID, r.GroupInstanceID, r.GenerationID)
	if err != nil {
		return nil, err
	}
	c.Alarms.Set(Session, m.ID, c.after(m.Meta.ClassicMemberMetadata.SessionTimeoutMS))
	response := &wire.HeartbeatResponse{}
	if m.Epoch < g.target || m.State == Unrevoked || m.State == Unreleased && !g.waits(m) {
		response.ErrorCode = kerr.RebalanceInProgress.Code
		c.Alarms.SetIfAbsent(Join, m.ID, c.after(m.Meta.RebalanceTimeoutMS))
	}
	return response, nil
}

// waits reports whether somebody still holds a partition that the member shall have.
func (g *Group) waits(m *Member) bool {
	for topic, partitions := range g.targets[m.ID] {
		for _, p := range partitions {
			if !m.Assigned.has(topic, p) && !g.free(topic, p) {
				return true
			}
		}
	}
	return false
}

// classicMember is the classic member that asks, if it is at its generation.
func (g *Group) classicMember(id string, instance *string, generation int32) (*Member, error) {
	m := g.members[id]
	if instance != nil {
		m = g.staticMember(instance)
	}
	switch {
	case m == nil && instance != nil:
		return nil, kerr.UnknownMemberID.With("Member with instance id %s is not a member of group %s.", *instance, g.id)
	case m == nil:
		return nil, unknownMember(g.id, id)
	case m.ID != id:
		return nil, mustHold(m, id, *instance)
	case !m.Classic():
		return nil, kerr.UnknownMemberID.With("Member %s does not use the classic protocol.", m.ID)
	case m.Epoch != generation:
		return nil, kerr.IllegalGeneration.With("The request generation id %d is not equal to the member epoch %d of member %s.", generation, m.Epoch, m.ID)
	}
	return m, nil
}

// LeaveClassic is LeaveGroup, by which any member may be taken out: of the classic
// protocol or not, and by its instance id alone.
func (g *Group) LeaveClassic(c *Call, r *wire.LeaveGroupRequest) *wire.LeaveGroupResponse {
	response := &wire.LeaveGroupResponse{Members: []wire.LeaveGroupResponseMember{}}
	var out []*Member
	for i := range r.Members {
		who := &r.Members[i]
		m, err := g.leaver(who.MemberID, who.GroupInstanceID)
		response.Members = append(response.Members, wire.LeaveGroupResponseMember{
			MemberID: who.MemberID, GroupInstanceID: who.GroupInstanceID, ErrorCode: kerr.Code(err),
		})
		if err == nil && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	g.fence(c, out...)
	return response
}

func (g *Group) leaver(id string, instance *string) (*Member, error) {
	if instance == nil {
		if m := g.members[id]; m != nil {
			return m, nil
		}
		return nil, unknownMember(g.id, id)
	}
	m := g.staticMember(instance)
	if m != nil && id == "" {
		return m, nil
	}
	return m, mustHold(m, id, *instance)
}

// protocols are those that a classic member knows, the one that it prefers first.
func (m *Member) protocols() []wire.ConsumerGroupMemberMetadataValueProtocol {
	return m.Meta.ClassicMemberMetadata.SupportedProtocols
}

// protocol is the one that the member is told is used.
func (m *Member) protocol() wire.ConsumerGroupMemberMetadataValueProtocol {
	if len(m.protocols()) == 0 {
		return wire.ConsumerGroupMemberMetadataValueProtocol{}
	}
	return m.protocols()[0]
}

// protocolAssignment is an assignment as classic members read it, in the version of a
// member's subscription. Topics that are gone are left out.
func (t *Topics) protocolAssignment(a assign.Assignment, subscription []byte) ([]byte, error) {
	version, _, err := wire.CutNumber(subscription)
	if err != nil {
		return nil, err
	}
	var out wire.ConsumerProtocolAssignment
	for _, id := range a.Topics() {
		if topic := t.img.TopicByID(id); topic != nil {
			out.AssignedPartitions = append(out.AssignedPartitions, wire.ConsumerProtocolTopicPartition{Topic: topic.Name, Partitions: a[id]})
		}
	}
	return wire.EncodeConsumerProtocol(version, &out)
}

// assignment is the partitions without their epochs.
func (o Owned) assignment() assign.Assignment {
	a := make(assign.Assignment, len(o))
	for _, t := range o.wire() {
		a[model.TopicID(t.TopicID)] = t.Partitions
	}
	return a
}

func ptr[T any](v T) *T { return &v }
