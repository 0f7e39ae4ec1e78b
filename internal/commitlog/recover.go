package commitlog

import (
	"errors"
	"fmt"
	"path"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// recover makes the segments a log again and returns the offset below which
// nothing had to be checked. Segments wholly below the recovery point are taken
// as they are.
func (l *Log) recover(o Options) (model.Offset, error) {
	if len(l.segments) == 0 {
		fresh, err := l.createSegment(o.LogStart, &o.Config, l.now())
		if err != nil {
			return 0, err
		}
		// The name of the first segment outlives the next ones, even if nothing is
		// ever synced: a log that begins in the middle would be no prefix.
		if !o.Unsynced {
			if err := l.fs.SyncDir(l.dir); err != nil {
				return 0, errors.Join(err, fresh.discard())
			}
		}
		l.segments = []*segment{fresh}
		return o.LogStart, nil
	}
	if o.CleanShutdown {
		end, err := l.trust()
		if err == nil {
			return end, nil
		}
		l.logger.Warn("log is not as a clean shutdown leaves it", "partition", l.partition, "error", err)
	}
	return min(o.RecoveryPoint, model.Offset(1<<62)), l.check(o)
}

// trust loads the log as a clean shutdown left it.
func (l *Log) trust() (model.Offset, error) {
	for _, s := range l.segments {
		if s.broken {
			return 0, corruptf("%s has a wrong size or is missing", s.index.file.name)
		}
	}
	s := l.active()
	if err := s.load(); err != nil {
		return 0, err
	}
	return s.next, nil
}

// check recovers the segments from the one that holds the byte before the
// recovery point on. At the first batch that is wrong, or missing, the log ends.
func (l *Log) check(o Options) error {
	point, cleaned := o.RecoveryPoint, o.Cleaned
	first := 0
	for i, s := range l.segments {
		if s.base < point {
			first = i
		}
	}
	// The process may have stopped between making files and syncing the directory.
	l.dirChanges++
	if !o.Named {
		if err := l.fs.SyncDir(path.Dir(l.dir)); err != nil {
			return err
		}
	}
	// Later epochs are learnt again from the batches.
	if cut, changed := l.epochs.cutEnd(max(point, l.segments[0].base+1)); changed {
		l.epochs, l.epochsChanged = cut, true
	}
	for _, s := range l.segments[:first] {
		if s.broken {
			if err := l.reindex(s); err != nil {
				return err
			}
		}
	}
	for i := first; i < len(l.segments); i++ {
		s := l.segments[i]
		if i > first {
			if hole, err := l.hole(l.segments[i-1], s, cleaned); err != nil {
				return err
			} else if hole {
				return l.endAt(i)
			}
		}
		whole, err := l.checkSegment(s, point)
		if err != nil {
			return err
		}
		if !whole {
			return l.endAt(i + 1)
		}
	}
	return nil
}

// hole reports whether batches are missing between two segments that were not
// synced: a segment begins where the one before ends, and cleanings keep it so.
// Those of Apache Kafka do not, which is why gaps count for nothing as far as
// cleanings have come; and what a follower is sent may lie too far beyond its end
// to be in a segment that begins there.
func (l *Log) hole(before, s *segment, cleaned model.Offset) (bool, error) {
	gap := s.base != before.next && s.base > cleaned || s.base < before.next
	if gap && s.base > before.next {
		v := s.view()
		r := headers{view: &v}
		if r.next() {
			gap = fits(before.next, r.header.LastOffset())
		}
		if r.err != nil && !errors.Is(r.err, errCorrupt) {
			return false, r.err
		}
	}
	if gap {
		l.logger.Warn("segments do not meet", "partition", l.partition, "end", before.next, "next", s.base)
	}
	return gap, nil
}

// endAt leaves the first n segments.
func (l *Log) endAt(n int) error {
	gone := l.segments[n:]
	l.segments = l.segments[:n:n]
	for _, s := range gone {
		l.logger.Warn("segment after a broken one removed", "partition", l.partition, "base", s.base, "bytes", s.size)
		if err := s.discard(); err != nil {
			return err
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return l.fs.SyncDir(l.dir)
}

// checkSegment checks the batches of s that are not wholly below point, makes its
// indexes anew from there, and cuts the file at the first batch that is wrong.
// whole is false if it did.
func (l *Log) checkSegment(s *segment, point model.Offset) (whole bool, err error) {
	f, err := s.log.acquire()
	if err != nil {
		return false, err
	}
	defer s.log.release()
	// After a failed sync memory may show what the disk does not have.
	if err := vfs.DropCache(f); err != nil {
		return false, fmt.Errorf("%s: %w", s.log.name, err)
	}
	if s.size, err = f.Size(); err != nil {
		return false, err
	}
	at, err := l.trustedPart(s, point)
	if err != nil {
		return false, err
	}
	size := s.size
	s.size = at
	r := batches{file: f, at: at, end: size}
	interval := l.config.Load().IndexInterval
	for r.next() {
		b := r.batch
		if err := b.Check(); err != nil {
			r.err = corruptf("batch at %d: %v", s.size, err)
			break
		}
		if b.BaseOffset() < s.next || !fits(s.base, b.LastOffset()) {
			r.err = corruptf("batch at %d has offset %d after %d", s.size, b.BaseOffset(), s.next)
			break
		}
		if e := b.LeaderEpoch(); e >= 0 && e < l.epochs.at(b.BaseOffset()) {
			r.err = corruptf("batch at %d is of epoch %d after %d", s.size, e, l.epochs.latest())
			break
		}
		s.note(b, int64(len(b)), interval)
		l.raiseEpoch(b.LeaderEpoch(), b.BaseOffset())
	}
	if r.err != nil && !errors.Is(r.err, errCorrupt) {
		return false, r.err
	}
	s.loaded = true
	whole = s.size == size
	if !whole {
		l.logger.Warn("log cut where it is broken", "partition", l.partition, "offset", s.next, "bytes", size-s.size, "error", r.err)
		// On disk at once, as in TruncateTo.
		if err := errors.Join(s.log.truncate(s.size), s.log.sync()); err != nil {
			return false, err
		}
	}
	if s.next > point {
		s.log.dirtied()
		l.unsynced = append(l.unsynced, s)
	}
	s.broken = false
	l.unindexed = append(l.unindexed, s)
	return whole, l.trimIndexes(s)
}

// trustedPart is where the batches of s begin that must be checked: at the last
// index entry below the point. What the indexes say of later ones is dropped, and
// s is as if it ended there.
func (l *Log) trustedPart(s *segment, point model.Offset) (int64, error) {
	s.next = s.base
	v := s.view()
	var keep [3]int
	var at int64
	if point > s.base && !s.broken {
		var err error
		if at, keep, err = v.trusted(point); err != nil {
			return 0, err
		}
	}
	// Aborted transactions up to point stay, wherever the check begins: replaying
	// begins at point.
	var err error
	if keep[2], err = v.txns.search(func(b []byte) bool { a, err := parseAborted(b); return err == nil && a.last < point }); err != nil {
		return 0, err
	}
	for i, e := range s.indexes() {
		e.keep(keep[i])
	}
	s.max, s.last, s.sinceIndex, s.first = unknownStamp, unknownStamp, 0, noFirst
	n := s.times.count()
	if n == 0 {
		return at, nil
	}
	b, err := s.times.read(n-1, n)
	if err != nil {
		return 0, err
	}
	s.last = getStamp(s.base, b)
	s.max = s.last
	return at, nil
}

// trusted is the position of the last index entry whose batch is below point,
// with the number of entries of both indexes that are about what is before it.
func (v *view) trusted(point model.Offset) (int64, [3]int, error) {
	n, err := v.index.search(func(b []byte) bool { return getPosition(v.base, b).offset < point })
	if err != nil || n == 0 {
		return 0, [3]int{}, err
	}
	at, err := v.indexPosition(n)
	if err != nil || at == 0 {
		return 0, [3]int{}, err
	}
	b, err := v.index.read(n-1, n)
	if err != nil {
		return 0, [3]int{}, err
	}
	p := getPosition(v.base, b)
	stamps, err := v.times.search(func(b []byte) bool { return getStamp(v.base, b).offset <= p.offset })
	// The batch at the entry is checked again, and so makes its own entry again.
	return at, [3]int{n, stamps}, err
}

// reindex makes the indexes of a sealed segment anew from its headers.
func (l *Log) reindex(s *segment) error {
	l.logger.Warn("indexes made anew", "partition", l.partition, "segment", s.base)
	for _, e := range []*entries{&s.index, &s.times} {
		e.keep(0)
	}
	v := s.view()
	fresh := newSegment(s.base, s.log, s.index.file, s.times.file, s.txns.file, s.created)
	r := headers{view: &v}
	for r.next() {
		fresh.note(r.header, int64(r.size), l.config.Load().IndexInterval)
	}
	if r.err != nil {
		return fmt.Errorf("%s: %w", s.log.name, r.err)
	}
	fresh.noteTime()
	s.index, s.times, s.broken = fresh.index, fresh.times, false
	for _, e := range []*entries{&s.index, &s.times} {
		if err := e.trim(); err != nil {
			return err
		}
	}
	l.unindexed = append(l.unindexed, s)
	return nil
}
