package group

import (
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// sweepBatch is about how many tombstones one part of a sweep writes, so that its
// batch stays far below the largest that a topic takes, and sweepLook how many
// groups it looks at at most.
const (
	sweepBatch = 1000
	sweepLook  = 1000
)

// sweepRetry is after how long a part is tried again that could not be written.
const sweepRetry = time.Second

// A sweep goes through the groups and drops offsets, in parts: other requests
// come in between. It names the groups that it has yet to see.
type sweep struct {
	left []string
	// deleted are topics that are no more; nil when the sweep is for what has
	// expired. Offsets that do not know the id of their topic go by its name, as
	// far as they were committed by then.
	deleted map[model.TopicID]struct{}
	names   map[string]struct{}
	until   model.Offset
}

// drops reports whether the sweep of deleted topics is for an offset.
func (s *sweep) drops(topic string, c *commit) bool {
	if !c.topic.IsZero() {
		_, ok := s.deleted[c.topic]
		return ok
	}
	_, ok := s.names[topic]
	return ok && c.record <= s.until
}

// checkExpiry begins to drop what has expired (KIP-211).
func (m *Machine) checkExpiry() {
	m.alarms.set(alarm{what: checkExpiry}, m.now.Add(m.config.CheckInterval))
	under := func(s *sweep) bool { return s.deleted == nil }
	if len(m.groups) > 0 && !slices.ContainsFunc(m.sweeps, under) && !slices.ContainsFunc(m.parked, under) {
		m.sweeps = append(m.sweeps, &sweep{left: m.ids()})
	}
}

// sweepDeleted begins to drop the offsets of topics that the old image had and
// the new one has not.
func (m *Machine) sweepDeleted(old *metadata.Image) {
	s := &sweep{deleted: map[model.TopicID]struct{}{}, names: map[string]struct{}{}, until: m.folded}
	for _, t := range metadata.TopicsGone(old, m.img) {
		s.deleted[t.ID] = struct{}{}
		s.names[t.Name] = struct{}{}
	}
	m.begin(s)
}

// sweepDeletedBefore begins to drop what is known to be of topics that are no
// more: they were deleted while nobody served here. The image that made this
// broker the leader has every topic for which another could have taken a commit.
func (m *Machine) sweepDeletedBefore() {
	s := &sweep{deleted: map[model.TopicID]struct{}{}}
	there := map[model.TopicID]struct{}{{}: {}}
	for _, g := range m.groups {
		for _, c := range g.offsets.all() {
			if _, ok := there[c.topic]; ok {
				continue
			}
			if m.img.TopicByID(c.topic) == nil {
				s.deleted[c.topic] = struct{}{}
			} else {
				there[c.topic] = struct{}{}
			}
		}
	}
	m.begin(s)
}

func (m *Machine) begin(s *sweep) {
	if len(s.deleted) > 0 && len(m.groups) > 0 {
		s.left = m.ids()
		m.sweeps = append(m.sweeps, s)
	}
}

// sweep does the next part of the first sweep.
func (m *Machine) sweep() {
	s := m.sweeps[0]
	m.undo = unswept{s, s.left}
	for looked := 0; len(s.left) > 0 && looked < sweepLook && len(m.out.Records) < sweepBatch; looked++ {
		g := m.groups[s.left[0]]
		done := g == nil
		switch {
		case done:
		case s.deleted != nil:
			done = m.dropDeleted(g, s)
		default:
			done = m.expire(g)
		}
		if !done {
			return // the rest of this group is for the next part
		}
		s.left = s.left[1:]
	}
	if len(s.left) == 0 {
		m.sweeps = m.sweeps[1:]
	}
}

// unswept puts back a part of a sweep that could not be written.
type unswept struct {
	*sweep
	was []string // left before it
}

func (u unswept) refused(m *Machine, _ *kerr.Error) {
	if len(m.sweeps) > 0 && m.sweeps[0] == u.sweep {
		m.sweeps = m.sweeps[1:]
	}
	u.left = u.was
	m.parked = append(m.parked, u.sweep)
	m.alarms.set(alarm{what: sweepAgain}, m.now.Add(sweepRetry))
}

func (m *Machine) sweepAgain() {
	m.sweeps = append(m.sweeps, m.parked...)
	m.parked = nil
}

// dropDeleted drops a group's offsets of deleted topics, and says whether those
// were all.
func (m *Machine) dropDeleted(g *group, s *sweep) bool {
	for topic, c := range g.offsets.all() {
		if !s.drops(topic, c) {
			continue
		}
		if len(m.out.Records) >= sweepBatch {
			return false
		}
		m.append(forget(g.id, topic, c.partition))
	}
	for _, at := range g.offsets.openSpots() {
		held := m.pending[g.offsets.open[at][0]][place{g.id, at}]
		if !s.drops(at.topic, &held) || g.offsets.get(at.topic, at.partition) != nil {
			continue
		}
		if len(m.out.Records) >= sweepBatch {
			return false
		}
		m.append(forget(g.id, at.topic, at.partition))
	}
	return true
}

// expire drops a group's offsets that have expired, and the group itself once
// that leaves nothing of it; it says whether those were all.
func (m *Machine) expire(g *group) bool {
	left := len(g.offsets.open)
	for topic, c := range g.offsets.all() {
		if !m.expired(g, topic, c) {
			left++
			continue
		}
		if len(m.out.Records) >= sweepBatch {
			return false
		}
		m.append(forget(g.id, topic, c.partition))
	}
	if left == 0 && g.kind.isEmpty() {
		m.append(g.kind.tombstones()...)
	}
	return true
}

func (m *Machine) expired(g *group, topic string, c *commit) bool {
	since, ok := g.kind.retained(c.at)
	switch {
	case !ok || g.kind.subscribed(topic) || g.offsets.unstable(topic, c.partition):
		return false
	case c.expires() != -1:
		return m.millis() >= c.expires()
	}
	return m.millis()-since >= m.config.Retention.Milliseconds()
}
