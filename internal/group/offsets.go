package group

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"unique"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// commit is a committed offset. There may be millions, so that what few have is
// kept apart.
type commit struct {
	partition int32
	epoch     int32 // of the leader that the consumer read from, -1 when not told
	offset    int64
	at        int64        // when it was committed, in milliseconds
	record    model.Offset // of the record that it came from
	topic     model.TopicID
	rare      *rare // nil when there is nothing in it
}

type rare struct {
	metadata string
	expires  int64 // in milliseconds, -1 when the retention says; KIP-211
}

func (c *commit) metadata() string {
	if c.rare == nil {
		return ""
	}
	return c.rare.metadata
}

func (c *commit) expires() int64 {
	if c.rare == nil {
		return -1
	}
	return c.rare.expires
}

// isOf reports whether the offset may belong to the topic of an id: it does not
// when both sides know an id and the ids differ.
func (c *commit) isOf(id model.TopicID) bool {
	return c.topic.IsZero() || id.IsZero() || c.topic == id
}

// commitOf is what a record says.
func commitOf(partition int32, at model.Offset, v *wire.OffsetCommitValue) commit {
	c := commit{
		partition: partition, epoch: v.LeaderEpoch, offset: v.Offset, at: v.CommitTimestamp, record: at,
		topic: model.TopicID(v.TopicID),
	}
	if v.Metadata != "" || v.ExpireTimestamp != -1 {
		c.rare = &rare{metadata: v.Metadata, expires: v.ExpireTimestamp}
	}
	return c
}

// spot is a partition of a topic.
type spot struct {
	topic     string
	partition int32
}

// place is a partition that a group has committed in a transaction.
type place struct {
	group string
	spot
}

// offsets are what one group has committed: topics by name, partitions by number,
// both sorted.
type offsets struct {
	topics []topicOffsets
	open   map[spot][]model.ProducerID // whose transactions hold an offset of the partition
}

type topicOffsets struct {
	name    unique.Handle[string]
	commits []commit
}

// empty reports whether there are none, not even in open transactions.
func (o *offsets) empty() bool { return len(o.topics)+len(o.open) == 0 }

func (o *offsets) find(topic string) (int, bool) {
	return slices.BinarySearchFunc(o.topics, topic, func(t topicOffsets, name string) int {
		return strings.Compare(t.name.Value(), name)
	})
}

// topic are the commits of a topic, sorted by partition; nil when there are none.
func (o *offsets) topic(name string) []commit {
	if i, ok := o.find(name); ok {
		return o.topics[i].commits
	}
	return nil
}

func findCommit(commits []commit, partition int32) (int, bool) {
	return slices.BinarySearchFunc(commits, partition, func(c commit, p int32) int { return cmp.Compare(c.partition, p) })
}

// get is the committed offset of a partition, nil when there is none.
func (o *offsets) get(topic string, partition int32) *commit {
	commits := o.topic(topic)
	if i, ok := findCommit(commits, partition); ok {
		return &commits[i]
	}
	return nil
}

func (o *offsets) put(topic string, c commit) {
	i, ok := o.find(topic)
	if !ok {
		o.topics = slices.Insert(o.topics, i, topicOffsets{name: unique.Make(topic)})
	}
	t := &o.topics[i]
	j, ok := findCommit(t.commits, c.partition)
	if ok {
		t.commits[j] = c
	} else {
		t.commits = slices.Insert(t.commits, j, c)
	}
}

func (o *offsets) remove(topic string, partition int32) {
	i, ok := o.find(topic)
	if !ok {
		return
	}
	t := &o.topics[i]
	if j, ok := findCommit(t.commits, partition); ok {
		t.commits = slices.Delete(t.commits, j, j+1)
	}
	if len(t.commits) == 0 {
		o.topics = slices.Delete(o.topics, i, i+1)
	}
}

// all yields every committed offset by topic and partition.
func (o *offsets) all() iter.Seq2[string, *commit] {
	return func(yield func(string, *commit) bool) {
		for i := range o.topics {
			name := o.topics[i].name.Value()
			for j := range o.topics[i].commits {
				if !yield(name, &o.topics[i].commits[j]) {
					return
				}
			}
		}
	}
}

// unstable reports whether an open transaction holds an offset of the partition.
func (o *offsets) unstable(topic string, partition int32) bool {
	return len(o.open[spot{topic, partition}]) > 0
}

// openSpots are the partitions that open transactions hold, sorted.
func (o *offsets) openSpots() []spot {
	spots := make([]spot, 0, len(o.open))
	for s := range o.open {
		spots = append(spots, s)
	}
	slices.SortFunc(spots, func(a, b spot) int {
		return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	return spots
}

func (o *offsets) hold(s spot, by model.ProducerID) {
	if o.open == nil {
		o.open = map[spot][]model.ProducerID{}
	}
	if !slices.Contains(o.open[s], by) {
		o.open[s] = append(o.open[s], by)
	}
}

func (o *offsets) release(s spot, by model.ProducerID) {
	rest := slices.DeleteFunc(o.open[s], func(p model.ProducerID) bool { return p == by })
	if len(rest) == 0 {
		delete(o.open, s)
	} else {
		o.open[s] = rest
	}
}

// foldCommit takes in the record of a commit, nil for a tombstone.
func (m *Machine) foldCommit(from machine.Origin, k *wire.OffsetCommitKey, v *wire.OffsetCommitValue) {
	if v == nil {
		m.foldForgotten(k)
		return
	}
	g, c := m.group(k.Group), commitOf(k.Partition, from.Offset, v)
	if from.Producer.ID < 0 {
		g.offsets.put(k.Topic, c)
		return
	}
	held := m.pending[from.Producer.ID]
	if held == nil {
		held = map[place]commit{}
		m.pending[from.Producer.ID] = held
	}
	s := spot{k.Topic, k.Partition}
	held[place{k.Group, s}] = c
	g.offsets.hold(s, from.Producer.ID)
}

// foldForgotten takes in a tombstone. It drops what open transactions hold too:
// compaction takes their records away with it.
func (m *Machine) foldForgotten(k *wire.OffsetCommitKey) {
	g := m.groups[k.Group]
	if g == nil {
		return
	}
	g.offsets.remove(k.Topic, k.Partition)
	s := spot{k.Topic, k.Partition}
	for _, by := range g.offsets.open[s] {
		m.unpend(by, place{k.Group, s})
	}
	delete(g.offsets.open, s)
	m.settled(g)
}

func (m *Machine) unpend(by model.ProducerID, p place) {
	delete(m.pending[by], p)
	if len(m.pending[by]) == 0 {
		delete(m.pending, by)
	}
}

// settled forgets a group of which nothing is left, before service begins.
func (m *Machine) settled(g *group) {
	if !m.serving {
		m.dropHusk(g)
	}
}

// FoldMarker implements machine.Machine. An offset that was committed outside of
// the transaction after it was committed inside stays: otherwise a replay would
// depend on whether compaction has taken the one inside.
func (m *Machine) FoldMarker(p machine.Producer, committed bool) {
	held := m.pending[p.ID]
	delete(m.pending, p.ID)
	for at, c := range held {
		g := m.groups[at.group]
		g.offsets.release(at.spot, p.ID)
		if !committed {
			m.settled(g)
			continue
		}
		if old := g.offsets.get(at.topic, at.partition); old == nil || c.record > old.record {
			g.offsets.put(at.topic, c)
		}
	}
}
