package assign

import (
	"cmp"
	"slices"

	"github.com/stromkafka/strom/internal/model"
)

// Range gives each subscriber of a topic a run of its partitions. The subscribers
// are ordered: static members by instance id, then the others by member id; the
// first ones get one partition more where the division leaves a rest. It does not
// look at what members have, but the order makes it stable.
func Range(in Input) map[string]Assignment {
	members := slices.SortedFunc(slices.Values(in.Members), compareForRange)
	subscribers := map[model.TopicID]int32{}
	for _, m := range members {
		for _, topic := range m.Topics {
			subscribers[topic]++
		}
	}
	next := make(map[model.TopicID]share, len(subscribers))
	for topic, n := range subscribers {
		partitions := in.Partitions(topic)
		next[topic] = share{each: partitions / n, rest: partitions % n}
	}
	assigned := make(map[string]Assignment, len(members))
	for _, m := range members {
		a := make(Assignment, len(m.Topics))
		for _, topic := range m.Topics {
			s := next[topic]
			if run := s.take(); len(run) > 0 {
				a[topic] = run
			}
			next[topic] = s
		}
		assigned[m.ID] = a
	}
	return assigned
}

// share is how a topic is being dealt out.
type share struct {
	start int32 // the next partition to give
	each  int32
	rest  int32 // how many members still get one more
}

func (s *share) take() []int32 {
	n := s.each
	if s.rest > 0 {
		s.rest--
		n++
	}
	run := make([]int32, n)
	for i := range run {
		run[i] = s.start + int32(i)
	}
	s.start += n
	return run
}

func compareForRange(a, b Member) int {
	if (a.InstanceID == "") != (b.InstanceID == "") {
		if a.InstanceID != "" {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.InstanceID, b.InstanceID), cmp.Compare(a.ID, b.ID))
}
