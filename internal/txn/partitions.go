package txn

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
)

func (m *Machine) addPartitions(now int64, token machine.Token, r AddPartitions) machine.Effects {
	t := m.txns[r.TransactionalID]
	var err error
	switch {
	case t == nil:
		err = kerr.InvalidProducerIDMapping
	case t.state.preparing():
		// Before the producer is looked at: it may already use the id that the
		// completing record brings.
		return early(token, AddPartitionsReply{Err: kerr.ConcurrentTransactions})
	default:
		err = t.owner(r.Producer)
	}
	if err != nil {
		return reply(token, AddPartitionsReply{Err: err})
	}
	grown := t.with(sorted(r.Partitions), r.Client, now)
	if t.state == Ongoing && len(grown.partitions) == len(t.partitions) {
		return reply(token, AddPartitionsReply{})
	}
	effects := m.change(r.TransactionalID, grown, staged{lastEpoch: t.lastEpoch})
	effects.Replies = reply(token, AddPartitionsReply{}).Replies
	return effects
}

// owner is nil for the producer of the open transaction.
func (t *transaction) owner(p machine.Producer) error {
	switch {
	case p.ID != t.producer.ID:
		return kerr.InvalidProducerIDMapping
	case p.Epoch != t.producer.Epoch:
		return kerr.ProducerFenced
	}
	return nil
}

// verify never answers before what it has seen is committed: a partition that is
// taken for part of a transaction which then is lost would keep its records open
// for ever.
func (m *Machine) verify(r VerifyPartitions) VerifyPartitionsReply {
	t := m.txns[r.TransactionalID]
	if t == nil {
		return VerifyPartitionsReply{Err: kerr.InvalidProducerIDMapping}
	}
	if err := t.owner(r.Producer); err != nil {
		return VerifyPartitionsReply{Err: err}
	}
	if t.state.preparing() {
		return VerifyPartitionsReply{Err: kerr.ConcurrentTransactions}
	}
	var missing VerifyPartitionsReply
	for _, p := range r.Partitions {
		if !contains(t.partitions, p) {
			missing.Missing = append(missing.Missing, p)
		}
	}
	return missing
}
