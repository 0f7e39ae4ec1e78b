package txn

import (
	"math"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
)

// endTxn ends a transaction, or answers the retry of a request that did. Under
// version 2 a retry is told from the next request by its epoch, which is the one
// before the transaction's:
//
//	               | Abort                  | Commit
//	               | retry      current     | retry      current
//	Empty          | fenced     bump        | fenced     invalid
//	CompleteAbort  | none       bump        | invalid    invalid
//	CompleteCommit | invalid    bump        | none       invalid
//
// where bump ends a transaction that has no partitions, since the client cannot
// know whether any was added. Under version 1 a retry has the current epoch,
// nothing is bumped, and Empty has nothing to end.
func (m *Machine) endTxn(now int64, token machine.Token, r EndTxn) machine.Effects {
	t := m.txns[r.TransactionalID]
	if t == nil {
		return reply(token, EndTxnReply{Producer: noProducer, Err: kerr.InvalidProducerIDMapping})
	}
	decide := t.endVersion1
	if epochBump(r.Client) {
		decide = t.endVersion2
	}
	retry, err := decide(r)
	switch {
	case again(err):
		return early(token, EndTxnReply{Producer: noProducer, Err: err})
	case err != nil:
		return reply(token, EndTxnReply{Producer: noProducer, Err: err})
	case retry && epochBump(r.Client):
		return reply(token, EndTxnReply{Producer: t.producer})
	case retry:
		return reply(token, EndTxnReply{Producer: noProducer})
	}
	ended, last, err := m.end(now, t, r.Commit, r.Client)
	if err != nil {
		return early(token, EndTxnReply{Producer: noProducer, Err: err})
	}
	answer := EndTxnReply{Producer: noProducer}
	if epochBump(r.Client) {
		answer.Producer = ended.lasting(m.level).completed(now).producer
	}
	return m.prepare(now, r.TransactionalID, ended, last, &waiter{token: token, reply: answer, until: m.since + m.cfg.Linger.Milliseconds()})
}

// endVersion1 says whether a request is the retry of one that was carried out.
func (t *transaction) endVersion1(r EndTxn) (retry bool, err error) {
	if err := t.owner(r.Producer); err != nil {
		return false, err
	}
	switch t.state {
	case Ongoing:
		return false, nil
	case PrepareCommit, PrepareAbort:
		return false, kerr.ConcurrentTransactions
	case CompleteCommit, CompleteAbort:
		if r.Commit == (t.state == CompleteCommit) {
			return true, nil
		}
	}
	return false, kerr.InvalidTxnState
}

// endVersion2 is endVersion1 for clients whose epoch is raised by each EndTxn.
//
// Only what a request of version 2 has ended can be retried. Kafka does not ask:
// there a zombie whose successor, of version 1, has just ended a transaction passes
// for the retry, is told the successor's epoch, and is no zombie any more.
func (t *transaction) endVersion2(r EndTxn) (retry bool, err error) {
	if t.state.preparing() {
		// Before the producer is looked at, as in addPartitions.
		return false, kerr.ConcurrentTransactions
	}
	complete := (t.state == CompleteCommit || t.state == CompleteAbort) && epochBump(t.client)
	rotated := r.Producer.ID == t.previous && r.Producer.Epoch == epochLimit && t.producer.Epoch == 0
	bumped := int(t.producer.Epoch) == int(r.Producer.Epoch)+1
	switch {
	case r.Producer.ID != t.producer.ID && !rotated:
		return false, kerr.InvalidProducerIDMapping
	case r.Producer.Epoch != t.producer.Epoch && (!complete || !rotated && !bumped):
		return false, kerr.ProducerFenced
	}
	retry = rotated || bumped
	switch {
	case t.state == Ongoing:
		return false, nil
	case retry && r.Commit == (t.state == CompleteCommit):
		return true, nil
	case !retry && !r.Commit:
		return false, nil
	}
	return false, kerr.InvalidTxnState
}

// end is the entry that decides a transaction, and the epoch that its producer
// had before.
func (m *Machine) end(now int64, t *transaction, commit bool, client int16) (ended entry, last int16, err error) {
	p, next, last := t.producer, noID, t.lastEpoch
	if epochBump(client) {
		if exhausted(p.Epoch) {
			var ok bool
			if next, ok = m.cfg.NewID(); !ok {
				return entry{}, noEpoch, kerr.CoordinatorLoadInProgress
			}
		}
		last = p.Epoch
		if p.Epoch < math.MaxInt16 {
			p.Epoch++
		}
	}
	return t.ended(commit, p, next, client, now), last, nil
}

// fence aborts an open transaction with an epoch that nobody else has.
func (m *Machine) fence(now int64, id string, t *transaction) (machine.Effects, error) {
	if epochBump(m.level) {
		ended, last, err := m.end(now, t, false, m.level)
		if err != nil {
			return machine.Effects{}, err
		}
		return m.prepare(now, id, ended, last, nil), nil
	}
	p := t.producer
	if p.Epoch < math.MaxInt16 {
		p.Epoch++
	}
	return m.prepare(now, id, t.ended(false, p, noID, 0, now), noEpoch, nil), nil
}

// prepare makes the decision the id's, and has markers sent for it. Without any
// partition the transaction is complete in the same breath.
func (m *Machine) prepare(now int64, id string, e entry, last int16, w *waiter) machine.Effects {
	e = e.lasting(m.level)
	if len(e.partitions) == 0 {
		effects := m.change(id, e, staged{lastEpoch: last})
		effects.Records = append(effects.Records, e.completed(now).record(id, m.level))
		if w != nil {
			effects.Replies = reply(w.token, w.reply).Replies
		}
		return effects
	}
	m.rounds++
	s := staged{lastEpoch: last, round: m.rounds}
	effects := machine.Effects{Events: []any{e.markers(id, m.rounds, e.partitions)}}
	if w != nil && m.cfg.Linger > 0 {
		s.waiter = w
	} else if w != nil {
		effects.Replies = reply(w.token, w.reply).Replies
	}
	effects.Records = m.change(id, e, s).Records
	return effects
}
