package txn

import (
	"math"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
)

func (m *Machine) initProducerID(now int64, token machine.Token, r InitProducerID) machine.Effects {
	refuse := func(err error) machine.Effects {
		response := InitProducerIDReply{Producer: noProducer, Err: err}
		if again(err) {
			return early(token, response)
		}
		return reply(token, response)
	}
	timeout := r.TimeoutMS
	switch {
	case r.TwoPhase:
		timeout = math.MaxInt32
	case timeout <= 0 || int64(timeout) > m.cfg.MaxTimeout.Milliseconds():
		return early(token, InitProducerIDReply{Producer: noProducer, Err: kerr.InvalidTransactionTimeout})
	}
	t := m.txns[r.TransactionalID]
	switch {
	case t == nil:
		return m.firstProducer(now, token, r, timeout)
	case t.state.preparing():
		return refuse(kerr.ConcurrentTransactions)
	case r.Expected != nil && !t.mayExpect(*r.Expected):
		return refuse(kerr.ProducerFenced)
	case t.state == Ongoing:
		// The producer's epoch is raised by the abort, and nobody is told that
		// one. The client asks again and gets the next.
		e, err := m.fence(now, r.TransactionalID, t)
		if err != nil {
			return refuse(err)
		}
		e.Replies = reply(token, InitProducerIDReply{Producer: noProducer, Err: kerr.ConcurrentTransactions}).Replies
		return e
	}
	p, last, err := m.nextProducer(t, r.Expected)
	if err != nil {
		return refuse(err)
	}
	return m.begin(now, token, r.TransactionalID, t.entry, p, last, timeout)
}

// firstProducer is that of an id which is not known. A client that had one before
// the id expired is welcome all the same.
func (m *Machine) firstProducer(now int64, token machine.Token, r InitProducerID, timeout int32) machine.Effects {
	id, ok := m.cfg.NewID()
	if !ok {
		return early(token, InitProducerIDReply{Producer: noProducer, Err: kerr.CoordinatorLoadInProgress})
	}
	p := machine.Producer{ID: id}
	e := entry{producer: machine.Producer{ID: id, Epoch: noEpoch}, previous: id, next: noID, state: Empty}
	return m.begin(now, token, r.TransactionalID, e, p, noEpoch, timeout)
}

func (m *Machine) begin(now int64, token machine.Token, id string, e entry, p machine.Producer, last int16, timeout int32) machine.Effects {
	effects := m.change(id, e.begun(p, timeout, now), staged{lastEpoch: last})
	effects.Replies = reply(token, InitProducerIDReply{Producer: p}).Replies
	return effects
}

// mayExpect reports whether a client may take the producer for its own: it is, or
// the client missed the answer that gave it another id.
func (t *transaction) mayExpect(p machine.Producer) bool {
	return p.ID == t.producer.ID || p.ID == t.previous && exhausted(p.Epoch)
}

// nextProducer is what follows the producer of an id without an open transaction,
// and the epoch at which the same request is a retry.
//
// Kafka fails with UNKNOWN_SERVER_ERROR when the epochs are exhausted and the
// client expects another one than the last; here it hears what it would below that
// limit.
func (m *Machine) nextProducer(t *transaction, expected *machine.Producer) (p machine.Producer, last int16, err error) {
	p = t.producer
	switch {
	case expected == nil:
		last = noEpoch
	case expected.Epoch == p.Epoch:
		last = p.Epoch
	case expected.Epoch == t.lastEpoch && expected.Epoch != noEpoch:
		return p, t.lastEpoch, nil
	default:
		return noProducer, noEpoch, kerr.ProducerFenced
	}
	if !exhausted(p.Epoch) {
		p.Epoch++
		return p, last, nil
	}
	id, ok := m.cfg.NewID()
	if !ok {
		return noProducer, noEpoch, kerr.CoordinatorLoadInProgress
	}
	return machine.Producer{ID: id}, last, nil
}
