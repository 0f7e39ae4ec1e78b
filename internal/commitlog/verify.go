package commitlog

import (
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Guard is one verification that a partition is part of a producer's transaction
// (KIP-890), from Verify until the append that begins the transaction here. It is
// what keeps a late answer of the coordinator from counting:
//
//	Verify                guard 1
//	the coordinator says yes
//	                      the transaction is aborted: its marker takes guard 1 away
//	append with guard 1   refused; it would begin a transaction that nobody ends
//
// The zero Guard verifies nothing.
type Guard uint64

// Verification is what is to be verified.
type Verification struct {
	Producer model.ProducerID
	Epoch    int16
	Sequence int32 // the first of the records to be appended
	// NewEpochs says that the producer's epoch rises with every transaction
	// (transaction version 2).
	NewEpochs bool
	Now       time.Time
}

// verification is one that is under way. Lowest is the least sequence that it was
// begun for: while the coordinator cannot be asked, a later batch must not get
// into the log before an earlier one, whose retries would fail for ever.
type verification struct {
	guard     Guard
	began     int64 // milliseconds
	epoch     int16
	lowest    int32
	newEpochs bool
}

// Verify begins a verification, or joins the one under way. No guard is needed, and
// none returned, while the producer's transaction is open here: the coordinator
// knows of it then. Nor is one without Config.Verify, unless the coordinator has yet
// to be told of the partition, as it has of producers with NewEpochs.
func (l *Log) Verify(v Verification) (Guard, error) {
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return 0, err
	}
	p, known := l.producers.byID[v.Producer]
	switch {
	case known && v.Epoch < p.epoch:
		return 0, staleEpoch(v.Producer, v.Epoch, p.epoch)
	case known && p.txnStart >= 0 && p.epoch == v.Epoch:
		return 0, nil
	case !l.config.Load().Verify && !v.NewEpochs:
		return 0, nil
	}
	return l.verifying.begin(v), nil
}

func staleEpoch(id model.ProducerID, epoch, current int16) error {
	return kerr.InvalidProducerEpoch.With("epoch of producer %d is %d, which is smaller than the last seen epoch %d", id, epoch, current)
}

// verifications are those under way in a log. They are the leader's own, not part
// of what the log's records say, and outlive a truncation: no guard is given twice.
type verifications struct {
	byID map[model.ProducerID]verification
	last Guard
}

// begin gives the guard of the one under way, or of a new one.
func (s *verifications) begin(v Verification) Guard {
	under, ok := s.byID[v.Producer]
	if !ok {
		s.last++
		under = verification{s.last, v.Now.UnixMilli(), v.Epoch, v.Sequence, v.NewEpochs}
	}
	switch {
	case v.Epoch > under.epoch:
		under.epoch, under.lowest = v.Epoch, v.Sequence
	case v.Epoch == under.epoch:
		under.lowest = min(under.lowest, v.Sequence)
	}
	if s.byID == nil {
		s.byID = map[model.ProducerID]verification{}
	}
	s.byID[v.Producer] = under
	return under.guard
}

// confirmed reports whether the verification under way is the one of the guard.
func (s *verifications) confirmed(id model.ProducerID, guard Guard) bool {
	under, ok := s.byID[id]
	return ok && under.guard == guard
}

// settle ends the verification of a producer that wrote a transactional batch: the
// transaction is open now, or over. Only the marker of an earlier transaction does
// not end it, which can be told where epochs rise with every transaction.
func (s *verifications) settle(b batch.Batch) {
	if !b.IsTransactional() {
		return
	}
	under, ok := s.byID[b.ProducerID()]
	if ok && (!under.newEpochs || !b.IsControl() || b.ProducerEpoch() != under.epoch) {
		delete(s.byID, b.ProducerID())
	}
}

// expire forgets those that began before the time given, in milliseconds.
func (s *verifications) expire(before int64) {
	for id, v := range s.byID {
		if v.began <= before {
			delete(s.byID, id)
		}
	}
}

// checkOrder keeps the batches of a producer in order while the first one of a
// transaction is verified.
func (s *verifications) checkOrder(b batch.Batch, state producer) error {
	under, ok := s.byID[b.ProducerID()]
	first := b.BaseSequence()
	switch {
	case !ok || b.ProducerEpoch() < state.epoch: // which has an error of its own
		return nil
	case under.newEpochs && first != 0 && state.count == 0:
		return kerr.OutOfOrderSequenceNumber.With("invalid sequence number %d for producer %d, of which nothing is known: expected 0", first, b.ProducerID())
	case first > under.lowest:
		return kerr.OutOfOrderSequenceNumber.With("out of order sequence number for producer %d: %d (incoming seq. number), %d (earliest seen sequence)", b.ProducerID(), first, under.lowest)
	}
	return nil
}
