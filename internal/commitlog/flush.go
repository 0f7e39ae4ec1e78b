package commitlog

import (
	"context"
	"fmt"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Flush returns once everything below upTo, at most the end, is durable. All
// who wait share a sync: one of them runs it for what has been written by then,
// and those who come meanwhile share the next. A sync that fails takes the log
// offline and is never tried again, because the kernel may have dropped the data.
// Only waiting for somebody else's sync ends with ctx.
func (l *Log) Flush(ctx context.Context, upTo model.Offset) error {
	for {
		l.mu.Lock()
		if l.failure != nil {
			defer l.mu.Unlock()
			return l.failure
		}
		if l.durable >= min(upTo, l.end()) {
			l.mu.Unlock()
			return nil
		}
		running := l.syncing
		if running == nil {
			l.syncing = make(chan struct{})
		}
		l.mu.Unlock()
		if running == nil {
			if err := l.sync(); err != nil {
				return err
			}
			continue
		}
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sync makes all that was written before it durable: segments sealed since the
// last one first, then the active one, then the directory if files came or went.
// The caller has set syncing.
func (l *Log) sync() error {
	l.mu.Lock()
	target, cuts := l.end(), l.cuts
	sealed, active, changes := l.unsynced, l.active(), l.dirChanges
	dir := changes != l.dirSynced
	l.unsynced = nil
	path := l.dir
	l.mu.Unlock()

	err := syncSegments(l.fs, sealed, active, dir, path)
	if err != nil {
		err = l.fail(err)
	}

	l.mu.Lock()
	// If the log was truncated meanwhile, bytes below target may be newer than
	// the sync: durable was cut then and stays there.
	if err == nil && l.cuts == cuts {
		l.durable = max(l.durable, target)
	}
	if err == nil {
		l.dirSynced = max(l.dirSynced, changes)
	}
	close(l.syncing)
	l.syncing = nil
	l.mu.Unlock()
	return err
}

func syncSegments(fsys vfs.FS, sealed []*segment, active *segment, dir bool, path string) error {
	for _, s := range sealed {
		if err := s.log.sync(); err != nil && err != errRemoved {
			return fmt.Errorf("sync %s: %w", s.log.name, err)
		}
	}
	if err := active.log.sync(); err != nil && err != errRemoved {
		return fmt.Errorf("sync %s: %w", active.log.name, err)
	}
	if dir {
		return fsys.SyncDir(path)
	}
	return nil
}

// Checkpoint makes the whole log durable, with indexes, producer state and
// leader epochs, and returns the offset below which a restart need check nothing,
// for the directory's checkpoint file. It costs nothing on a log that has not
// changed.
func (l *Log) Checkpoint() (model.Offset, error) {
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	l.append.Lock()
	c, err := l.prepareCheckpoint()
	l.append.Unlock()
	if err != nil {
		return 0, err
	}
	return l.finishCheckpoint(c)
}

// checkpoint is the state of a log at one moment, to be made durable.
type checkpoint struct {
	end       model.Offset
	cuts      int64
	changes   int64 // of the directory
	unchanged bool
	segments  []*segment
	snapshots []model.Offset
	epochs    epochs // nil if they have not changed
}

// prepareCheckpoint writes what is in memory only. The append lock is held.
func (l *Log) prepareCheckpoint() (checkpoint, error) {
	if err := l.Err(); err != nil {
		return checkpoint{}, err
	}
	l.mu.Lock()
	segments := append(l.unindexed[:len(l.unindexed):len(l.unindexed)], l.active())
	c := checkpoint{end: l.end(), cuts: l.cuts, changes: l.dirChanges, segments: segments}
	c.unchanged = l.recovery == c.end && c.changes == l.dirSynced && !l.epochsChanged && len(l.snapshotted) == 0 && !l.unindexedEntries()
	l.mu.Unlock()
	if c.unchanged {
		return c, nil
	}
	for _, s := range segments {
		if err := l.writeIndexes(s); err != nil {
			return c, l.storageError("write the index of", err)
		}
	}
	if err := l.snapshot(c.end); err != nil {
		return c, l.storageError("write the producer state of", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.snapshots = l.snapshotted
	if l.epochsChanged {
		c.epochs = append(epochs{}, l.epochs...)
	}
	l.unindexed, l.snapshotted, l.epochsChanged = nil, nil, false
	return c, nil
}

func (l *Log) finishCheckpoint(c checkpoint) (model.Offset, error) {
	if c.unchanged {
		return c.end, nil
	}
	if err := l.Flush(context.Background(), c.end); err != nil {
		return 0, err
	}
	if err := l.syncState(c); err != nil {
		return 0, l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirSynced = max(l.dirSynced, c.changes)
	if l.cuts == c.cuts {
		l.recovery = max(l.recovery, c.end)
	}
	return l.recovery, nil
}

// syncState makes durable what recovery would otherwise have to make anew.
func (l *Log) syncState(c checkpoint) error {
	for _, s := range c.segments {
		for _, x := range s.indexes() {
			if err := x.file.sync(); err != nil && err != errRemoved {
				return fmt.Errorf("sync %s: %w", x.file.name, err)
			}
		}
	}
	for _, o := range c.snapshots {
		if err := l.syncSnapshot(o); err != nil {
			return err
		}
	}
	if c.epochs != nil {
		return vfs.WriteFileAtomic(l.fs, l.path(epochFile), c.epochs.format())
	}
	return l.fs.SyncDir(l.dir)
}
