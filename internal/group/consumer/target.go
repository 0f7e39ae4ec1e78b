package consumer

import (
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// retarget computes and writes a new target assignment when the group epoch has
// left the old one behind, but not sooner after the last than the interval between
// assignments allows (KIP-1263). It returns the assignment epoch and the target of
// the member that has changed.
func (g *Group) retarget(c *Call, ch *change) (int32, assign.Assignment, error) {
	if g.target >= ch.epoch || !g.mayRetarget(c) {
		return g.target, g.targetOf(ch.now), nil
	}
	strategy, err := assign.ByName(g.assignor(c, ch.old, ch.now))
	if err != nil {
		return 0, nil, kerr.UnknownServerError.With("Failed to compute a new target assignment for epoch %d: %s", ch.epoch, err.Error())
	}
	members := g.assignees(c, ch.now)
	targets := strategy(assign.Input{Members: members, Partitions: c.Topics.partitions})
	for i := range members {
		id := members[i].ID
		if old, ok := g.targets[id]; !ok || !old.Equal(targets[id]) {
			c.add(g.targetRecord(id, targets[id]))
		}
	}
	c.add(g.targetEpochRecord(ch.epoch, c.millis()))
	return ch.epoch, targets[ch.now.ID], nil
}

// mayRetarget reports whether it is time for another assignment. The time of the last
// is the wall clock's of some coordinator, and a time that is still to come says
// nothing.
func (g *Group) mayRetarget(c *Call) bool {
	interval := c.setting(g.id, assignmentKey, c.Config.AssignmentInterval).Milliseconds()
	now := c.millis()
	return g.targetTime == 0 || interval == 0 || now >= g.targetTime+interval || now < g.targetTime
}

// assignor is the assignor that most members ask for; of equals, the one that the
// broker's configuration names first.
func (g *Group) assignor(c *Call, old, now *Member) string {
	votes := func(name string) int {
		n := g.assignors[name]
		if old != nil && (g.members[old.ID] == old || g.succeeds(old)) && text(old.Meta.ServerAssignor) == name {
			n--
		}
		if now != nil && text(now.Meta.ServerAssignor) == name {
			n++
		}
		return n
	}
	best := c.Config.Assignors[0]
	for _, name := range c.Config.Assignors[1:] {
		if votes(name) > votes(best) {
			best = name
		}
	}
	return best
}

// assignees are the members as an assignor sees them, with the one that has changed.
func (g *Group) assignees(c *Call, changed *Member) []assign.Member {
	replaced := g.staticMember(changed.Meta.InstanceID)
	resolved := map[string][]model.TopicID{}
	var all []assign.Member
	for _, m := range g.Members() {
		if m.ID != changed.ID && m != replaced {
			all = append(all, g.assignee(c, m, g.targets[m.ID], resolved))
		}
	}
	all = append(all, g.assignee(c, changed, g.targetBefore(changed, replaced), resolved))
	slices.SortFunc(all, func(a, b assign.Member) int { return strings.Compare(a.ID, b.ID) })
	return all
}

func (g *Group) targetBefore(m, replaced *Member) assign.Assignment {
	if replaced != nil {
		return g.targets[replaced.ID]
	}
	return g.targets[m.ID]
}

// assignee resolves the member's topics; members with one subscription share the result.
func (g *Group) assignee(c *Call, m *Member, target assign.Assignment, resolved map[string][]model.TopicID) assign.Member {
	key := m.regex()
	for _, name := range m.Meta.SubscribedTopicNames {
		key += "\x00" + name
	}
	topics, ok := resolved[key]
	if !ok {
		topics = c.Topics.ids(g.subscription(m))
		resolved[key] = topics
	}
	return assign.Member{ID: m.ID, InstanceID: text(m.Meta.InstanceID), Topics: topics, Assigned: target}
}

// subscription is the topics that the member reads, those that its regular
// expression matches among them once that has been looked up.
func (g *Group) subscription(m *Member) []string {
	names := m.Meta.SubscribedTopicNames
	if r := g.regexes[m.regex()]; r != nil {
		if len(names) == 0 {
			return r.Topics
		}
		names = append(slices.Clone(names), r.Topics...)
	}
	return names
}
