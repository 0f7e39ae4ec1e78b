package replica

import (
	"context"
	"slices"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// HighWatermark is the offset that stands for the high watermark in DeleteRecords.
const HighWatermark model.Offset = -1

// DeleteRecords lets the log of this leader begin at an offset, at most its high
// watermark, and returns that offset, to wait for with WaitLow: a consumer that is
// sent to a follower must not find what is deleted. The files go with retention.
func (p *Partition) DeleteRecords(before model.Offset) (model.Offset, error) {
	p.appending.Lock()
	defer p.appending.Unlock()
	p.mu.Lock()
	err := p.checkEpoch(model.NoEpoch, true)
	highWatermark := p.highWatermark
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if c := p.log.Config(); c.Compact && !c.Delete {
		return 0, kerr.PolicyViolation.With("records of partition %s cannot be deleted due to the configured policy", p)
	}
	if before == HighWatermark {
		before = highWatermark
	}
	if before < 0 || before > highWatermark {
		return 0, kerr.OffsetOutOfRange.With("offset %d is not within the log of %s, whose high watermark is %d", before, p, highWatermark)
	}
	if err := p.log.AdvanceStart(before); err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastStable = p.stable()
	p.tell(ChangedStart)
	return before, nil
}

// lowWait is somebody who waits for the low watermark.
type lowWait struct {
	offset model.Offset
	done   chan struct{} // closed once it is worth looking again
}

// LowWatermark is the least log start of the live replicas.
func (p *Partition) LowWatermark() (model.Offset, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lowWatermark()
}

// lowWatermark needs mu.
func (p *Partition) lowWatermark() (model.Offset, error) {
	if err := p.checkEpoch(model.NoEpoch, true); err != nil {
		return -1, err
	}
	return p.leader.LowWatermark(p.log.Start()), nil
}

// WaitLow returns the low watermark once it has reached the offset; with an error
// as soon as this broker does not lead any more, or the context ends.
func (p *Partition) WaitLow(ctx context.Context, offset model.Offset) (model.Offset, error) {
	for {
		p.mu.Lock()
		low, err := p.lowWatermark()
		if err != nil || low >= offset {
			p.mu.Unlock()
			return low, err
		}
		w := &lowWait{offset, make(chan struct{})}
		p.lows = append(p.lows, w)
		p.mu.Unlock()
		select {
		case <-w.done:
		case <-ctx.Done():
			p.mu.Lock()
			p.lows = slices.DeleteFunc(p.lows, func(o *lowWait) bool { return o == w })
			p.mu.Unlock()
			return low, context.Cause(ctx)
		}
	}
}

// lifted wakes those who wait for the low watermark, if it has come to what they
// wait for. Needs mu.
func (p *Partition) lifted() {
	if len(p.lows) == 0 {
		return
	}
	low, err := p.lowWatermark()
	p.lows = slices.DeleteFunc(p.lows, func(w *lowWait) bool {
		if err == nil && low < w.offset {
			return false
		}
		close(w.done)
		return true
	})
}
