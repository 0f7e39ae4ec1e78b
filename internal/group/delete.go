package group

import (
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// deleteOffsets is OffsetDelete (KIP-496).
func (m *Machine) deleteOffsets(t machine.Token, r *wire.OffsetDeleteRequest) {
	g := m.groups[r.GroupID]
	if g == nil {
		m.replyNow(t, &wire.OffsetDeleteResponse{ErrorCode: kerr.GroupIDNotFound.Code})
		return
	}
	if err := g.kind.mayDeleteOffsets(); err != nil {
		m.replyNow(t, &wire.OffsetDeleteResponse{ErrorCode: kerr.Code(err)})
		return
	}
	out := &wire.OffsetDeleteResponse{Topics: make([]wire.OffsetDeleteResponseTopic, len(r.Topics))}
	for i := range r.Topics {
		in, topic := &r.Topics[i], &out.Topics[i]
		topic.Name = in.Name
		topic.Partitions = make([]wire.OffsetDeleteResponsePartition, len(in.Partitions))
		subscribed := g.kind.subscribed(in.Name)
		for j := range in.Partitions {
			p := in.Partitions[j].PartitionIndex
			topic.Partitions[j].PartitionIndex = p
			switch {
			case subscribed:
				topic.Partitions[j].ErrorCode = kerr.GroupSubscribedToTopic.Code
			case g.offsets.get(in.Name, p) != nil || g.offsets.unstable(in.Name, p):
				m.append(forget(g.id, in.Name, p))
			}
		}
	}
	m.reply(t, out)
}

// deleteGroups is DeleteGroups (KIP-229).
func (m *Machine) deleteGroups(t machine.Token, r *wire.DeleteGroupsRequest) {
	out := &wire.DeleteGroupsResponse{Results: make([]wire.DeleteGroupsResponseResult, len(r.GroupsNames))}
	for i, id := range r.GroupsNames {
		out.Results[i].GroupID = id
		if before := slices.Index(r.GroupsNames[:i], id); before >= 0 {
			out.Results[i].ErrorCode = out.Results[before].ErrorCode
			continue
		}
		out.Results[i].ErrorCode = kerr.Code(m.deleteGroup(id))
	}
	m.reply(t, out)
}

func (m *Machine) deleteGroup(id string) error {
	g := m.groups[id]
	if g == nil {
		return notFound(id)
	}
	if err := g.kind.mayDelete(); err != nil {
		return err
	}
	m.append(g.forgetAll()...)
	m.append(g.kind.tombstones()...)
	return nil
}

// forgetAll are the tombstones of all the group's offsets, those in open
// transactions too.
func (g *group) forgetAll() []machine.Record {
	var records []machine.Record
	for topic, c := range g.offsets.all() {
		records = append(records, forget(g.id, topic, c.partition))
	}
	for _, s := range g.offsets.openSpots() {
		if g.offsets.get(s.topic, s.partition) == nil {
			records = append(records, forget(g.id, s.topic, s.partition))
		}
	}
	return records
}
