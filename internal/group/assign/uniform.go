package assign

import (
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/model"
)

// Uniform spreads partitions so that no member has two more than another that could
// take one, and leaves where it is what may stay.
func Uniform(in Input) map[string]Assignment {
	members := in.byID()
	if len(members) == 0 {
		return map[string]Assignment{}
	}
	if homogeneous(members) {
		return uniformSame(members, in.Partitions)
	}
	return newMixed(members, in.Partitions).assign()
}

// partition names a partition while it has no owner.
type partition struct {
	topic model.TopicID
	index int32
}

// uniformSame serves members that all subscribe to the same topics. Each has a
// quota: an equal share, and one more for as many members as the division leaves
// partitions over. Members keep what they have up to their quota; the rest is dealt
// out to those below theirs.
func uniformSame(members []Member, count func(model.TopicID) int32) map[string]Assignment {
	owned := make(map[model.TopicID][]bool, len(members[0].Topics))
	total := 0
	for _, topic := range members[0].Topics {
		owned[topic] = make([]bool, count(topic))
		total += len(owned[topic])
	}
	each, extra := total/len(members), total%len(members)

	kept := make([]kept, len(members))
	for i := range members {
		kept[i] = keep(members[i].Assigned, owned)
	}
	free := unowned(members[0].Topics, owned)
	quotas := quotas(kept, each, extra)
	for i := range kept {
		free = append(free, kept[i].cut(quotas[i])...)
	}
	assigned := make(map[string]Assignment, len(members))
	for i := range members {
		n := quotas[i] - kept[i].count
		assigned[members[i].ID] = kept[i].with(free[:n])
		free = free[n:]
	}
	return assigned
}

// kept is what a member has and may keep.
type kept struct {
	Assignment
	count int
}

// keep takes what exists and nobody else has kept, and marks it as owned.
func keep(a Assignment, owned map[model.TopicID][]bool) kept {
	k := kept{Assignment: make(Assignment, len(a))}
	for topic, partitions := range a {
		mine := slices.DeleteFunc(slices.Clone(partitions), func(p int32) bool {
			return int(p) >= len(owned[topic]) || owned[topic][p]
		})
		if len(mine) == len(partitions) {
			mine = partitions
		}
		if len(mine) > 0 {
			k.Assignment[topic] = mine
			k.count += len(mine)
		}
		for _, p := range mine {
			owned[topic][p] = true
		}
	}
	return k
}

// unowned are the partitions that nobody has, in order.
func unowned(topics []model.TopicID, owned map[model.TopicID][]bool) []partition {
	var free []partition
	for _, topic := range topics {
		for p, taken := range owned[topic] {
			if !taken {
				free = append(free, partition{topic, int32(p)})
			}
		}
	}
	return free
}

// quotas are how many partitions each member shall have. The extra ones go first to
// members that already have more than an equal share, so that those give up less,
// then to the first of the others.
func quotas(all []kept, each, extra int) []int {
	quotas := make([]int, len(all))
	for i := range all {
		quotas[i] = each
		if all[i].count > each && extra > 0 {
			quotas[i]++
			extra--
		}
	}
	for i := range quotas {
		if extra > 0 && quotas[i] == each {
			quotas[i]++
			extra--
		}
	}
	return quotas
}

// cut takes away what is above the quota and returns it.
func (k *kept) cut(quota int) []partition {
	var cut []partition
	room := quota
	for _, topic := range k.Topics() {
		partitions := k.Assignment[topic]
		if len(partitions) <= room {
			room -= len(partitions)
			continue
		}
		for _, p := range partitions[room:] {
			cut = append(cut, partition{topic, p})
		}
		if room == 0 {
			delete(k.Assignment, topic)
		} else {
			k.Assignment[topic] = partitions[:room:room]
		}
		room = 0
	}
	k.count -= len(cut)
	return cut
}

// with is the assignment with more partitions.
func (k *kept) with(more []partition) Assignment {
	if len(more) == 0 {
		return k.Assignment
	}
	a := maps.Clone(k.Assignment)
	grown := map[model.TopicID]bool{}
	for _, p := range more {
		if !grown[p.topic] {
			a[p.topic] = slices.Clone(a[p.topic]) // what it had belongs to others too
			grown[p.topic] = true
		}
		a[p.topic] = append(a[p.topic], p.index)
	}
	for topic := range grown {
		slices.Sort(a[topic])
	}
	return a
}
