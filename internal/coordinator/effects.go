package coordinator

import (
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// refusals is how often in a row a machine may answer a refused append with
// another; one that wants to try again does so at its next Tick.
const refusals = 8

// carryOut appends and folds the records of effects, and holds their replies and
// events back until that is committed. If the records cannot be appended the
// machine hears of it, and what it wants then is carried out instead.
func (sh *shard) carryOut(e machine.Effects) {
	for range refusals {
		err := sh.append(&e)
		if err == nil {
			sh.hold(&e)
			return
		}
		sh.set.counters.refused.Add(1)
		err = machine.Refusal(err)
		for _, r := range e.Replies {
			sh.reply(r.Token, outcome{err: err})
		}
		e = sh.machine.Refused(sh.set.o.Now(), e, err)
	}
	assert.That(len(e.Records) == 0, "the machine of %s appends again after %d refusals", sh.partition, refusals)
	sh.hold(&e)
}

// append writes the records as one batch and folds them.
func (sh *shard) append(e *machine.Effects) error {
	if len(e.Records) == 0 {
		return nil
	}
	now := sh.set.o.Now().UnixMilli()
	o := batch.Options{Codec: sh.set.o.Codec}
	from := machine.Origin{Producer: noProducer, Timestamp: time.UnixMilli(now)}
	if e.Transaction != nil {
		o.Producer = &batch.Producer{ID: e.Transaction.ID, Epoch: e.Transaction.Epoch, BaseSequence: batch.NoSequence}
		o.Transactional = true
		from.Producer = *e.Transaction
	}
	builder := batch.New(o)
	for _, r := range e.Records {
		builder.Add(now, r.Key, r.Value)
	}
	b, err := builder.Build()
	if err != nil {
		return err
	}
	info, err := sh.write(b, commitlog.Append{Origin: commitlog.Coordinator, Guard: sh.guard})
	if err != nil {
		return err
	}
	for i, r := range e.Records {
		from.Offset = info.FirstOffset + model.Offset(i)
		sh.fold(from, r)
	}
	sh.next = info.NextOffset
	return nil
}

// write appends a batch in the shard's leadership. Records that somebody else
// has appended before it, such as an administrator, are folded first.
func (sh *shard) write(b batch.Batch, a commitlog.Append) (commitlog.AppendInfo, error) {
	_, info, err := sh.partition.AppendIn(sh.since, b, a)
	if err != nil {
		return info, err
	}
	sh.set.counters.appends.Add(1)
	if info.FirstOffset > sh.next {
		if err = sh.foldUpTo(info.FirstOffset); err != nil {
			sh.broken = err
		}
	}
	return info, err
}

func (sh *shard) fold(from machine.Origin, r machine.Record) {
	if err := sh.machine.Fold(from, r); err != nil {
		sh.set.counters.unreadable.Add(1)
		sh.set.o.Logger.Error("coordinator does not understand a record", "partition", sh.partition, "offset", from.Offset, "err", err)
	}
}

// mark appends a marker and lets the machine take it in.
func (sh *shard) mark(t machine.Token, m *Marker) {
	kind := batch.ControlAbort
	if m.Committed {
		kind = batch.ControlCommit
	}
	b := batch.Marker{Type: kind, CoordinatorEpoch: int32(m.CoordinatorEpoch)}.Batch(m.ID, m.Epoch, sh.set.o.Now().UnixMilli())
	info, err := sh.write(b, commitlog.Append{Origin: commitlog.Coordinator, TransactionVersion: m.TransactionVersion})
	if err != nil {
		sh.reply(t, outcome{err: machine.Refusal(err)})
		return
	}
	sh.machine.FoldMarker(m.Producer, m.Committed)
	sh.next = info.NextOffset
	sh.hold(&machine.Effects{Replies: []machine.Reply{{Token: t}}})
}

var noProducer = machine.Producer{ID: batch.NoProducerID, Epoch: batch.NoProducerEpoch}

// reply answers a token; nobody waits for token 0.
func (sh *shard) reply(t machine.Token, o outcome) {
	c := sh.waiting[t]
	if c == nil {
		assert.That(t == 0, "the machine of %s replies to %d, whom it has answered", sh.partition, t)
		return
	}
	delete(sh.waiting, t)
	c.reply <- o
}
