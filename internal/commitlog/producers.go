package commitlog

import (
	"math"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// keptBatches is how many of a producer's newest batches are remembered, which
// is how many it may have in flight.
const keptBatches = 5

// written is one batch of a producer that is in the log.
type written struct {
	lastSequence int32
	lastOffset   model.Offset
	delta        int32 // last offset less first offset
	timestamp    int64
}

func (w written) firstSequence() int32 {
	return int32((int64(w.lastSequence) - int64(w.delta)) & math.MaxInt32)
}

func (w written) firstOffset() model.Offset { return w.lastOffset - model.Offset(w.delta) }

// producer is what the log knows of one idempotent producer. It is a value: a
// change is prepared on a copy and put in place once the batch is written.
type producer struct {
	epoch            int16
	coordinatorEpoch int32
	timestamp        int64        // of its newest batch or marker
	txnStart         model.Offset // first offset of its open transaction, or -1
	count            int
	batches          [keptBatches]written // oldest first
}

func newProducer() producer {
	return producer{epoch: batch.NoProducerEpoch, coordinatorEpoch: -1, timestamp: batch.NoTimestamp, txnStart: -1}
}

func (p *producer) lastSequence() int32 {
	if p.count == 0 {
		return batch.NoSequence
	}
	return p.batches[p.count-1].lastSequence
}

// duplicate finds the batch in the log that b repeats.
func (p *producer) duplicate(b batch.Batch) (written, bool) {
	if b.ProducerEpoch() != p.epoch {
		return written{}, false
	}
	for _, w := range p.batches[:p.count] {
		if w.firstSequence() == b.BaseSequence() && w.lastSequence == b.LastSequence() {
			return w, true
		}
	}
	return written{}, false
}

func (p *producer) enter(epoch int16) {
	if p.epoch != epoch {
		p.epoch, p.count = epoch, 0
	}
}

func (p *producer) add(epoch int16, w written) {
	p.enter(epoch)
	if p.count == keptBatches {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = w
	p.count++
	p.timestamp = w.timestamp
}

// transaction is one that began in this log; last is its marker's offset once ended.
type transaction struct {
	id          model.ProducerID
	first, last model.Offset
	aborted     bool
}

// producers are the idempotent producers of a log: Kafka's producer state. It
// is the fold of the log's batches below end.
type producers struct {
	byID    map[model.ProducerID]producer
	ongoing []transaction // in order of first offset
	ended   []transaction // whose marker may not be replicated yet
	end     model.Offset
}

// change is what one batch does to the producers.
type change struct {
	id     model.ProducerID // NoProducerID: nothing
	state  producer
	begins bool
	ends   *transaction
}

// Origin says who hands a batch to AppendLeader.
type Origin int8

// A producer's request, or a coordinator of this broker: offsets, transaction
// state and markers.
const (
	Client Origin = iota
	Coordinator
	replication // a leader has checked the batch
)

func (p *producers) get(id model.ProducerID) producer {
	if s, ok := p.byID[id]; ok {
		return s
	}
	return newProducer()
}

// prepare is what b, at base, would change. Errors are the client's, and come
// only for batches that are not replicated. transactionVersion matters for
// markers (KIP-890).
func (p *producers) prepare(b batch.Batch, base model.Offset, origin Origin, transactionVersion int16) (change, error) {
	if !b.HasProducer() {
		return change{id: batch.NoProducerID}, nil
	}
	c := change{id: b.ProducerID(), state: p.get(b.ProducerID())}
	if b.IsControl() {
		err := c.endTransaction(b, base, origin, transactionVersion)
		return c, err
	}
	if err := c.checkEpoch(b.ProducerEpoch(), origin, 0); err != nil {
		return c, err
	}
	if origin == Client {
		if err := c.checkSequence(b); err != nil {
			return c, err
		}
	}
	delta := b.LastOffsetDelta()
	c.state.add(b.ProducerEpoch(), written{b.LastSequence(), base + model.Offset(delta), delta, b.MaxTimestamp()})
	switch open := c.state.txnStart >= 0; {
	case open && !b.IsTransactional() && origin != replication:
		return c, kerr.InvalidTxnState.With("expected transactional write from producer %d", c.id)
	case !open && b.IsTransactional():
		c.state.txnStart = base
		c.begins = true
	}
	return c, nil
}

func (c *change) checkEpoch(epoch int16, origin Origin, transactionVersion int16) error {
	current := c.state.epoch
	stale := epoch < current || transactionVersion >= 2 && epoch == current
	if !stale || origin == replication {
		return nil
	}
	// A marker that is sent again after it was written is written again (KAFKA-19999).
	if transactionVersion >= 2 && epoch == current && (c.state.txnStart < 0 || epoch == math.MaxInt16) {
		return nil
	}
	return kerr.InvalidProducerEpoch.With("epoch of producer %d is %d, the last seen epoch %d", c.id, epoch, current)
}

func (c *change) checkSequence(b batch.Batch) error {
	s := &c.state
	first := b.BaseSequence()
	if b.ProducerEpoch() != s.epoch {
		if first != 0 && s.epoch != batch.NoProducerEpoch {
			return kerr.OutOfOrderSequenceNumber.With("invalid sequence number for new epoch of producer %d: %d (request epoch), %d (seq. number), %d (current producer epoch)", c.id, b.ProducerEpoch(), first, s.epoch)
		}
		return nil
	}
	last := s.lastSequence()
	inOrder := int64(first) == int64(last)+1 || first == 0 && last == math.MaxInt32
	if s.epoch != batch.NoProducerEpoch && !inOrder {
		return kerr.OutOfOrderSequenceNumber.With("out of order sequence number for producer %d: %d (incoming seq. number), %d (current end sequence number)", c.id, first, last)
	}
	return nil
}

// endTransaction takes in a transaction marker. Other control batches, and
// markers whose record compaction has dropped, change nothing.
func (c *change) endTransaction(b batch.Batch, base model.Offset, origin Origin, transactionVersion int16) error {
	for r, err := range b.Records(maxDecompressed) {
		if err != nil {
			return err
		}
		m, ok, err := batch.ParseMarker(r)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := c.checkEpoch(b.ProducerEpoch(), origin, transactionVersion); err != nil {
			return err
		}
		if origin != replication && c.state.coordinatorEpoch > m.CoordinatorEpoch {
			return kerr.TransactionCoordinatorFenced.With("coordinator epoch %d for producer %d is older than %d", m.CoordinatorEpoch, c.id, c.state.coordinatorEpoch)
		}
		if c.state.txnStart >= 0 {
			c.ends = &transaction{id: c.id, first: c.state.txnStart, last: base, aborted: m.Type == batch.ControlAbort}
		}
		c.state.enter(b.ProducerEpoch())
		c.state.coordinatorEpoch = m.CoordinatorEpoch
		c.state.txnStart = -1
		c.state.timestamp = r.Timestamp
		return nil
	}
	c.id = batch.NoProducerID
	return nil
}

// apply puts a prepared change in place. For an aborted transaction it returns
// the entry for the segment's transaction index.
func (p *producers) apply(c change, next model.Offset) (aborted abortedTxn, ok bool) {
	p.end = next
	if c.id == batch.NoProducerID {
		return abortedTxn{}, false
	}
	if p.byID == nil {
		p.byID = map[model.ProducerID]producer{}
	}
	p.byID[c.id] = c.state
	if c.begins {
		p.open(transaction{id: c.id, first: c.state.txnStart, last: -1})
	}
	if c.ends == nil {
		return abortedTxn{}, false
	}
	p.ongoing = slices.DeleteFunc(p.ongoing, func(t transaction) bool { return t.first == c.ends.first })
	p.ended = append(p.ended, *c.ends)
	if !c.ends.aborted {
		return abortedTxn{}, false
	}
	stable := c.ends.last + 1
	if len(p.ongoing) > 0 {
		stable = p.ongoing[0].first
	}
	return abortedTxn{producer: c.id, first: c.ends.first, last: c.ends.last, stable: stable}, true
}

func (p *producers) open(t transaction) {
	at := slices.IndexFunc(p.ongoing, func(o transaction) bool { return o.first > t.first })
	if at < 0 {
		at = len(p.ongoing)
	}
	p.ongoing = slices.Insert(p.ongoing, at, t)
}

// firstUnstable is the first offset of a transaction that is open, or whose
// marker is not below the high watermark; -1 if there is none.
func (p *producers) firstUnstable(highWatermark model.Offset) model.Offset {
	p.ended = slices.DeleteFunc(p.ended, func(t transaction) bool { return t.last < highWatermark })
	first := model.Offset(-1)
	if len(p.ongoing) > 0 {
		first = p.ongoing[0].first
	}
	for _, t := range p.ended {
		if first < 0 || t.first < first {
			first = t.first
		}
	}
	return first
}

// expire forgets producers that have no open transaction and were last heard of
// before the time given, in milliseconds.
func (p *producers) expire(before int64) {
	for id, s := range p.byID {
		if s.txnStart < 0 && s.timestamp <= before {
			delete(p.byID, id)
		}
	}
}

// ExpireProducers forgets the producers that have been silent for
// producer.id.expiration.ms and have no transaction open.
func (l *Log) ExpireProducers(now time.Time) {
	expiration := l.config.Load().ProducerExpiration
	if expiration <= 0 {
		return
	}
	before := now.Add(-expiration).UnixMilli()
	l.append.Lock()
	defer l.append.Unlock()
	l.verifying.expire(before)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.producers.expire(before)
}
