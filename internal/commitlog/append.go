package commitlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Append is what a leader says of the records it appends.
type Append struct {
	Epoch  model.Epoch
	Now    time.Time
	Origin Origin
	// TransactionVersion is the feature level under which a marker is written.
	TransactionVersion int16
	// Guard is of the verification that the transaction's coordinator has
	// confirmed. Under Config.Verify a transactional batch needs it, unless the
	// transaction is open here already.
	Guard Guard
}

// AppendInfo is what became of an append.
type AppendInfo struct {
	FirstOffset   model.Offset
	LastOffset    model.Offset
	NextOffset    model.Offset // LastOffset+1: what to wait for
	MaxTimestamp  int64
	LogAppendTime int64 // batch.NoTimestamp under CreateTime
	LeaderEpoch   model.Epoch
	LogStart      model.Offset
	Duplicate     bool // the batch was in the log already, at these offsets
}

// ErrUnexpectedOffset says that a follower was given records that do not follow
// what it has.
var ErrUnexpectedOffset = errors.New("records do not follow the end of the log")

// AppendLeader checks the one batch in records, gives it offsets and the
// leader's epoch in place, and writes it. A batch of a client whose records are
// refused fails with *batch.RecordErrors. On any error the log is as before.
// Records of several batches, or none, are INVALID_RECORD; bytes after the batch
// that are not a whole one are ignored, as Kafka does.
func (l *Log) AppendLeader(records []byte, a Append) (AppendInfo, error) {
	cfg := l.config.Load()
	b, err := l.checkLeader(records, cfg, a)
	if err != nil {
		return AppendInfo{}, err
	}
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return AppendInfo{}, err
	}
	base := l.end()
	if a.Origin == Client && b.HasProducer() {
		state := l.producers.get(b.ProducerID())
		if w, ok := state.duplicate(b); ok {
			return l.duplicateInfo(w, cfg), nil
		}
		if err := l.verifying.checkOrder(b, state); err != nil {
			return AppendInfo{}, err
		}
	}
	if err := l.checkTransaction(b, a, cfg); err != nil {
		return AppendInfo{}, err
	}
	c, err := l.producers.prepare(b, base, a.Origin, a.TransactionVersion)
	if err != nil {
		return AppendInfo{}, err
	}
	b.SetBaseOffset(base)
	b.SetLeaderEpoch(a.Epoch)
	if err := l.makeRoom(b, int64(len(b)), cfg, a.Now); err != nil {
		return AppendInfo{}, err
	}
	if err := l.write(b); err != nil {
		return AppendInfo{}, err
	}
	l.commit(b, c, cfg)
	info := l.info(b, b)
	if cfg.Timestamps == batch.LogAppendTime {
		info.LogAppendTime = b.MaxTimestamp()
	}
	return info, nil
}

// checkLeader is all that can be checked without knowing the log's state.
func (l *Log) checkLeader(records []byte, cfg *Config, a Append) (batch.Batch, error) {
	b, err := l.onlyBatch(records)
	if err != nil {
		return nil, err
	}
	if a.Origin == Client && b.BaseOffset() != 0 {
		return nil, kerr.InvalidRecord.With("the base offset of the record batch should be 0, but it is %d", b.BaseOffset())
	}
	if err := l.checkSize(len(b), cfg); err != nil {
		return nil, err
	}
	if err := b.Check(); err != nil {
		return nil, err
	}
	rules := batch.Rules{
		Partition:       l.partition,
		Client:          a.Origin == Client,
		KeyRequired:     cfg.Compact,
		Timestamps:      cfg.Timestamps,
		Now:             a.Now.UnixMilli(),
		BeforeMax:       milliseconds(cfg.TimestampBeforeMax),
		AfterMax:        milliseconds(cfg.TimestampAfterMax),
		Recompress:      cfg.Recompress,
		Codec:           cfg.Codec,
		Level:           cfg.Level,
		MaxDecompressed: maxDecompressed,
	}
	out, err := rules.Apply(b)
	if err != nil {
		return nil, err
	}
	if len(out) != len(b) {
		if err := l.checkSize(len(out), cfg); err != nil {
			return nil, err
		}
	}
	if int64(len(out)) > cfg.SegmentBytes {
		return nil, kerr.RecordListTooLarge.With("record batch of %d bytes is larger than a segment of %d", len(out), cfg.SegmentBytes)
	}
	return out, nil
}

func (l *Log) onlyBatch(records []byte) (batch.Batch, error) {
	// Messages of magic 0 and 1 are shorter and would not pass as batches.
	if len(records) > 16 && int8(records[16]) != batch.Magic2 {
		return nil, kerr.InvalidRecord.With("only record batches with magic version 2 are accepted, not %d", int8(records[16]))
	}
	b, rest, err := batch.Next(records)
	if err == batch.ErrIncomplete {
		return nil, kerr.InvalidRecord.With("record batch has no batches at all")
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := batch.Next(rest); err != batch.ErrIncomplete {
		return nil, kerr.InvalidRecord.With("compressed outer record has more than one batch")
	}
	return b, nil
}

func (l *Log) checkSize(n int, cfg *Config) error {
	if n > cfg.MaxMessageBytes {
		return kerr.MessageTooLarge.With("the record batch size in the append to %v is %d bytes which exceeds the maximum configured value of %d", l.partition, n, cfg.MaxMessageBytes)
	}
	return nil
}

// checkTransaction keeps transactional records out of a log whose partition the
// coordinator does not know to be part of the transaction (KIP-890).
func (l *Log) checkTransaction(b batch.Batch, a Append, cfg *Config) error {
	if !b.IsTransactional() || b.IsControl() || !b.HasProducer() {
		return nil
	}
	p, known := l.producers.byID[b.ProducerID()]
	switch {
	case known && p.txnStart >= 0 && p.epoch == b.ProducerEpoch():
		return nil
	case known && b.ProducerEpoch() < p.epoch:
		return staleEpoch(b.ProducerID(), b.ProducerEpoch(), p.epoch)
	case cfg.Verify && !l.verifying.confirmed(b.ProducerID(), a.Guard):
		return kerr.InvalidTxnState.With("record was not part of an ongoing transaction")
	}
	return nil
}

func (l *Log) duplicateInfo(w written, cfg *Config) AppendInfo {
	info := AppendInfo{
		FirstOffset:   w.firstOffset(),
		LastOffset:    w.lastOffset,
		NextOffset:    w.lastOffset + 1,
		MaxTimestamp:  w.timestamp,
		LogAppendTime: w.timestamp,
		LogStart:      l.Start(),
		Duplicate:     true,
	}
	info.LeaderEpoch = l.EpochAt(w.lastOffset)
	return info
}

func (l *Log) info(first, last batch.Batch) AppendInfo {
	return AppendInfo{
		FirstOffset:   first.BaseOffset(),
		LastOffset:    last.LastOffset(),
		NextOffset:    last.NextOffset(),
		MaxTimestamp:  last.MaxTimestamp(),
		LogAppendTime: batch.NoTimestamp,
		LeaderEpoch:   last.LeaderEpoch(),
		LogStart:      l.Start(),
	}
}

// AppendFollower writes batches as a leader sent them: their offsets are kept
// and must ascend from the log's end on. A batch of an epoch above epoch, and
// what follows it, is left out: the sender has lost its leadership since; NoEpoch
// takes all. Bytes after the last whole batch are ignored. If only some batches
// could be written, End tells which.
func (l *Log) AppendFollower(records []byte, epoch model.Epoch) (AppendInfo, error) {
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return AppendInfo{}, err
	}
	whole, err := l.checkFollower(records, epoch)
	if err != nil {
		return AppendInfo{}, err
	}
	if len(whole) == 0 {
		end := l.end()
		return AppendInfo{FirstOffset: end, LastOffset: end - 1, NextOffset: end, MaxTimestamp: batch.NoTimestamp,
			LogAppendTime: batch.NoTimestamp, LeaderEpoch: model.NoEpoch, LogStart: l.Start()}, nil
	}
	return l.appendBatches(whole)
}

// checkFollower is the part of records that is whole batches to append.
func (l *Log) checkFollower(records []byte, epoch model.Epoch) ([]byte, error) {
	next, n := l.end(), 0
	for rest := records; ; {
		var b batch.Batch
		var err error
		if b, rest, err = batch.Next(rest); err == batch.ErrIncomplete {
			break
		} else if err != nil {
			return nil, err
		}
		if err := b.Check(); err != nil {
			return nil, err
		}
		if epoch != model.NoEpoch && b.LeaderEpoch() > epoch {
			l.logger.Info("batches of a newer leader epoch left out", "partition", l.partition, "epoch", epoch, "batchEpoch", b.LeaderEpoch())
			break
		}
		if b.BaseOffset() < next {
			return nil, fmt.Errorf("%w: batch at %d, end %d", ErrUnexpectedOffset, b.BaseOffset(), next)
		}
		next = b.NextOffset()
		n += len(b)
	}
	return records[:n], nil
}

// appendBatches writes whole batches, those for one segment together.
func (l *Log) appendBatches(whole []byte) (AppendInfo, error) {
	cfg := l.config.Load()
	var info AppendInfo
	for first := true; len(whole) > 0; first = false {
		head, _, _ := batch.Next(whole)
		if err := l.makeRoom(head, int64(len(head)), cfg, l.now()); err != nil {
			return AppendInfo{}, err
		}
		run := l.run(whole, cfg)
		if err := l.write(run); err != nil {
			return AppendInfo{}, err
		}
		whole = whole[len(run):]
		for len(run) > 0 {
			b, rest, _ := batch.Next(run)
			c, err := l.producers.prepare(b, b.BaseOffset(), replication, 0)
			if err != nil {
				// The bytes are written, and must be what the leader has: the
				// producer state does without a record that does not parse.
				l.logger.Error("batch left out of the producer state", "partition", l.partition, "offset", b.BaseOffset(), "error", err)
				c = change{id: batch.NoProducerID}
			}
			l.commit(b, c, cfg)
			last := l.info(b, b)
			if first {
				info, first = last, false
			}
			info.LastOffset, info.NextOffset, info.LeaderEpoch = last.LastOffset, last.NextOffset, last.LeaderEpoch
			info.MaxTimestamp = max(info.MaxTimestamp, last.MaxTimestamp)
			run = rest
		}
	}
	return info, nil
}

// run is the leading batches that fit into the active segment, at least one.
func (l *Log) run(whole []byte, cfg *Config) []byte {
	s := l.active()
	n := 0
	for rest := whole; ; {
		b, r, err := batch.Next(rest)
		tooMuch := err == nil && n > 0 && (s.size+int64(n+len(b)) > cfg.SegmentBytes || !fits(s.base, b.LastOffset()))
		if err != nil || tooMuch {
			return whole[:n]
		}
		n += len(b)
		rest = r
	}
}

// makeRoom rolls the active segment if a batch of size bytes should not go into it.
func (l *Log) makeRoom(b batch.Batch, size int64, cfg *Config, now time.Time) error {
	s := l.active()
	if err := s.loadFirst(); err != nil {
		return l.storageError("read", err)
	}
	switch {
	case s.size > 0 && s.size+size > cfg.SegmentBytes:
	case s.size > 0 && s.waited(now, b.MaxTimestamp()) > cfg.maxAge()-s.jitter:
	case s.size > 0 && s.full(cfg.IndexBytes):
	case !fits(s.base, b.LastOffset()):
		if s.size == 0 {
			return l.rebase(b.BaseOffset(), cfg, now)
		}
	default:
		return nil
	}
	// The new segment begins at the end of this one, so that recovery can tell a
	// lost tail by the gap, unless the batch is too far away for that.
	base := l.end()
	if !fits(base, b.LastOffset()) {
		base = b.BaseOffset()
	}
	return l.roll(base, cfg, now)
}

// waited is how long the segment has been filling: by the records' own time if
// they have one.
func (s *segment) waited(now time.Time, timestamp int64) time.Duration {
	if s.first >= 0 {
		ms := timestamp - s.first
		if ms > int64(maxWait/time.Millisecond) {
			return maxWait
		}
		return time.Duration(ms) * time.Millisecond
	}
	return now.Sub(s.created)
}

const maxWait = 1<<63 - 1

// Roll begins a new segment unless the active one is empty.
func (l *Log) Roll() error {
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return err
	}
	if l.active().size == 0 {
		return nil
	}
	return l.roll(l.end(), l.config.Load(), l.now())
}

// roll begins a new segment at base and leaves what must be written about the
// old one to the next sync and Checkpoint.
func (l *Log) roll(base model.Offset, cfg *Config, now time.Time) error {
	fresh, err := l.createSegment(base, cfg, now)
	if err != nil {
		return l.storageError("roll", err)
	}
	if err := l.snapshot(base); err != nil {
		return l.storageError("roll", errors.Join(err, fresh.discard()))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.active()
	old.noteTime()
	l.unsynced = append(l.unsynced, old)
	l.unindexed = append(l.unindexed, old)
	l.dirChanges++
	l.segments = append(l.segments[:len(l.segments):len(l.segments)], fresh)
	l.recent.reset()
	l.producers.end = base
	return nil
}

// rebase replaces an empty active segment by one at base.
func (l *Log) rebase(base model.Offset, cfg *Config, now time.Time) error {
	fresh, err := l.createSegment(base, cfg, now)
	if err != nil {
		return l.storageError("roll", err)
	}
	l.mu.Lock()
	old := l.active()
	l.segments = append(l.segments[:len(l.segments)-1:len(l.segments)-1], fresh)
	l.dirChanges++
	l.odd++ // an empty segment that comes back would be a gap
	l.recent.reset()
	l.mu.Unlock()
	return old.discard()
}

func (l *Log) createSegment(base model.Offset, cfg *Config, now time.Time) (*segment, error) {
	var made []*handle
	for _, suffix := range []string{logSuffix, indexSuffix, timeSuffix} {
		h, err := l.files.create(l.path(fileName(base, suffix)))
		if err != nil {
			for _, h := range made {
				err = errors.Join(err, h.remove())
			}
			return nil, err
		}
		made = append(made, h)
	}
	if cfg.Preallocate {
		if err := made[0].preallocate(cfg.SegmentBytes); err != nil {
			for _, h := range made {
				err = errors.Join(err, h.remove())
			}
			return nil, err
		}
	}
	s := newSegment(base, made[0], made[1], made[2], l.files.handle(l.path(fileName(base, txnSuffix)), vfs.CreateOrOpen), now)
	s.loaded = true
	if l.jitter != nil && cfg.SegmentJitter > 0 {
		s.jitter = min(time.Duration(l.jitter()*float64(cfg.SegmentJitter)), cfg.SegmentAge)
	}
	return s, nil
}

func (s *segment) discard() error {
	var errs []error
	for _, h := range s.handles() {
		errs = append(errs, h.remove())
	}
	return errors.Join(errs...)
}

// write puts b at the end of the active segment's file. If it fails, the file is
// cut back to its last whole batch; if that fails too, the log is offline.
func (l *Log) write(b []byte) error {
	s := l.active()
	err := s.log.writeAt(b, s.size)
	if err == nil {
		return nil
	}
	if cutErr := s.log.truncate(s.size); cutErr != nil {
		return l.fail(fmt.Errorf("cut back after a failed write: %w", errors.Join(cutErr, err)))
	}
	return l.storageError("write", err)
}

func (l *Log) storageError(what string, err error) error {
	return &storageError{Kafka: kerr.KafkaStorageError.With("%s %v", what, l.partition), cause: err}
}

// storageError is KAFKA_STORAGE_ERROR that keeps its cause for the log.
type storageError struct {
	Kafka *kerr.Error
	cause error
}

func (e *storageError) Error() string   { return e.Kafka.Error() + ": " + e.cause.Error() }
func (e *storageError) Unwrap() []error { return []error{e.Kafka, e.cause} }

// commit makes a written batch part of the log.
func (l *Log) commit(b batch.Batch, c change, cfg *Config) {
	l.mu.Lock()
	s := l.active()
	l.recent.add(recentBatch{b.BaseOffset(), b.NextOffset(), s.size})
	s.note(b, int64(len(b)), cfg.IndexInterval)
	if b.LeaderEpoch() >= 0 {
		l.assignEpoch(b.LeaderEpoch(), b.BaseOffset())
	}
	l.verifying.settle(b)
	aborted, ok := l.producers.apply(c, b.NextOffset())
	if ok {
		s.txns.add(aborted.format())
	}
	pending := len(s.index.pending) + len(s.times.pending) + len(s.txns.pending)
	l.mu.Unlock()
	if pending > pendingMax {
		// What cannot be written stays in memory until the next Checkpoint, and a
		// restart before that makes it anew.
		_ = l.writeIndexes(s)
	}
}

// writeIndexes puts the segment's pending entries into its files. The append
// lock is held.
func (l *Log) writeIndexes(s *segment) error {
	for _, e := range s.indexes() {
		n, err := e.put()
		if err != nil {
			return err
		}
		l.mu.Lock()
		e.wrote(n)
		l.mu.Unlock()
	}
	return nil
}
