package assign

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/stromkafka/strom/internal/model"
)

// balanceRounds bounds how often the topics are gone through. Where all subscribers
// of a topic have the same subscription one round balances and a second sees that
// it did; where subscriptions overlap, each round about halves what is wrong.
const balanceRounds = 16

// mixed is a uniform assignment in the making for members that subscribe to
// different topics. Members are numbered in the order of their ids.
type mixed struct {
	members     []Member
	topics      []model.TopicID // those with few subscribers a partition first
	subscribers map[model.TopicID][]int
	owners      map[model.TopicID][]int // of each partition, nobody before it is dealt out
	sizes       []int                   // how many partitions each member has
}

const nobody = -1

func newMixed(members []Member, count func(model.TopicID) int32) *mixed {
	a := &mixed{
		members:     members,
		subscribers: map[model.TopicID][]int{},
		owners:      map[model.TopicID][]int{},
		sizes:       make([]int, len(members)),
	}
	for i, m := range members {
		for _, topic := range m.Topics {
			if a.subscribers[topic] == nil {
				a.topics = append(a.topics, topic)
				a.owners[topic] = slices.Repeat([]int{nobody}, int(count(topic)))
			}
			a.subscribers[topic] = append(a.subscribers[topic], i)
		}
	}
	slices.SortFunc(a.topics, a.compareTopics)
	return a
}

// compareTopics puts those first whose subscribers get the most partitions of them,
// then those with fewer subscribers: what is hard to place is placed first.
func (a *mixed) compareTopics(s, t model.TopicID) int {
	density := func(topic model.TopicID) float64 {
		return float64(len(a.owners[topic])) / float64(len(a.subscribers[topic]))
	}
	return cmp.Or(cmp.Compare(density(t), density(s)),
		cmp.Compare(len(a.subscribers[s]), len(a.subscribers[t])), CompareTopics(s, t))
}

func (a *mixed) assign() map[string]Assignment {
	a.keep()
	for _, topic := range a.topics {
		a.deal(topic)
	}
	a.balance()
	return a.result()
}

// keep leaves every member what it has of the topics it still subscribes to.
func (a *mixed) keep() {
	for i, m := range a.members {
		for _, topic := range m.Topics {
			owners := a.owners[topic]
			for _, p := range m.Assigned[topic] {
				if int(p) < len(owners) && owners[p] == nobody {
					owners[p] = i
					a.sizes[i]++
				}
			}
		}
	}
}

// deal gives each partition without an owner to the subscriber that has least.
func (a *mixed) deal(topic model.TopicID) {
	var least *memberHeap
	for p, owner := range a.owners[topic] {
		if owner != nobody {
			continue
		}
		if least == nil {
			least = a.heapOf(topic, a.fewer)
		}
		to := least.order[0]
		a.owners[topic][p] = to
		a.sizes[to]++
		heap.Fix(least, 0)
	}
}

// balance moves partitions until no single topic can be balanced better, or the
// rounds are used up.
func (a *mixed) balance() {
	var shared []model.TopicID
	for _, topic := range a.topics {
		if len(a.subscribers[topic]) > 1 {
			shared = append(shared, topic)
		}
	}
	for range balanceRounds {
		moved := false
		for _, topic := range shared {
			moved = a.balanceTopic(topic) || moved
		}
		if !moved {
			return
		}
	}
}

// balanceTopic moves partitions of the topic from the subscriber that has most, of
// all topics, to the one that has least, until these are at most one apart. Who has
// no partition of this topic cannot give and is passed over.
//
// Both heaps look at sizes that the other side changes. That does no harm: who has
// taken one is at most one above the least, so nothing is taken from it again.
func (a *mixed) balanceTopic(topic model.TopicID) bool {
	held := make(map[int][]int32)
	for p, owner := range a.owners[topic] {
		held[owner] = append(held[owner], int32(p))
	}
	moved := false
	least, most := a.heapOf(topic, a.fewer), a.heapOf(topic, a.more)
	for most.Len() > 0 {
		from, to := most.order[0], least.order[0]
		if len(held[from]) == 0 {
			heap.Pop(most)
			continue
		}
		if a.sizes[from]-a.sizes[to] <= 1 {
			break
		}
		last := len(held[from]) - 1
		a.owners[topic][held[from][last]] = to
		held[from] = held[from][:last]
		a.sizes[from]--
		a.sizes[to]++
		heap.Fix(most, 0)
		heap.Fix(least, 0)
		moved = true
	}
	return moved
}

func (a *mixed) result() map[string]Assignment {
	assignments := make([]Assignment, len(a.members))
	for i := range assignments {
		assignments[i] = Assignment{}
	}
	for _, topic := range a.topics {
		for p, owner := range a.owners[topic] {
			assignments[owner][topic] = append(assignments[owner][topic], int32(p))
		}
	}
	byID := make(map[string]Assignment, len(a.members))
	for i, m := range a.members {
		byID[m.ID] = assignments[i]
	}
	return byID
}

func (a *mixed) fewer(i, j int) bool {
	return cmp.Or(cmp.Compare(a.sizes[i], a.sizes[j]), cmp.Compare(i, j)) < 0
}

func (a *mixed) more(i, j int) bool { return a.fewer(j, i) }

// memberHeap keeps the member first that sorts before all others.
type memberHeap struct {
	order []int
	less  func(i, j int) bool
}

func (a *mixed) heapOf(topic model.TopicID, less func(i, j int) bool) *memberHeap {
	h := &memberHeap{order: slices.Clone(a.subscribers[topic]), less: less}
	heap.Init(h)
	return h
}

func (h *memberHeap) Len() int           { return len(h.order) }
func (h *memberHeap) Less(i, j int) bool { return h.less(h.order[i], h.order[j]) }
func (h *memberHeap) Swap(i, j int)      { h.order[i], h.order[j] = h.order[j], h.order[i] }
func (h *memberHeap) Push(x any)         { h.order = append(h.order, x.(int)) }

// Pop is the end of the slice, as package heap wants it.
func (h *memberHeap) Pop() any {
	last := len(h.order) - 1
	x := h.order[last]
	h.order = h.order[:last]
	return x
}
