package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// snapshot writes the producer state at offset, which is the log's end; the next
// checkpoint syncs it. The append lock is held.
func (l *Log) snapshot(offset model.Offset) error {
	if slices.Contains(l.snapshots, offset) {
		return nil
	}
	f, err := l.fs.OpenFile(l.path(fileName(offset, snapshotSuffix)), vfs.CreateOrOpen|vfs.Truncate, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(l.producers.format(), 0)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	l.snapshots = append(l.snapshots, offset)
	slices.Sort(l.snapshots)
	l.mu.Lock()
	l.snapshotted = append(l.snapshotted, offset)
	l.mu.Unlock()
	return l.dropOldSnapshots()
}

// dropOldSnapshots keeps the snapshots at the beginnings of segments, for
// truncations, and the two newest.
func (l *Log) dropOldSnapshots() error {
	if len(l.snapshots) <= 2 {
		return nil
	}
	newest := l.snapshots[len(l.snapshots)-2]
	return l.dropSnapshots(func(o model.Offset) bool {
		if o >= newest {
			return false
		}
		_, begins := slices.BinarySearchFunc(l.segments, o, func(s *segment, o model.Offset) int { return int(min(max(s.base-o, -1), 1)) })
		return !begins
	})
}

func (l *Log) dropSnapshots(drop func(model.Offset) bool) error {
	var errs []error
	l.snapshots = slices.DeleteFunc(l.snapshots, func(o model.Offset) bool {
		if !drop(o) {
			return false
		}
		err := l.fs.Remove(l.path(fileName(o, snapshotSuffix)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			return false
		}
		return true
	})
	return errors.Join(errs...)
}

func (l *Log) syncSnapshot(o model.Offset) error {
	f, err := l.fs.OpenFile(l.path(fileName(o, snapshotSuffix)), vfs.ReadWrite, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // dropped since
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// loadProducers makes the producer state at the log's end: the newest snapshot
// at or below trusted, which is no more than the end, and the batches after it.
// Aborted transactions that ended at trusted or later are noted in the
// transaction indexes, which hold the earlier ones. Nobody else knows the log
// yet, or append is held.
func (l *Log) loadProducers(trusted model.Offset) (*producers, error) {
	p, err := l.newestSnapshot(trusted)
	if err != nil {
		return nil, err
	}
	for _, s := range l.segments {
		if s.next <= p.end && s != l.active() {
			continue
		}
		if err := replay(p, s, trusted); err != nil {
			return nil, err
		}
	}
	p.end = l.end()
	return p, nil
}

func (l *Log) newestSnapshot(trusted model.Offset) (*producers, error) {
	if err := l.dropSnapshots(func(o model.Offset) bool { return o > trusted }); err != nil {
		return nil, err
	}
	for len(l.snapshots) > 0 {
		o := l.snapshots[len(l.snapshots)-1]
		data, err := vfs.ReadFile(l.fs, l.path(fileName(o, snapshotSuffix)), maxTextFile)
		if err != nil {
			return nil, err
		}
		p, err := parseSnapshot(data, o)
		if err == nil {
			return p, nil
		}
		l.logger.Warn("producer snapshot dropped", "partition", l.partition, "offset", o, "error", err)
		if err := l.dropSnapshots(func(x model.Offset) bool { return x == o }); err != nil {
			return nil, err
		}
	}
	return &producers{end: l.start}, nil
}

// replay takes the batches of s from p.end on into p.
func replay(p *producers, s *segment, trusted model.Offset) error {
	v := s.view()
	at, _, err := v.locate(p.end)
	if err != nil {
		return err
	}
	r := headers{view: &v, at: at}
	for r.next() {
		b := r.header
		if !b.HasProducer() {
			continue
		}
		if b.IsControl() {
			if b, err = v.whole(r.at, r.size); err != nil {
				return err
			}
		}
		c, err := p.prepare(b, b.BaseOffset(), replication, 0)
		if err != nil {
			return fmt.Errorf("producer state at offset %d: %w", b.BaseOffset(), err)
		}
		if aborted, ok := p.apply(c, b.NextOffset()); ok && aborted.last >= trusted {
			s.txns.add(aborted.format())
		}
	}
	return r.err
}

func (v *view) whole(at int64, size int) (batch.Batch, error) {
	f, err := v.log.acquire()
	if err != nil {
		return nil, err
	}
	defer v.log.release()
	b := make([]byte, size)
	if n, err := f.ReadAt(b, at); n < size {
		return nil, err
	}
	return b, nil
}
