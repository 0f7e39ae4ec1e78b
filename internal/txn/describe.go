package txn

import (
	"maps"
	"slices"
)

func (m *Machine) describe(r Describe) DescribeReply {
	t := m.txns[r.TransactionalID]
	if t == nil {
		return DescribeReply{}
	}
	left := t.partitions
	if t.state.preparing() {
		left = t.remaining
	}
	return DescribeReply{
		Found: true, State: t.state, TimeoutMS: t.timeout, StartedMS: t.started, Producer: t.producer, PartitionsLeft: left,
	}
}

func (m *Machine) list(now int64, r List) ListReply {
	var found ListReply
	for _, id := range slices.Sorted(maps.Keys(m.txns)) {
		t := m.txns[id]
		switch {
		case len(r.ProducerIDs) > 0 && !slices.Contains(r.ProducerIDs, t.producer.ID):
		case r.States != nil && !slices.Contains(r.States, t.state):
		case r.DurationMS >= 0 && now-t.started <= r.DurationMS:
		case r.Pattern != nil && !r.Pattern.MatchString(id):
		default:
			found.Transactions = append(found.Transactions, Listed{id, t.producer.ID, t.state})
		}
	}
	return found
}
