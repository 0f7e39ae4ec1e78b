package consumer

import (
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// reconcile takes the member one step towards its target, and writes the step. Its
// rebalance alarm is set when the record is folded.
func (g *Group) reconcile(c *Call, ch *change, epoch int32, target assign.Assignment) *Member {
	if !ch.subscribed && ch.now.reconciled(epoch) {
		return ch.now
	}
	s := step{group: g, change: ch, epoch: epoch, target: target, topics: map[model.TopicID]bool{}}
	for _, id := range c.Topics.ids(g.subscription(ch.now)) {
		s.topics[id] = true
	}
	next := s.take()
	if !next.equal(&ch.now.current) {
		c.add(g.currentRecord(next))
	}
	return next
}

// mustBeKnown fences a member in a state that this version does not know, as after a
// downgrade of the broker, until it has given everything up.
func (ch *change) mustBeKnown() error {
	if s := ch.now.State; s == Stable || s == Unrevoked || s == Unreleased {
		return nil
	}
	if ch.owned == nil || len(*ch.owned) > 0 {
		return kerr.FencedMemberEpoch.With("The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.")
	}
	return nil
}

// step is one member's step.
type step struct {
	group  *Group
	change *change
	epoch  int32 // of the target assignment
	target assign.Assignment
	topics map[model.TopicID]bool // that the member reads
}

func (s *step) take() *Member {
	m := s.change.now
	switch m.State {
	case Stable:
		if m.Epoch != s.epoch {
			return s.next(m.Epoch)
		}
		return s.unsubscribe()
	case Unrevoked:
		if s.owns(m.Revoking) {
			if s.change.subscribed {
				return s.unsubscribe()
			}
			return m
		}
		return s.next(m.Epoch)
	case Unreleased:
		return s.next(m.Epoch)
	}
	return s.next(s.epoch)
}

// owns reports whether the member may still own one of the partitions: it does unless
// it says that it does not.
func (s *step) owns(revoking Owned) bool {
	if s.change.owned == nil {
		return true
	}
	for topic, partitions := range *s.change.owned {
		for _, p := range partitions {
			if revoking.has(topic, p) {
				return true
			}
		}
	}
	return false
}

// unsubscribe takes topics from the member that it does not read any more, without
// going to another epoch.
func (s *step) unsubscribe() *Member {
	m := s.change.now
	kept, given := Owned{}, Owned{}
	for topic, partitions := range m.Assigned {
		if s.topics[topic] {
			kept[topic] = partitions
		} else {
			given[topic] = partitions
		}
	}
	if len(given) == 0 {
		return m
	}
	revoking := m.Revoking.plus(given)
	if s.owns(revoking) {
		return m.moved(m.Epoch, Unrevoked, kept, revoking)
	}
	return m.moved(m.Epoch, m.State, kept, m.Revoking)
}

// next takes the member as far towards its target as it can go: to give up what is
// not its own any more if there is such, else to the target's epoch with all that is free.
func (s *step) next(epoch int32) *Member {
	m := s.change.now
	kept, revoking, gained := Owned{}, Owned{}, Owned{}
	unreleased := false
	for _, topic := range s.bothTopics() {
		target := s.target[topic]
		if !s.topics[topic] {
			target = nil
		}
		for p, since := range m.Assigned[topic] {
			if _, ok := slices.BinarySearch(target, p); ok {
				kept.put(topic, p, since)
			} else {
				revoking.put(topic, p, since)
			}
		}
		for _, p := range target {
			switch {
			case m.Assigned.has(topic, p):
			case s.group.free(topic, p) || m.Revoking.has(topic, p): // nobody's, or its own until just now
				gained.put(topic, p, s.epoch)
			default:
				unreleased = true
			}
		}
	}
	if len(revoking) > 0 && s.owns(revoking) {
		return m.moved(epoch, Unrevoked, kept, revoking)
	}
	state := Stable
	if unreleased {
		state = Unreleased
	}
	return m.moved(s.epoch, state, kept.plus(gained), nil)
}

// bothTopics are the topics of the target and of what the member has.
func (s *step) bothTopics() []model.TopicID {
	both := map[model.TopicID]bool{}
	for topic := range s.target {
		both[topic] = true
	}
	for topic := range s.change.now.Assigned {
		both[topic] = true
	}
	return slices.SortedFunc(maps.Keys(both), compareTopics)
}

func (o Owned) put(topic model.TopicID, partition, epoch int32) {
	if o[topic] == nil {
		o[topic] = map[int32]int32{}
	}
	o[topic][partition] = epoch
}
