package consumer

import (
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// Classic is a classic group, as much of it as a consumer group can be made from.
type Classic struct {
	Generation   int32
	ProtocolType string
	Members      []ClassicMember
}

// ClassicMember is a member of a Classic.
type ClassicMember struct {
	ID                 string
	InstanceID         *string
	ClientID           string
	ClientHost         string
	RebalanceTimeoutMS int32
	SessionTimeoutMS   int32
	Protocols          []wire.ConsumerGroupMemberMetadataValueProtocol
	Subscription       []byte // of the protocol that the group uses
	Assignment         []byte // empty when it has none
}

// Upgrade makes a consumer group of a classic one that has members, because somebody
// joins with the new protocol. Its records, which follow those that forget the classic
// group, go before all others of the call. The members have what the classic group's
// last generation gave them.
func Upgrade(c *Call, id string, old *Classic) (*Group, error) {
	switch {
	case !c.Config.Migration.Upgrade:
		return nil, cannotUpgrade(id, "online upgrade is disabled")
	case old.ProtocolType != protocolType:
		return nil, cannotUpgrade(id, "the group does not use the consumer embedded protocol")
	case len(old.Members) > c.Config.MaxSize:
		return nil, cannotUpgrade(id, "the group size exceeds the consumer group maximum size")
	}
	g := New(id)
	for i := range old.Members {
		m, err := c.Topics.upgraded(&old.Members[i], old.Generation)
		if err != nil {
			return nil, upgradeError(id, err)
		}
		g.replace(nil, m)
		g.targets[m.ID] = m.Assigned.assignment()
		c.Alarms.Set(Session, m.ID, c.after(m.Meta.ClassicMemberMetadata.SessionTimeoutMS))
	}
	g.epoch, g.written = old.Generation, true
	g.target, g.targetWritten = old.Generation, true
	g.hash = c.Topics.hash(g.topicsWithout(nil, nil))
	g.write(c)
	return g, nil
}

func cannotUpgrade(id, why string) error {
	return kerr.GroupIDNotFound.With("Cannot upgrade classic group %s to consumer group because %s.", id, why)
}

func upgradeError(id string, err error) error {
	if err == errCustomAssignor {
		return cannotUpgrade(id, "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before re-attempting the upgrade")
	}
	return cannotUpgrade(id, "the embedded consumer protocol is malformed")
}

// errCustomAssignor: what a custom assignor tells its members would be lost.
var errCustomAssignor = kerr.UnsupportedVersion.With("userData from a custom assignor would be lost")

func (t *Topics) upgraded(old *ClassicMember, generation int32) (*Member, error) {
	var s wire.ConsumerProtocolSubscription
	if _, err := wire.DecodeConsumerProtocol(old.Subscription, &s); err != nil {
		return nil, err
	}
	var a wire.ConsumerProtocolAssignment
	if len(old.Assignment) > 0 {
		if _, err := wire.DecodeConsumerProtocol(old.Assignment, &a); err != nil {
			return nil, err
		}
	}
	if len(a.UserData) > 0 {
		return nil, errCustomAssignor
	}
	m := newMember(old.ID)
	m.Meta.InstanceID, m.Meta.ClientID, m.Meta.ClientHost = old.InstanceID, old.ClientID, old.ClientHost
	m.Meta.RebalanceTimeoutMS, m.Meta.SubscribedTopicNames = old.RebalanceTimeoutMS, set(s.Topics)
	if text(s.RackID) != "" {
		m.Meta.RackID = s.RackID
	}
	m.Meta.ClassicMemberMetadata = &wire.ConsumerGroupMemberMetadataValueClassic{SessionTimeoutMS: old.SessionTimeoutMS, SupportedProtocols: old.Protocols}
	m.current = current{Epoch: generation, Previous: generation, State: Stable, Assigned: Owned{}}
	for topic, partitions := range *t.owned(a.AssignedPartitions) {
		for _, p := range partitions {
			m.Assigned.put(topic, p, generation)
		}
	}
	return m, nil
}

// write writes the whole group.
func (g *Group) write(c *Call) {
	members := g.Members()
	for _, m := range members {
		c.add(g.memberRecord(m))
	}
	c.add(g.epochRecord(g.epoch, g.hash))
	for _, m := range members {
		c.add(g.targetRecord(m.ID, g.targets[m.ID]))
	}
	c.add(g.targetEpochRecord(g.target, g.targetTime))
	for _, m := range members {
		c.add(g.currentRecord(m))
	}
}

// mayDowngrade reports whether the group is to become a classic one when some members
// go and so many join: all that stay are classic, and have a protocol in common.
func (g *Group) mayDowngrade(c *Call, joining int, out ...*Member) bool {
	known, left := map[string]int{}, 0
	for _, m := range g.members {
		if slices.Contains(out, m) {
			continue
		}
		if !m.Classic() {
			return false
		}
		left++
		for _, p := range m.protocols() {
			known[p.Name]++
		}
	}
	common := left == 0
	for _, n := range known {
		common = common || n == left
	}
	return common && left+joining > 0 && left+joining <= c.Config.ClassicMaxSize && c.Config.Migration.Downgrade
}

// downgrade writes the group over to a classic one: its last target assignment is
// that group's assignment. Members go; one may join in the place of a static one,
// whose records are those that are to be forgotten by now.
func (g *Group) downgrade(c *Call, out []*Member, joining *Member) error {
	var forget []string
	var members []wire.GroupMetadataValueMember
	var kept []classicVoter
	for _, m := range g.Members() {
		id, target := m.ID, g.targets[m.ID]
		if joining != nil && slices.Contains(out, m) {
			id, m = joining.ID, joining
		} else if slices.Contains(out, m) {
			forget = append(forget, id)
			continue
		}
		forget = append(forget, id)
		kept = append(kept, classicVoter{m, target})
	}
	name := chosenProtocol(kept)
	if name == "" {
		return kerr.GroupIDNotFound.With("Cannot downgrade the classic group %s: its members have no protocol in common.", g.id)
	}
	for _, k := range kept {
		member, err := k.record(c, name)
		if err != nil {
			return kerr.GroupIDNotFound.With("Cannot downgrade the classic group %s: %s.", g.id, err.Error())
		}
		members = append(members, member)
	}
	c.add(g.tombstonesOf(forget)...)
	c.add(classicRecord(g.id, &wire.GroupMetadataValue{
		ProtocolType: protocolType, Generation: g.epoch, Protocol: &name, Leader: &members[0].MemberID,
		CurrentStateTimestamp: c.millis(), Members: members,
	}))
	return nil
}

// classicVoter is a member of the classic group that is made.
type classicVoter struct {
	*Member
	target assign.Assignment
}

func (v classicVoter) record(c *Call, protocol string) (wire.GroupMetadataValueMember, error) {
	i := slices.IndexFunc(v.protocols(), func(p wire.ConsumerGroupMemberMetadataValueProtocol) bool { return p.Name == protocol })
	subscription := v.protocols()[i].Metadata
	assignment, err := c.Topics.protocolAssignment(v.target, subscription)
	return wire.GroupMetadataValueMember{
		MemberID: v.ID, GroupInstanceID: v.Meta.InstanceID, ClientID: v.Meta.ClientID, ClientHost: v.Meta.ClientHost,
		RebalanceTimeout: v.Meta.RebalanceTimeoutMS, SessionTimeout: v.Meta.ClassicMemberMetadata.SessionTimeoutMS,
		Subscription: subscription, Assignment: assignment,
	}, err
}

// chosenProtocol is the protocol that most members prefer among those that all know.
func chosenProtocol(members []classicVoter) string {
	known := map[string]int{}
	for _, m := range members {
		for _, p := range m.protocols() {
			known[p.Name]++
		}
	}
	votes := map[string]int{}
	for _, m := range members {
		for _, p := range m.protocols() {
			if known[p.Name] == len(members) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for name, n := range votes {
		if n > votes[best] || n == votes[best] && strings.Compare(name, best) < 0 {
			best = name
		}
	}
	return best
}
