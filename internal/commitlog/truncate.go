package commitlog

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/journal"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// TruncateTo removes the batches that reach offset or lie after it and returns
// the log's end, which is offset or, if a batch straddled it, less. Leader epochs
// that begin at or after the end go too. Afterwards RecoveryPoint may be less,
// and the caller must write it to the directory's checkpoint before the next
// append. The truncation is on disk when it returns: were it not, a power loss
// could join what is appended next with what was cut.
func (l *Log) TruncateTo(offset model.Offset) (model.Offset, error) {
	resume := l.StopCompaction()
	end, f, err := l.BeginTruncateTo(offset)
	resume()
	if err == nil {
		err = f.Wait(context.Background())
	}
	return end, err
}

// BeginTruncateTo is TruncateTo without the wait until it is on disk: it syncs
// nothing, and who waits need hold no lock. What is appended meanwhile is not
// durable before the truncation is. The caller has stopped compaction.
func (l *Log) BeginTruncateTo(offset model.Offset) (model.Offset, Flushing, error) {
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return 0, Flushing{}, err
	}
	if offset >= l.end() {
		l.dropEpochsBehind()
		return l.end(), Flushing{}, nil
	}
	if offset < l.segments[0].base {
		f, err := l.beginRestart(max(offset, 0))
		return max(offset, 0), f, err
	}
	s, err := l.cut(offset)
	if err != nil {
		return 0, Flushing{}, l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stageCut(journal.Cut, s)
	return l.end(), l.waitCut(), nil
}

// DropEpochs forgets the leader epochs of which there is no record.
func (l *Log) DropEpochs() error {
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return err
	}
	l.dropEpochsBehind()
	return nil
}

func (l *Log) dropEpochsBehind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutEpochs(l.end())
}

// TruncateFullyTo empties the log and lets it begin at offset.
func (l *Log) TruncateFullyTo(offset model.Offset) error {
	resume := l.StopCompaction()
	f, err := l.BeginTruncateFullyTo(offset)
	resume()
	if err == nil {
		err = f.Wait(context.Background())
	}
	return err
}

// BeginTruncateFullyTo is TruncateFullyTo without the wait until it is on disk. The
// caller has stopped compaction.
func (l *Log) BeginTruncateFullyTo(offset model.Offset) (Flushing, error) {
	l.append.Lock()
	defer l.append.Unlock()
	if err := l.Err(); err != nil {
		return Flushing{}, err
	}
	return l.beginRestart(offset)
}

// beginRestart needs append.
func (l *Log) beginRestart(offset model.Offset) (Flushing, error) {
	if err := l.restart(offset); err != nil {
		return Flushing{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stageCut(journal.Restart, l.active())
	return l.waitCut(), nil
}

func (l *Log) cutEpochs(end model.Offset) {
	next, changed := l.epochs.cutEnd(end)
	l.epochs, l.epochsChanged = next, l.epochsChanged || changed
}

// cut removes what reaches offset, which a segment holds and which it returns. It
// syncs nothing; should the power fail, what remains of later segments is behind a
// gap or of an older epoch, where recovery ends.
func (l *Log) cut(offset model.Offset) (*segment, error) {
	i, _ := slices.BinarySearchFunc(l.segments, offset+1, func(s *segment, o model.Offset) int { return int(min(max(s.base-o, -1), 1)) })
	s, later := l.segments[i-1], l.segments[i:]
	l.mu.Lock()
	l.segments = l.segments[:i:i]
	l.mu.Unlock()
	if err := l.discard(later, l.now()); err != nil {
		return nil, err
	}
	if err := l.cutSegment(s, offset); err != nil {
		return nil, err
	}
	end := s.next
	p, err := l.loadProducers(end)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.producers = p
	l.snapshotted = slices.DeleteFunc(l.snapshotted, func(o model.Offset) bool { return o > end })
	l.unsynced = slices.DeleteFunc(slices.Clone(l.unsynced), func(u *segment) bool { return u.base >= s.base })
	l.unindexed = slices.DeleteFunc(slices.Clone(l.unindexed), func(u *segment) bool { return u.base >= s.base })
	l.lower(end)
	l.cutEpochs(end)
	return s, nil
}

// lower takes back what was said of offsets from end on. mu is held.
func (l *Log) lower(end model.Offset) {
	l.start = min(l.start, end)
	l.durable = min(l.durable, end)
	l.recovery = min(l.recovery, end)
	l.cuts++
	l.recent.reset()
}

// cutSegment shortens s, which becomes the active segment: first for readers,
// then on disk.
func (l *Log) cutSegment(s *segment, offset model.Offset) error {
	v := s.view()
	at, _, err := v.locate(offset)
	if err != nil {
		return err
	}
	keep, err := v.countBefore(at, offset)
	if err != nil {
		return err
	}
	l.mu.Lock()
	s.cuts.Add(1)
	s.size = at
	for i, e := range s.indexes() {
		e.keep(keep[i])
	}
	l.mu.Unlock()
	if err := s.log.truncate(at); err != nil {
		return err
	}
	if err := l.trimIndexes(s); err != nil {
		return err
	}
	fresh := segment{base: s.base, log: s.log, index: s.index, times: s.times, txns: s.txns, size: s.size}
	if err := fresh.load(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.max, s.last, s.sinceIndex, s.next, s.first, s.loaded = fresh.max, fresh.last, fresh.sinceIndex, fresh.next, noFirst, true
	return nil
}

// countBefore is how many entries of each index are about bytes before at.
func (v *view) countBefore(at int64, offset model.Offset) ([3]int, error) {
	positions, err1 := v.index.search(func(b []byte) bool { return getPosition(v.base, b).at < at })
	// An entry may name a later batch than the one it points to.
	positions2, err2 := v.index.search(func(b []byte) bool { return getPosition(v.base, b).offset < offset })
	stamps, err3 := v.times.search(func(b []byte) bool { return getStamp(v.base, b).offset < offset })
	aborted, err4 := v.txns.search(func(b []byte) bool { a, err := parseAborted(b); return err == nil && a.last < offset })
	return [3]int{min(positions, positions2), stamps, aborted}, errors.Join(err1, err2, err3, err4)
}

// trimIndexes cuts the index files to the entries that count. A file that has no
// more than those may have them in the page cache only, if the process that cut it
// was killed: the next checkpoint syncs it, or a power loss would bring the others
// back under a recovery point that trusts them.
func (l *Log) trimIndexes(s *segment) error {
	for _, e := range s.indexes() {
		info, err := l.fs.Stat(e.file.name)
		if errors.Is(err, fs.ErrNotExist) && e == &s.txns {
			continue // made with the first aborted transaction
		}
		if err == nil && info.Size() == int64(e.written*e.width) {
			e.file.dirtied()
			continue
		}
		if err := e.trim(); err != nil {
			return err
		}
	}
	return nil
}

// restart empties the log and begins it at offset.
func (l *Log) restart(offset model.Offset) error {
	old := l.segments
	if err := l.discard(old, l.now()); err != nil {
		return l.fail(err)
	}
	fresh, err := l.createSegment(offset, l.config.Load(), l.now())
	if err != nil {
		return l.fail(err)
	}
	if err := l.dropSnapshots(func(model.Offset) bool { return true }); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range old {
		s.cuts.Add(1)
	}
	l.segments = []*segment{fresh}
	l.producers = &producers{end: offset}
	l.epochs, l.epochsChanged = nil, true
	l.unsynced, l.unindexed, l.snapshotted = nil, nil, nil
	l.dirChanges++
	l.lower(offset)
	l.start = offset
	l.durable = offset
	l.recovery = offset
	return nil
}

// doomed is a segment whose files are renamed and wait for their removal.
type doomed struct {
	segment *segment
	at      time.Time
}

// discard renames the files of segments that are no longer part of the log. Until
// the directory is synced a power loss may bring them back.
func (l *Log) discard(segments []*segment, now time.Time) error {
	if len(segments) == 0 {
		return nil
	}
	at := now.Add(l.config.Load().DeleteDelay)
	for _, s := range segments {
		for _, h := range s.handles() {
			if err := h.rename(h.name + deletedSuffix); err != nil {
				return err
			}
		}
		l.doomed = append(l.doomed, doomed{s, at})
		l.dooming.Add(1)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirChanges++
	return nil
}

// Reap removes the files of segments that have left and whose time is over, if
// there are any.
func (l *Log) Reap(now time.Time) error {
	if l.dooming.Load() == 0 {
		return nil
	}
	l.append.Lock()
	defer l.append.Unlock()
	return l.reap(now, false)
}

// reap removes the doomed files whose time has come, or all; those that are
// being sent stay.
func (l *Log) reap(now time.Time, all bool) error {
	var errs []error
	l.doomed = slices.DeleteFunc(l.doomed, func(d doomed) bool {
		if !all && (now.Before(d.at) || d.segment.log.inUse()) {
			return false
		}
		errs = append(errs, d.segment.discard())
		l.dooming.Add(-1)
		return true
	})
	return errors.Join(errs...)
}

// AdvanceStart makes the log begin at offset, at most its end. Segments wholly
// below it go with the next Retain.
func (l *Log) AdvanceStart(offset model.Offset) error {
	l.append.Lock()
	defer l.append.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	if offset > l.end() {
		return kerr.OffsetOutOfRange.With("cannot increment the log start offset to %d, beyond the end %d", offset, l.end())
	}
	l.advance(offset)
	return nil
}

// advance moves start forward. mu is held.
func (l *Log) advance(offset model.Offset) {
	if offset <= l.start {
		return
	}
	l.start = offset
	next, changed := l.epochs.cutStart(offset)
	l.epochs, l.epochsChanged = next, l.epochsChanged || changed
}
