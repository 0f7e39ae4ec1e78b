package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/journal"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Open opens the partitions in all directories, recovering those of directories
// that were not stopped cleanly. A directory that fails is offline, and told to
// Options.DirFailed; Open fails if none is left. The partitions have no role
// until the first Apply.
func Open(ctx context.Context, o Options) (*Set, error) {
	assert.That(len(o.Dirs) > 0, "no log directories")
	s := &Set{o: o, image: metadata.Empty, partitions: map[partitionKey]*Partition{}, more: make(chan struct{}, 1)}
	s.following = newFollowing(s, o.Follow)
	s.cleaner = newCleaner(s)
	s.mover = newMover(cmp.Or(o.Movers, len(o.Dirs)))
	if o.Cleaner != nil {
		s.cleaner.configure(o.Cleaner(metadata.Empty))
	}
	for _, d := range o.Dirs {
		j := journal.New(journal.Options{FS: o.FS, Path: path.Join(d.Path, journal.Dir), Size: o.JournalSize, Step: o.JournalStep})
		s.dirs = append(s.dirs, &Dir{path: d.Path, id: d.ID, fs: o.FS, journal: j, flushers: newFlushers(cmp.Or(o.Flushers, defaultFlushers)), onFail: s.dirFailed, logger: o.Logger, previous: -1,
			waiters: sync.Pool{New: newWaiter}})
	}
	s.complete.Store(true)
	s.settleMoves()
	if err := s.eachDir(ctx, s.openDir); err != nil {
		return nil, err
	}
	s.resumeMoves()
	causes := []error{errors.New("all log directories failed")}
	for _, d := range s.dirs {
		if d.Err() == nil {
			return s, nil
		}
		causes = append(causes, d.Err())
	}
	return nil, errors.Join(causes...)
}

// defaultFlushers is how many syncs one directory has at once: many files sync
// in little more time than one.
const defaultFlushers = 32

// eachDir does the same to all online directories at once. An error of one takes
// it offline; only the context's error is returned.
func (s *Set) eachDir(ctx context.Context, do func(context.Context, *Dir) error) error {
	var all sync.WaitGroup
	for _, d := range s.dirs {
		if d.Err() != nil {
			continue
		}
		all.Go(func() {
			if err := do(ctx, d); err != nil && ctx.Err() == nil {
				d.fail(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (s *Set) openDir(ctx context.Context, d *Dir) error {
	if err := d.make(); err != nil {
		return err
	}
	clean, err := d.begin()
	if err != nil {
		return err
	}
	if err := s.readCheckpoints(d); err != nil {
		return err
	}
	entries, err := s.o.FS.ReadDir(d.path)
	if err != nil {
		return err
	}
	var names []model.Partition
	for _, e := range entries {
		switch name, ok := parseDir(e.Name()); {
		case !e.IsDir():
		case ok:
			names = append(names, name)
		case strings.HasSuffix(e.Name(), futureSuffix):
			if of, ok := parseFuture(e.Name()); ok {
				s.found(future{d, e.Name(), of})
			}
		case isDoomed(e.Name()):
			s.doom(doomed{dir: d, path: d.file(e.Name()), at: s.o.Now()})
		}
	}
	var left *journal.Found
	err = s.untilRoom(ctx, d, func() (err error) {
		left, err = s.replay(d, names)
		return err
	})
	if err != nil {
		return err
	}
	if left.There() && clean {
		s.o.Logger.Warn("log directory says that it was stopped cleanly, but has a journal", "dir", d.path)
		clean, d.clean = false, false
	}
	if !clean {
		// The process may have stopped between making directories and syncing this one.
		if err := d.fs.SyncDir(d.path); err != nil {
			return err
		}
	}
	err = together(max(1, s.o.RecoveryThreads), names, func(name model.Partition) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := s.untilRoom(ctx, d, func() error { return s.recover(d, name, clean) })
		if err != nil && isDisk(err) {
			return fmt.Errorf("open %s: %w", name, err)
		}
		if err != nil {
			s.complete.Store(false)
			s.o.Logger.Error("partition cannot be opened and is left alone", "partition", name, "dir", d.path, "err", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// All that it said is in the logs' files now, and no log has more.
	return left.Remove()
}

// replay puts what the journal of an earlier life says into the logs' files.
func (s *Set) replay(d *Dir, names []model.Partition) (*journal.Found, error) {
	found, err := journal.Find(s.o.FS, d.file(journal.Dir))
	if err != nil || !found.There() {
		return found, err
	}
	r, err := commitlog.NewReplayer(s.o.FS, d.path, names, s.o.Logger)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(found.Replay(r.Apply), r.Finish()); err != nil {
		return nil, fmt.Errorf("replay the journal of %s: %w", d.path, err)
	}
	if found.Damaged > 0 {
		s.complete.Store(false)
		s.o.Logger.Error("the journal is damaged, and what was to be read there is lost", "dir", d.path, "places", found.Damaged)
	}
	return found, nil
}

// together does the same to all items, so many at once, and returns the first
// error.
func together[T any](n int, items []T, do func(T) error) error {
	var all sync.WaitGroup
	var once sync.Once
	var failed error
	var next atomic.Int64
	for range min(n, len(items)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(items)); i = next.Add(1) - 1 {
				if err := do(items[i]); err != nil {
					once.Do(func() { failed = err })
				}
			}
		})
	}
	all.Wait()
	return failed
}

// begin tells whether the directory was stopped cleanly, and takes the sign away:
// a crash from now on is an unclean stop. What was on disk then is so until the
// broker acknowledges more, so the other mark is there first.
func (d *Dir) begin() (clean bool, err error) {
	previous, clean, err := d.readEpoch(cleanFile)
	switch {
	case err != nil:
		return false, err
	case !clean:
		previous, _, err = d.readEpoch(syncedFile)
	case previous >= 0:
		if err := d.writeEpoch(syncedFile, previous); vfs.IsNoSpace(err) {
			// Without the mark a crash counts as unclean, see vouch.
			d.logger.Warn("no room to mark a log directory as synced: a crash will count as unclean", "dir", d.path, "err", err)
		} else if err != nil {
			return false, err
		}
	}
	if err != nil {
		return false, err
	}
	d.previous, d.clean = previous, clean
	return clean, d.removeFile(cleanFile)
}

// maxCheckpoint bounds a checkpoint file: a million partitions fit.
const maxCheckpoint = 256 << 20

// readCheckpoints reads the offset files. One that cannot be parsed counts as
// empty, as in Kafka: everything is checked then, and what was committed is not
// known.
func (s *Set) readCheckpoints(d *Dir) error {
	d.saved = map[string]map[model.Partition]model.Offset{}
	for _, file := range []string{recoveryPointFile, logStartFile, highWatermarkFile, cleanerFile} {
		data, err := vfs.ReadFile(d.fs, d.file(file), maxCheckpoint)
		if errors.Is(err, fs.ErrNotExist) {
			d.saved[file] = map[model.Partition]model.Offset{}
			continue
		}
		if err != nil {
			return err
		}
		if d.saved[file], err = commitlog.ParseOffsets(data); err != nil {
			s.o.Logger.Error("checkpoint file counts as empty", "dir", d.path, "file", file, "err", err)
			if file != cleanerFile {
				s.complete.Store(false)
			}
			d.saved[file] = map[model.Partition]model.Offset{}
		}
	}
	return nil
}

// recover opens one partition that is already on disk. What it knows to have
// been committed and does not find makes the recovery incomplete.
func (s *Set) recover(d *Dir, name model.Partition, clean bool) error {
	log, err := commitlog.Open(commitlog.Options{
		FS: s.o.FS, Files: s.o.Files, Dir: d.file(name.String()), Partition: name,
		Config: s.o.Config(metadata.Empty, name.Topic).Log, CleanShutdown: clean,
		RecoveryPoint: d.saved[recoveryPointFile][name], LogStart: d.saved[logStartFile][name], Cleaned: d.saved[cleanerFile][name],
		Named: true, Journal: d.journal, Now: s.o.Now, Logger: s.o.Logger, OnFailure: d.fail, Jitter: rand.Float64,
	})
	if err != nil {
		return err
	}
	if log.TopicID().IsZero() {
		return s.recoverNameless(d, name, log)
	}
	committed := d.saved[highWatermarkFile][name]
	if log.End() < max(committed, d.saved[recoveryPointFile][name]) {
		s.o.Logger.Error("recovered log ends before what was committed", "partition", name, "end", log.End(), "committed", committed)
		s.complete.Store(false)
	}
	p := s.newPartition(d, name, log.TopicID(), log)
	p.highWatermark = max(log.Start(), min(committed, log.End()))
	p.lastStable = p.stable()
	s.mu.Lock()
	other := s.partitions[partitionKey{p.topic, name.Index}]
	if other == nil {
		s.partitions[partitionKey{p.topic, name.Index}] = p
	}
	s.mu.Unlock()
	if other != nil {
		return fmt.Errorf("is also in %s: delete the one that is older", other.dir.path)
	}
	d.counted(1)
	return nil
}

// recoverNameless deals with a directory that does not say of which topic it is.
// An empty one is what a crash leaves of a creation. One with records is stray,
// as in Kafka: which topic's they are cannot be told.
func (s *Set) recoverNameless(d *Dir, name model.Partition, log *commitlog.Log) error {
	p := s.newPartition(d, name, model.TopicID{}, log)
	if log.Start() == log.End() {
		s.delete(p)
		return nil
	}
	s.o.Logger.Warn("partition without a topic id is set aside as stray", "partition", name, "dir", d.path)
	s.complete.Store(false)
	return s.rename(p, straySuffix)
}

func (s *Set) newPartition(d *Dir, name model.Partition, topic model.TopicID, log *commitlog.Log) *Partition {
	return &Partition{
		name: name, topic: topic, dir: d, log: log, now: s.o.Now,
		self:  isr.Config{Self: s.o.Self, LagMax: s.o.LagMax, Brokers: s.o.Brokers},
		epoch: model.NoEpoch, leaderID: model.NoNode, synced: true, minISR: 1,
		known: mark{end: log.End()}, cutting: noCut, propose: s.o.Propose,
	}
}

// parseDir reads a partition's directory name: the topic, a dash and the index.
// Directories that are being deleted, moved or are stray have another form.
func parseDir(name string) (model.Partition, bool) {
	dash := strings.LastIndexByte(name, '-')
	if dash < 1 {
		return model.Partition{}, false
	}
	index, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil || index < 0 || strconv.Itoa(int(index)) != name[dash+1:] || name[:dash] == model.MetadataTopic {
		return model.Partition{}, false
	}
	return model.Partition{Topic: name[:dash], Index: int32(index)}, true
}
