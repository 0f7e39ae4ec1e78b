package commitlog

import (
	"context"
	"fmt"
	"slices"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Flush returns once everything below upTo, at most the end, is durable: in the
// journal or in the log's own files. All who wait share a sync: one of them runs it
// for what has been written by then, and those who come meanwhile share the next. A
// sync that fails takes the log offline and is never tried again, because the
// kernel may have dropped the data. Only waiting for somebody else's sync of the
// files ends with ctx.
func (l *Log) Flush(ctx context.Context, upTo model.Offset) error {
	l.mu.Lock()
	failure, done := l.failure, l.durable >= min(upTo, l.end())
	l.mu.Unlock()
	if failure != nil || done {
		return failure
	}
	f := l.Begin()
	return f.Wait(ctx)
}

// settle makes all that was written before it durable in the log's own files.
func (l *Log) settle() error {
	for {
		running, err := l.turn(func() bool { return false })
		switch {
		case err != nil:
			return err
		case running.mine:
			return l.sync(true)
		}
		<-running.done
	}
}

// syncing is a sync of the log's files, one's own turn or somebody else's.
type syncing struct {
	done <-chan struct{}
	mine bool
}

func (s *syncing) wait(ctx context.Context) error {
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turn is the running sync, or the caller's own turn to call sync, or nil if
// enough is durable or the log has failed.
func (l *Log) turn(enough func() bool) (*syncing, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, l.failure
	}
	if enough() {
		return nil, nil
	}
	if l.syncing != nil {
		return &syncing{done: l.syncing}, nil
	}
	l.syncing = make(chan struct{})
	return &syncing{done: l.syncing, mine: true}, nil
}

// sync makes all that was written before it durable in the log's files: segments
// sealed since the last one first, then the active one, then the directory if
// files came or went. The caller has set syncing.
//
// If the journal holds a cut of this log, what is now in the files would not
// survive a replay, so the journal is told first that it does not count: then only
// is it durable. Without counts, nothing is called durable by it, and the journal
// is not waited for.
func (l *Log) sync(counts bool) error {
	l.mu.Lock()
	done := l.wholeFile()
	sealed, active, changes := l.unsynced, l.active(), l.dirChanges
	dir := changes != l.dirSynced
	void := counts && l.mustVoid()
	if void {
		l.voiding++
	}
	l.unsynced = nil
	path := l.dir
	l.mu.Unlock()

	err := syncSegments(l.fs, sealed, active, dir, path)
	if err != nil {
		err = l.fail(err)
	}

	l.mu.Lock()
	if err == nil {
		l.dirSynced = max(l.dirSynced, changes)
	}
	if err == nil && counts && !void {
		l.inFiles(done)
	}
	close(l.syncing)
	l.syncing = nil
	l.mu.Unlock()
	if void {
		err = l.void(done, err)
	}
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
	c.unchanged = l.recovery == c.end && c.changes == l.dirSynced && !l.epochsUnwritten() && len(l.snapshotted) == 0 && !l.unindexedEntries()
	l.mu.Unlock()
	if c.unchanged {
		return c, nil
	}
	for _, s := range segments {
		if err := l.writeIndexes(s); err != nil {
			return c, l.storageError("write the index of", err)
		}
	}
	if !l.hasNoState() {
		if err := l.snapshot(c.end); err != nil {
			return c, l.storageError("write the producer state of", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.snapshots = l.snapshotted
	if l.epochsUnwritten() {
		c.epochs = append(epochs{}, l.epochs...)
		l.epochsChanged = false
	}
	l.unindexed, l.snapshotted = nil, nil
	return c, nil
}

// epochsUnwritten reports whether the file of leader epochs says something else than
// what a restart would keep: an epoch without a record is dropped by it. So a log
// that nobody writes to costs nothing, whoever leads it. mu is held.
func (l *Log) epochsUnwritten() bool {
	end := l.end()
	return l.epochsChanged && !slices.Equal(l.epochs.below(end), l.epochsFile.below(end))
}

// hasNoState reports whether a restart finds the same state of producers, none,
// without a snapshot. The append lock is held.
func (l *Log) hasNoState() bool {
	return len(l.snapshots) == 0 && len(l.producers.byID) == 0 && l.start == l.end()
}

func (l *Log) finishCheckpoint(c checkpoint) (model.Offset, error) {
	if c.unchanged {
		return c.end, nil
	}
	if err := l.settle(); err != nil {
		return 0, err
	}
	if err := l.syncState(c); vfs.IsNoSpace(err) {
		l.putOff(c)
		return 0, l.storageError("checkpoint", err)
	} else if err != nil {
		return 0, l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dirSynced = max(l.dirSynced, c.changes)
	if c.epochs != nil {
		l.epochsFile = c.epochs
	}
	if l.cuts == c.cuts {
		l.recovery = max(l.recovery, c.end)
	}
	return l.recovery, nil
}

// putOff leaves to the next checkpoint what this one had no room for.
func (l *Log) putOff(c checkpoint) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epochsChanged = l.epochsChanged || c.epochs != nil
	l.snapshotted = append(c.snapshots, l.snapshotted...)
	for _, s := range c.segments {
		if s != l.active() && slices.Contains(l.segments, s) && !slices.Contains(l.unindexed, s) {
			l.unindexed = append(l.unindexed, s)
		}
	}
}

func syncIndexes(segments []*segment) error {
	for _, s := range segments {
		for _, x := range s.indexes() {
			if err := x.file.sync(); err != nil && err != errRemoved {
				return fmt.Errorf("sync %s: %w", x.file.name, err)
			}
		}
	}
	return nil
}

// syncState makes durable what recovery would otherwise have to make anew.
func (l *Log) syncState(c checkpoint) error {
	if err := syncIndexes(c.segments); err != nil {
		return err
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
