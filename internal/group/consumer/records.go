package consumer

import (
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// GroupOf is the id of the group that a record's key belongs to, if it is a record
// of consumer groups.
func GroupOf(key wire.Message) (id string, ok bool) {
	switch k := key.(type) {
	case *wire.ConsumerGroupMetadataKey:
		return k.GroupID, true
	case *wire.ConsumerGroupPartitionMetadataKey:
		return k.GroupID, true
	case *wire.ConsumerGroupMemberMetadataKey:
		return k.GroupID, true
	case *wire.ConsumerGroupTargetAssignmentMetadataKey:
		return k.GroupID, true
	case *wire.ConsumerGroupTargetAssignmentMemberKey:
		return k.GroupID, true
	case *wire.ConsumerGroupCurrentMemberAssignmentKey:
		return k.GroupID, true
	case *wire.ConsumerGroupRegularExpressionKey:
		return k.GroupID, true
	}
	return "", false
}

// Fold takes in a record of the group; value is nil for a tombstone. It returns the
// id of the member whose metadata or current assignment was told, empty for none.
func (g *Group) Fold(key, value wire.Message) (member string) {
	switch k := key.(type) {
	case *wire.ConsumerGroupMetadataKey:
		g.epoch, g.hash, g.written = initialEpoch, 0, false
		if v, ok := value.(*wire.ConsumerGroupMetadataValue); ok {
			g.epoch, g.hash, g.written = v.Epoch, v.MetadataHash, true
		}
	case *wire.ConsumerGroupPartitionMetadataKey:
		g.legacy = value != nil
	case *wire.ConsumerGroupTargetAssignmentMetadataKey:
		g.target, g.targetTime, g.targetWritten = initialEpoch, 0, false
		if v, ok := value.(*wire.ConsumerGroupTargetAssignmentMetadataValue); ok {
			g.target, g.targetTime, g.targetWritten = v.AssignmentEpoch, v.AssignmentTimestamp, true
		}
	case *wire.ConsumerGroupTargetAssignmentMemberKey:
		delete(g.targets, k.MemberID)
		if v, ok := value.(*wire.ConsumerGroupTargetAssignmentMemberValue); ok {
			g.targets[k.MemberID] = assignmentOf(v)
		}
	case *wire.ConsumerGroupRegularExpressionKey:
		g.resolve(k.RegularExpression, nil)
		if v, ok := value.(*wire.ConsumerGroupRegularExpressionValue); ok {
			g.resolve(k.RegularExpression, &Resolved{Topics: set(v.Topics), Version: v.Version, At: v.Timestamp})
		}
	case *wire.ConsumerGroupMemberMetadataKey:
		v, _ := value.(*wire.ConsumerGroupMemberMetadataValue)
		g.foldMember(k.MemberID, v)
		return k.MemberID
	case *wire.ConsumerGroupCurrentMemberAssignmentKey:
		v, _ := value.(*wire.ConsumerGroupCurrentMemberAssignmentValue)
		g.foldCurrent(k.MemberID, v)
		return k.MemberID
	default:
		assert.That(false, "a record with the key %T is none of a consumer group", key)
	}
	return ""
}

// foldMember: what a member has may come before the record that makes it a member,
// once compaction has removed an older one of those.
func (g *Group) foldMember(id string, v *wire.ConsumerGroupMemberMetadataValue) {
	old := g.members[id]
	if v == nil {
		g.replace(old, nil)
		delete(g.early, id)
		return
	}
	now := newMember(id)
	if old != nil {
		now.current = old.current
	} else if c, ok := g.early[id]; ok {
		now.current = c
		delete(g.early, id)
	}
	now.Meta = *v
	now.Meta.SubscribedTopicNames = set(v.SubscribedTopicNames)
	g.replace(old, now)
}

func (g *Group) foldCurrent(id string, v *wire.ConsumerGroupCurrentMemberAssignmentValue) {
	now := newcomer
	if v != nil {
		now = current{
			Epoch: v.MemberEpoch, Previous: v.PreviousMemberEpoch, State: State(v.State),
			Assigned: ownedOf(v.AssignedPartitions, v.MemberEpoch), Revoking: ownedOf(v.PartitionsPendingRevocation, v.MemberEpoch),
		}
	}
	old := g.members[id]
	switch {
	case old != nil:
		g.replace(old, &Member{ID: id, Meta: old.Meta, current: now})
	case v == nil:
		delete(g.early, id)
	default:
		g.early[id] = now
	}
}

// ownedOf reads partitions with their epochs. Before Kafka 4.2 there were none: the
// member's stands in for them.
func ownedOf(topics []wire.ConsumerGroupCurrentMemberAssignmentValueTopic, epoch int32) Owned {
	o := make(Owned, len(topics))
	for i := range topics {
		t := &topics[i]
		partitions := make(map[int32]int32, len(t.Partitions))
		for j, p := range t.Partitions {
			partitions[p] = max(epoch, 0)
			if len(t.AssignmentEpochs) == len(t.Partitions) {
				partitions[p] = t.AssignmentEpochs[j]
			}
		}
		o[model.TopicID(t.TopicID)] = partitions
	}
	return o
}

func assignmentOf(v *wire.ConsumerGroupTargetAssignmentMemberValue) assign.Assignment {
	a := make(assign.Assignment, len(v.TopicPartitions))
	for i := range v.TopicPartitions {
		t := &v.TopicPartitions[i]
		if len(t.Partitions) > 0 {
			a[model.TopicID(t.TopicID)] = slices.Compact(slices.Sorted(slices.Values(t.Partitions)))
		}
	}
	return a
}

// record makes a record of version 0; value is nil for a tombstone.
func record(kind int16, key, value wire.Message) machine.Record {
	k, err := wire.AppendNumbered(nil, kind, 0, key)
	assert.That(err == nil, "the key of a record of a consumer group: %v", err)
	if value == nil {
		return machine.Record{Key: k}
	}
	v, err := wire.AppendNumbered(nil, 0, 0, value)
	assert.That(err == nil, "the value of a record of a consumer group: %v", err)
	return machine.Record{Key: k, Value: v}
}

func (g *Group) epochRecord(epoch int32, hash int64) machine.Record {
	return record(wire.ConsumerGroupMetadataRecord, &wire.ConsumerGroupMetadataKey{GroupID: g.id},
		&wire.ConsumerGroupMetadataValue{Epoch: epoch, MetadataHash: hash})
}

func (g *Group) memberRecord(m *Member) machine.Record {
	return record(wire.ConsumerGroupMemberMetadataRecord, &wire.ConsumerGroupMemberMetadataKey{GroupID: g.id, MemberID: m.ID}, &m.Meta)
}

func (g *Group) targetEpochRecord(epoch int32, at int64) machine.Record {
	return record(wire.ConsumerGroupTargetAssignmentMetadataRecord, &wire.ConsumerGroupTargetAssignmentMetadataKey{GroupID: g.id},
		&wire.ConsumerGroupTargetAssignmentMetadataValue{AssignmentEpoch: epoch, AssignmentTimestamp: at})
}

func (g *Group) targetRecord(member string, a assign.Assignment) machine.Record {
	v := &wire.ConsumerGroupTargetAssignmentMemberValue{}
	for _, topic := range a.Topics() {
		v.TopicPartitions = append(v.TopicPartitions, wire.ConsumerGroupTargetAssignmentMemberValueTopic{TopicID: model.UUID(topic), Partitions: a[topic]})
	}
	return record(wire.ConsumerGroupTargetAssignmentMemberRecord, &wire.ConsumerGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: member}, v)
}

func (g *Group) currentRecord(m *Member) machine.Record {
	return record(wire.ConsumerGroupCurrentMemberAssignmentRecord, &wire.ConsumerGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: m.ID},
		&wire.ConsumerGroupCurrentMemberAssignmentValue{
			MemberEpoch: m.Epoch, PreviousMemberEpoch: m.Previous, State: int8(m.State),
			AssignedPartitions: m.Assigned.wire(), PartitionsPendingRevocation: m.Revoking.wire(),
		})
}

func (o Owned) wire() []wire.ConsumerGroupCurrentMemberAssignmentValueTopic {
	var topics []wire.ConsumerGroupCurrentMemberAssignmentValueTopic
	for _, id := range o.topics() {
		t := wire.ConsumerGroupCurrentMemberAssignmentValueTopic{TopicID: model.UUID(id), AssignmentEpochs: []int32{}}
		t.Partitions = slices.Sorted(maps.Keys(o[id]))
		for _, p := range t.Partitions {
			t.AssignmentEpochs = append(t.AssignmentEpochs, o[id][p])
		}
		topics = append(topics, t)
	}
	return topics
}

func (g *Group) regexRecord(expression string, r *Resolved) machine.Record {
	return record(wire.ConsumerGroupRegularExpressionRecord, &wire.ConsumerGroupRegularExpressionKey{GroupID: g.id, RegularExpression: expression},
		&wire.ConsumerGroupRegularExpressionValue{Topics: r.Topics, Version: r.Version, Timestamp: r.At})
}

func (g *Group) forgetRegex(expression string) machine.Record {
	return record(wire.ConsumerGroupRegularExpressionRecord, &wire.ConsumerGroupRegularExpressionKey{GroupID: g.id, RegularExpression: expression}, nil)
}

func (g *Group) forgetLegacy() machine.Record {
	return record(wire.ConsumerGroupPartitionMetadataRecord, &wire.ConsumerGroupPartitionMetadataKey{GroupID: g.id}, nil)
}

func (g *Group) forgetCurrent(member string) machine.Record {
	return record(wire.ConsumerGroupCurrentMemberAssignmentRecord, &wire.ConsumerGroupCurrentMemberAssignmentKey{GroupID: g.id, MemberID: member}, nil)
}

func (g *Group) forgetTarget(member string) machine.Record {
	return record(wire.ConsumerGroupTargetAssignmentMemberRecord, &wire.ConsumerGroupTargetAssignmentMemberKey{GroupID: g.id, MemberID: member}, nil)
}

func (g *Group) forgetMember(member string) machine.Record {
	return record(wire.ConsumerGroupMemberMetadataRecord, &wire.ConsumerGroupMemberMetadataKey{GroupID: g.id, MemberID: member}, nil)
}

// removal is what takes a member out of the log. Apache Kafka wants this order.
func (g *Group) removal(member string) []machine.Record {
	return []machine.Record{g.forgetCurrent(member), g.forgetTarget(member), g.forgetMember(member)}
}

// Tombstones are what takes the whole group out of the log. Apache Kafka wants this order.
func (g *Group) Tombstones() []machine.Record {
	return g.tombstonesOf(slices.Sorted(maps.Keys(g.members)))
}

func (g *Group) tombstonesOf(members []string) []machine.Record {
	var all []machine.Record
	for _, id := range members {
		all = append(all, g.forgetCurrent(id))
	}
	for _, id := range members {
		all = append(all, g.forgetTarget(id))
	}
	all = append(all, record(wire.ConsumerGroupTargetAssignmentMetadataRecord, &wire.ConsumerGroupTargetAssignmentMetadataKey{GroupID: g.id}, nil))
	for _, id := range members {
		all = append(all, g.forgetMember(id))
	}
	for _, expression := range slices.Sorted(maps.Keys(g.regexes)) {
		all = append(all, g.forgetRegex(expression))
	}
	return append(all, g.forgetLegacy(), record(wire.ConsumerGroupMetadataRecord, &wire.ConsumerGroupMetadataKey{GroupID: g.id}, nil))
}

// classicVersion is the version in which Apache Kafka 4.3 writes classic groups.
const classicVersion = 3

// classicRecord makes a classic group.
func classicRecord(group string, v *wire.GroupMetadataValue) machine.Record {
	r := record(wire.GroupMetadataRecord, &wire.GroupMetadataKey{Group: group}, nil)
	value, err := wire.AppendNumbered(nil, classicVersion, classicVersion, v)
	assert.That(err == nil, "the value of a record of a classic group: %v", err)
	r.Value = value
	return r
}
