package group

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// list is ListGroups for this partition, in the order of Kafka's hash table. Filters of
// states and types (KIP-518, KIP-848) do not mind upper and lower case.
func (m *Machine) list(t machine.Token, r *wire.ListGroupsRequest) {
	out := &wire.ListGroupsResponse{Groups: []wire.ListGroupsResponseGroup{}}
	ids := m.ids()
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(javaSlot(a), javaSlot(b)) })
	for _, id := range ids {
		k := m.groups[id].kind
		if !oneOf(r.StatesFilter, k.stateName()) || !oneOf(r.TypesFilter, k.typeName()) {
			continue
		}
		out.Groups = append(out.Groups, wire.ListGroupsResponseGroup{
			GroupID: id, ProtocolType: k.protocolType(), GroupState: k.stateName(), GroupType: k.typeName(),
		})
	}
	m.reply(t, out)
}

// javaSlot is where a string is in a very large hash table of Kafka's coordinators,
// which tools show groups in the order of: Fibonacci hashing of String.hashCode.
func javaSlot(s string) uint64 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(s)) {
		hash = 31*hash + int32(unit)
	}
	return uint64(int64(hash)) * 0x9e3779b97f4a7c15 // 2^64 / the golden ratio
}

func oneOf(filter []string, s string) bool {
	for _, f := range filter {
		if strings.EqualFold(strings.TrimSpace(f), s) {
			return true
		}
	}
	return len(filter) == 0
}

// groupNotFoundDescribedSince is the version of DescribeGroups from which on a
// group that is not there is an error (KIP-1043); before, it is a dead group.
const groupNotFoundDescribedSince = 6

// describe is DescribeGroups, for classic groups.
func (m *Machine) describe(t machine.Token, version int16, r *wire.DescribeGroupsRequest) {
	out := &wire.DescribeGroupsResponse{Groups: make([]wire.DescribeGroupsResponseGroup, len(r.Groups))}
	for i, id := range r.Groups {
		d := &out.Groups[i]
		d.Reset()
		d.GroupID, d.Members = id, []wire.DescribeGroupsResponseMember{}
		g := m.groups[id]
		var err error
		if g == nil {
			err = notFound(id)
		} else if c, ok := g.kind.(*classic); ok {
			c.describe(d)
		} else {
			err = kerr.GroupIDNotFound.With("Group %s is not a classic group.", id)
		}
		if err != nil {
			d.GroupState = "Dead"
			if version >= groupNotFoundDescribedSince {
				d.ErrorCode, d.ErrorMessage = kerr.Code(err), kerr.Message(err)
			}
		}
	}
	m.reply(t, out)
}
