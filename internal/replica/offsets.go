package replica

import (
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Points in a log that negative timestamps stand for in ListOffsets.
const (
	Latest                int64 = -1
	Earliest              int64 = -2
	MaxTimestamp          int64 = -3 // the record with the largest timestamp
	EarliestLocal         int64 = -4
	LatestTiered          int64 = -5
	EarliestPendingUpload int64 = -6
)

// OffsetQuery asks for an offset by time, or for a point. Isolation LogEnd is
// for brokers and tools, for whom nothing is held back.
type OffsetQuery struct {
	Timestamp   int64
	Isolation   Isolation
	LeaderEpoch model.Epoch
	LeaderOnly  bool
}

// FoundOffset answers an OffsetQuery; Offset is -1 when there is none.
type FoundOffset struct {
	Offset      model.Offset
	Timestamp   int64
	LeaderEpoch model.Epoch
}

var noOffset = FoundOffset{Offset: -1, Timestamp: -1, LeaderEpoch: model.NoEpoch}

// Offset finds an offset. After an election the high watermark may still be
// below where the leader's epoch began; then the latest offset is not known yet,
// and neither is what lies at or beyond it: OFFSET_NOT_AVAILABLE (KIP-207).
func (p *Partition) Offset(q OffsetQuery) (FoundOffset, error) {
	p.mu.Lock()
	err := p.checkEpoch(q.LeaderEpoch, q.LeaderOnly)
	r := ReadResult{HighWatermark: p.highWatermark, LastStable: p.lastStable}
	epoch, unsure := p.epoch, q.Isolation != LogEnd && p.role == roleLeader && p.leader.EpochStart() > p.highWatermark
	p.mu.Unlock()
	if err != nil {
		return noOffset, err
	}
	r.LogEnd = p.log.End()
	bound := r.bound(q.Isolation)
	switch q.Timestamp {
	case Latest:
		if unsure {
			return noOffset, kerr.OffsetNotAvailable
		}
		return FoundOffset{Offset: bound, Timestamp: -1, LeaderEpoch: epoch}, nil
	case Earliest, EarliestLocal:
		start := p.log.Start()
		return FoundOffset{Offset: start, Timestamp: -1, LeaderEpoch: p.log.EpochAt(start)}, nil
	case LatestTiered, EarliestPendingUpload:
		return noOffset, nil
	}
	found, err := p.byTime(q.Timestamp)
	if err != nil {
		return noOffset, p.readFailed(err)
	}
	if found.Offset >= 0 && found.Offset < bound {
		return found, nil
	}
	if unsure {
		return noOffset, kerr.OffsetNotAvailable
	}
	return noOffset, nil
}

// EpochEnd is where the largest leader epoch at or below epoch ended; -1 and -1
// if the log cannot tell.
func (p *Partition) EpochEnd(current, epoch model.Epoch) (EpochEnd, error) {
	p.mu.Lock()
	err := p.checkEpoch(current, true)
	p.mu.Unlock()
	if err != nil {
		return EpochEnd{Epoch: model.NoEpoch, End: -1}, err
	}
	found, end := p.log.EndOffsetForEpoch(epoch)
	return EpochEnd{Epoch: found, End: end}, nil
}

// byTime is the first record at or after a time, or the one with the largest.
func (p *Partition) byTime(timestamp int64) (FoundOffset, error) {
	find := func() (commitlog.Found, bool, error) { return p.log.OffsetForTimestamp(timestamp) }
	if timestamp == MaxTimestamp {
		find = p.log.MaxTimestamp
	}
	found, ok, err := find()
	if err != nil || !ok {
		return noOffset, err
	}
	return FoundOffset{Offset: found.Offset, Timestamp: found.Timestamp, LeaderEpoch: found.Epoch}, nil
}
