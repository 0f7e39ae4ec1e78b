package replica

import (
	"iter"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Leadership is what a leader goes by that keeps a state of its own, the fold of
// the partition's records. While Since stays the same nobody else has led, so
// nothing that was folded has been cut; another Since is another leadership, even
// of the same broker.
type Leadership struct {
	Since     model.Epoch // the first epoch of the leadership without a gap
	Epoch     model.Epoch
	Committed model.Offset // the high watermark
}

// Leadership is this broker's of the partition. The error is why there is none.
func (p *Partition) Leadership() (Leadership, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkEpoch(model.NoEpoch, true); err != nil {
		return Leadership{}, err
	}
	return Leadership{Since: p.ledSince, Epoch: p.epoch, Committed: p.highWatermark}, nil
}

// AppendIn is Append with acks=all in one leadership only: what was decided on the
// state of an earlier one is not appended in a later.
func (p *Partition) AppendIn(since model.Epoch, records []byte, a commitlog.Append) (Token, AppendInfo, error) {
	return p.append(records, -1, a, func() error {
		if p.ledSince != since {
			return kerr.NotLeaderOrFollower.With("the leadership since epoch %d is over", since)
		}
		return nil
	})
}

// Verify begins to verify that the partition is part of a producer's transaction;
// see commitlog.Log.Verify.
func (p *Partition) Verify(v commitlog.Verification) (commitlog.Guard, error) {
	p.mu.Lock()
	err := p.checkEpoch(model.NoEpoch, true)
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	v.Now = p.now()
	return p.log.Verify(v)
}

// Producers are the partition's idempotent producers, as this replica knows them.
func (p *Partition) Producers() ([]commitlog.Producer, error) {
	p.mu.Lock()
	err := p.usable()
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return p.log.Producers(), nil
}

// Batches are the batches from the one that holds the offset from up to the log's
// end as it is now, committed or not. A batch is valid until the next one. It
// ends with the first error.
func (p *Partition) Batches(from model.Offset) iter.Seq2[batch.Batch, error] {
	return func(yield func(batch.Batch, error) bool) {
		for b, err := range p.log.Batches(from) {
			if err != nil {
				err = p.readFailed(err)
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}
