package replica

import (
	"errors"
	"fmt"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Isolation is up to where a read may see.
type Isolation uint8

const (
	// Committed is up to the high watermark, for consumers.
	Committed Isolation = iota
	// Stable is up to the last stable offset, for read_committed consumers.
	Stable
	// LogEnd is all there is, for followers.
	LogEnd
)

// ReadRequest is one partition of a fetch.
type ReadRequest struct {
	From             model.Offset
	MaxBytes         int
	MinOne           bool // the first batch comes even if larger than MaxBytes
	Isolation        Isolation
	LeaderEpoch      model.Epoch // as the client knows it; -1 for no check
	LastFetchedEpoch model.Epoch // for divergence (KIP-595); -1 for no check
	LeaderOnly       bool
}

// EpochEnd is a leader epoch and the offset at which it ended.
type EpochEnd struct {
	Epoch model.Epoch
	End   model.Offset
}

// ReadResult says what a read found. The offsets are of one moment, before the
// records were looked for: records that came later do not make a follower that
// has not seen them look caught up.
type ReadResult struct {
	Records       commitlog.Slice // may be empty
	Diverging     *EpochEnd
	Aborted       []commitlog.Aborted // of a Stable read
	HighWatermark model.Offset
	LastStable    model.Offset
	LogStart      model.Offset
	LogEnd        model.Offset
	Bound         model.Offset // up to where the isolation lets see
	// Appended and Committed are counts of bytes: of all that was appended, and
	// a lower bound for what the high watermark covers. Only differences mean
	// anything.
	Appended, Committed int64
}

// bound is how far a read with that isolation sees.
func (r *ReadResult) bound(i Isolation) model.Offset {
	switch i {
	case Committed:
		return r.HighWatermark
	case Stable:
		return r.LastStable
	}
	return r.LogEnd
}

// NothingRead is the result beside an error.
var NothingRead = ReadResult{HighWatermark: -1, LastStable: -1, LogStart: -1, LogEnd: -1}

// Read finds records without reading them: their size is known, their bytes
// move when the result is sent.
func (p *Partition) Read(q ReadRequest) (ReadResult, error) {
	p.mu.Lock()
	err := p.checkEpoch(q.LeaderEpoch, q.LeaderOnly)
	r := ReadResult{
		HighWatermark: p.highWatermark, LastStable: p.lastStable,
		Appended: p.appended, Committed: p.committed,
	}
	p.mu.Unlock()
	if err != nil {
		return NothingRead, err
	}
	r.LogStart, r.LogEnd = p.log.Start(), p.log.End()
	if q.LastFetchedEpoch != model.NoEpoch {
		if r.Diverging, err = p.diverging(q, &r); err != nil || r.Diverging != nil {
			return r, err
		}
	}
	r.Bound = r.bound(q.Isolation)
	r.Records, err = p.log.Read(q.From, q.MaxBytes, r.Bound, q.MinOne)
	if err != nil {
		return r, p.readFailed(err)
	}
	if q.Isolation == Stable {
		r.Aborted = []commitlog.Aborted{}
	}
	if q.Isolation == Stable && r.Records.Len() > 0 {
		aborted, err := p.log.AbortedIn(q.From, r.Records)
		if err != nil {
			return r, p.readFailed(err)
		}
		r.Aborted = append(r.Aborted, aborted...) // none is empty, not null
	}
	return r, nil
}

// diverging compares the epoch of the last record a client has with this log
// (KIP-595). It is nil while the client's log is a prefix of this one.
func (p *Partition) diverging(q ReadRequest, r *ReadResult) (*EpochEnd, error) {
	epoch, end := p.log.EndOffsetForEpoch(q.LastFetchedEpoch)
	switch {
	case epoch == model.NoEpoch || end < 0:
		return nil, kerr.OffsetOutOfRange.With("no record of epoch %d or before is known", q.LastFetchedEpoch)
	case q.From < r.LogStart:
		return nil, kerr.OffsetOutOfRange.With("offset %d is before the log's start %d", q.From, r.LogStart)
	case epoch < q.LastFetchedEpoch || end < q.From:
		return &EpochEnd{Epoch: epoch, End: end}, nil
	}
	return nil, nil
}

// Readable are the followers that a consumer may be sent to, if this broker leads;
// see isr.Leader.Readable.
func (p *Partition) Readable(offset model.Offset) []isr.Replica {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role != roleLeader {
		return nil
	}
	return p.leader.Readable(offset)
}

// readFailed sorts an error of the log: the client's goes to it as it is, the
// disk's takes the directory offline, and a contradiction in the partition's own
// data takes the partition offline.
func (p *Partition) readFailed(err error) error {
	var protocol *kerr.Error
	if errors.As(err, &protocol) {
		return err
	}
	if isDisk(err) {
		p.dir.fail(fmt.Errorf("read %s: %w", p, err))
	} else {
		p.dir.logger.Error("partition is offline until restart", "partition", p.name, "dir", p.dir.path, "err", err)
		p.leave(roleOffline)
	}
	return fmt.Errorf("read %s: %w: %w", p, err, kerr.KafkaStorageError)
}
