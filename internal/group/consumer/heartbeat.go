package consumer

import (
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// memberIDRequiredSince is the version from which clients make their own member ids (KIP-1082).
const memberIDRequiredSince = 1

// Validate checks a heartbeat by itself, before anybody is asked who coordinates the group.
func Validate(version int16, r *wire.ConsumerGroupHeartbeatRequest, assignors []string) error {
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	absent := func(s *string) bool { return s != nil && blank(*s) }
	switch {
	case blank(r.MemberID) && (version >= memberIDRequiredSince || r.MemberEpoch > 0 || r.MemberEpoch == leaving):
		return kerr.InvalidRequest.With("MemberId can't be empty.")
	case blank(r.GroupID):
		return kerr.InvalidRequest.With("GroupId can't be empty.")
	case absent(r.InstanceID):
		return kerr.InvalidRequest.With("InstanceId can't be empty.")
	case absent(r.RackID):
		return kerr.InvalidRequest.With("RackId can't be empty.")
	case r.MemberEpoch == 0 && r.RebalanceTimeoutMS == -1:
		return kerr.InvalidRequest.With("RebalanceTimeoutMs must be provided in first request.")
	case r.MemberEpoch == 0 && (r.TopicPartitions == nil || len(r.TopicPartitions) > 0):
		return kerr.InvalidRequest.With("TopicPartitions must be empty when (re-)joining.")
	case r.MemberEpoch == 0 && r.SubscribedTopicNames == nil && r.SubscribedTopicRegex == nil:
		return kerr.InvalidRequest.With("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
	case r.MemberEpoch == leavingStatic && r.InstanceID == nil:
		return kerr.InvalidRequest.With("InstanceId can't be null.")
	case r.MemberEpoch < leavingStatic:
		return kerr.InvalidRequest.With("MemberEpoch is invalid.")
	case r.ServerAssignor != nil && !slices.Contains(assignors, *r.ServerAssignor):
		return kerr.UnsupportedAssignor.With("ServerAssignor %s is not supported. Supported assignors: %s.", *r.ServerAssignor, strings.Join(assignors, ", "))
	}
	return nil
}

// Heartbeat takes a member's heartbeat: it joins or leaves the group, changes its
// subscription, tells what it owns, or just lives.
func (g *Group) Heartbeat(c *Call, by Client, r *wire.ConsumerGroupHeartbeatRequest) (*wire.ConsumerGroupHeartbeatResponse, error) {
	if r.MemberEpoch < 0 {
		return g.leave(c, r)
	}
	if err := g.mustHaveRoom(c, r.MemberID, r.InstanceID); err != nil {
		return nil, err
	}
	id := r.MemberID
	if id == "" {
		id = c.NewID()
	}
	member, err := g.heartbeatOf(c, id, r)
	if err != nil {
		return nil, err
	}
	updated := *member
	updated.Meta = heartbeatMeta(member.Meta, by, r)

	ch := change{old: member, now: &updated, owned: ownedPartitions(r.TopicPartitions)}
	if err := ch.mustBeKnown(); err != nil {
		return nil, err
	}
	if err := g.subscribe(c, by, &ch); err != nil {
		return nil, err
	}
	epoch, target, err := g.retarget(c, &ch)
	if err != nil {
		return nil, err
	}
	now := g.reconcile(c, &ch, epoch, target)
	c.Alarms.Set(Session, id, c.Now.Add(c.setting(g.id, sessionKey, c.Config.SessionTimeout)))

	response := &wire.ConsumerGroupHeartbeatResponse{
		MemberID: &now.ID, MemberEpoch: now.Epoch,
		HeartbeatIntervalMS: int32(c.setting(g.id, heartbeatKey, c.Config.HeartbeatInterval).Milliseconds()),
	}
	// A member that says everything has joined or lost its way: it is told everything.
	full := r.RebalanceTimeoutMS != -1 && (r.SubscribedTopicNames != nil || r.SubscribedTopicRegex != nil) && r.TopicPartitions != nil
	if r.MemberEpoch == 0 || full || !member.Assigned.equal(now.Assigned) {
		response.Assignment = &wire.ConsumerGroupHeartbeatResponseAssignment{TopicPartitions: now.Assigned.heartbeat()}
	}
	return response, nil
}

// heartbeatOf finds or makes the member that a heartbeat comes from.
func (g *Group) heartbeatOf(c *Call, id string, r *wire.ConsumerGroupHeartbeatRequest) (*Member, error) {
	if r.InstanceID != nil {
		return g.staticOf(c, id, *r.InstanceID, r)
	}
	m := g.members[id]
	if m == nil {
		if r.MemberEpoch != 0 {
			return nil, unknownMember(g.id, id)
		}
		return newMember(id), nil
	}
	return m, m.mustBeAt(r.MemberEpoch, r.TopicPartitions)
}

// staticOf is heartbeatOf for a static member. One that joins takes the place of the
// one before it, which has left for a while.
func (g *Group) staticOf(c *Call, id, instance string, r *wire.ConsumerGroupHeartbeatRequest) (*Member, error) {
	holder := g.staticMember(&instance)
	if r.MemberEpoch != 0 {
		if err := mustHold(holder, id, instance); err != nil {
			return nil, err
		}
		return holder, holder.mustBeAt(r.MemberEpoch, r.TopicPartitions)
	}
	if holder == nil {
		return g.memberOrNew(id), nil
	}
	if !holder.Classic() && holder.Epoch != leavingStatic {
		return nil, kerr.UnreleasedInstanceID.With("Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.", id, instance, holder.ID)
	}
	return g.succeed(c, holder, id), nil
}

func (g *Group) memberOrNew(id string) *Member {
	if m := g.members[id]; m != nil {
		return m
	}
	return newMember(id)
}

// succeed writes a member over to another id, with all that it has.
func (g *Group) succeed(c *Call, old *Member, id string) *Member {
	now := *old
	now.ID, now.Epoch, now.Previous = id, 0, 0
	c.add(g.removal(old.ID)...)
	c.add(g.memberRecord(&now), g.targetRecord(id, g.targets[old.ID]), g.currentRecord(&now))
	return &now
}

// mustHold checks that the member is the one that has the instance id.
func mustHold(holder *Member, id, instance string) error {
	if holder == nil {
		return kerr.UnknownMemberID.With("Instance id %s is unknown.", instance)
	}
	if holder.ID != id {
		return kerr.FencedInstanceID.With("Static member %s with instance id %s was fenced by member %s.", id, instance, holder.ID)
	}
	return nil
}

// mustBeAt checks the epoch that a member says. It may be behind by one step, if the
// answer that told it the newer one was lost; then it owns nothing that it must not.
func (m *Member) mustBeAt(epoch int32, owned []wire.ConsumerGroupHeartbeatTopicPartitions) error {
	switch {
	case epoch == 0 || epoch == m.Epoch:
		return nil
	case epoch > m.Epoch:
		return kerr.FencedMemberEpoch.With("The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", epoch, m.Epoch)
	case epoch == m.Previous && owned != nil && m.mayOwn(owned):
		return nil
	}
	return kerr.FencedMemberEpoch.With("The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", epoch, m.Epoch)
}

func (m *Member) mayOwn(owned []wire.ConsumerGroupHeartbeatTopicPartitions) bool {
	for i := range owned {
		for _, p := range owned[i].Partitions {
			if !m.Assigned.has(model.TopicID(owned[i].TopicID), p) {
				return false
			}
		}
	}
	return true
}

// mustHaveRoom: whoever is in the group, by its id or its instance id, stays.
func (g *Group) mustHaveRoom(c *Call, id string, instance *string) error {
	if len(g.members) < c.Config.MaxSize || g.staticMember(instance) != nil || g.members[id] != nil {
		return nil
	}
	return kerr.GroupMaxSizeReached.With("The consumer group has reached its maximum capacity of %d members.", c.Config.MaxSize)
}

// heartbeatMeta is a member's metadata with what a heartbeat says; what is null has not changed.
func heartbeatMeta(m wire.ConsumerGroupMemberMetadataValue, by Client, r *wire.ConsumerGroupHeartbeatRequest) wire.ConsumerGroupMemberMetadataValue {
	m.InstanceID = or(r.InstanceID, m.InstanceID)
	m.RackID = or(r.RackID, m.RackID)
	m.ServerAssignor = or(r.ServerAssignor, m.ServerAssignor)
	m.SubscribedTopicRegex = or(r.SubscribedTopicRegex, m.SubscribedTopicRegex)
	if r.RebalanceTimeoutMS != -1 {
		m.RebalanceTimeoutMS = r.RebalanceTimeoutMS
	}
	if r.SubscribedTopicNames != nil {
		m.SubscribedTopicNames = set(r.SubscribedTopicNames)
	}
	m.ClientID, m.ClientHost, m.ClassicMemberMetadata = by.ID, by.Host, nil
	return m
}

func or(s, otherwise *string) *string {
	if s != nil {
		return s
	}
	return otherwise
}

func ownedPartitions(topics []wire.ConsumerGroupHeartbeatTopicPartitions) *assign.Assignment {
	if topics == nil {
		return nil
	}
	a := assign.Assignment{}
	for i := range topics {
		a[model.TopicID(topics[i].TopicID)] = topics[i].Partitions
	}
	return &a
}

func (o Owned) heartbeat() []wire.ConsumerGroupHeartbeatTopicPartitions {
	topics := []wire.ConsumerGroupHeartbeatTopicPartitions{}
	for _, t := range o.wire() {
		topics = append(topics, wire.ConsumerGroupHeartbeatTopicPartitions{TopicID: t.TopicID, Partitions: t.Partitions})
	}
	return topics
}

// change is one member's change on its way through a decision.
type change struct {
	old, now   *Member
	owned      *assign.Assignment // what the member says that it owns; nil when it does not say
	subscribed bool               // its subscription has changed
	epoch      int32              // the group's from now on
}

// hashFor is how long a group trusts that its topics are what they were, when nobody
// tells it otherwise.
const hashFor = time.Duration(1<<31-1) * time.Millisecond

// subscribe writes what has changed of the member, and a new group epoch when its
// subscription or the group's topics have changed.
func (g *Group) subscribe(c *Call, by Client, ch *change) error {
	names := !slices.Equal(ch.old.Meta.SubscribedTopicNames, ch.now.Meta.SubscribedTopicNames)
	if g.members[ch.old.ID] != ch.old && !g.succeeds(ch.old) || !sameMeta(&ch.old.Meta, &ch.now.Meta) {
		c.add(g.memberRecord(ch.now))
	}
	regex, err := g.subscribeRegex(c, by, ch)
	if err != nil {
		return err
	}
	ch.subscribed = names || regex != regexSame
	g.renew(c, ch, names || regex == regexResolved)
	return nil
}

// succeeds reports whether the member has just been put in the place of another.
func (g *Group) succeeds(m *Member) bool {
	return m.Meta.InstanceID != nil && g.staticMember(m.Meta.InstanceID) != nil
}

// renew looks at the group's topics, if it must, and writes a new group epoch if it
// should or the topics are not what they were.
func (g *Group) renew(c *Call, ch *change, bump bool) {
	ch.epoch = g.epoch
	if !bump && c.Now.Before(g.soft.checkAt) && g.epoch >= g.soft.checkEpoch {
		return
	}
	hash := c.Topics.hash(g.topicsWith(ch.old, ch.now))
	if bump || hash != g.hash {
		ch.epoch++
		c.add(g.epochRecord(ch.epoch, hash))
	}
	g.checked(c, ch.epoch)
	if g.legacy {
		c.add(g.forgetLegacy())
	}
}

func (g *Group) checked(c *Call, epoch int32) {
	g.soft.checkAt, g.soft.checkEpoch = c.Now.Add(hashFor), epoch
}

// topicsWith are the topics that the group reads once one member has taken the place
// of another; either may be nil. A regular expression that nobody has any more is
// left out, and one that is new is not known yet.
func (g *Group) topicsWith(old, now *Member) []string {
	left := map[string]int{}
	dropped := map[string]bool{}
	if old != nil && g.members[old.ID] == old {
		left, dropped = g.leftBy(old)
	} else if old != nil && g.succeeds(old) {
		left, dropped = g.leftBy(g.staticMember(old.Meta.InstanceID))
	}
	if now != nil {
		delete(dropped, now.regex())
		for _, topic := range now.Meta.SubscribedTopicNames {
			left[topic]--
		}
	}
	return g.topicsWithout(left, dropped)
}

func (g *Group) leftBy(members ...*Member) (names map[string]int, regexes map[string]bool) {
	names, regexes = map[string]int{}, map[string]bool{}
	having := map[string]int{}
	for _, m := range members {
		for _, topic := range m.Meta.SubscribedTopicNames {
			names[topic]++
		}
		if r := m.regex(); r != "" {
			if having[r]++; having[r] == g.expressions[r] {
				regexes[r] = true
			}
		}
	}
	return names, regexes
}

// topicsWithout are the topics that the group reads when each is named by so many
// members less, and some regular expressions are gone.
func (g *Group) topicsWithout(names map[string]int, regexes map[string]bool) []string {
	var topics []string
	for topic, n := range g.names {
		if n > names[topic] {
			topics = append(topics, topic)
		}
	}
	for topic, less := range names {
		if less < 0 && g.names[topic] == 0 {
			topics = append(topics, topic)
		}
	}
	for expression, r := range g.regexes {
		if !regexes[expression] {
			topics = append(topics, r.Topics...)
		}
	}
	return set(topics)
}
