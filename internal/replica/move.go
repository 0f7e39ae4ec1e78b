package replica

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/follow"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// futureSuffix ends the name of a directory into which a partition is copied:
// topic-partition.uniqueid-future, as in Kafka.
const futureSuffix = "-future"

// movedPrefix begins the name of a file in a log directory, followed by a
// partition's: it has come here complete. Should there be another copy in another
// directory, that one is the old one.
const movedPrefix = "strom-moved."

// move is the copying of a partition into another log directory, whose copy then
// takes its place (KIP-113). The partition goes on to be used meanwhile, but for
// compaction: what it removes before it is copied would be missed.
//
//	copying ──caught up──▶ (appends wait) copied, synced
//	                       movedPrefix file written        from here on the copy counts
//	                       -future ──rename──▶ topic-partition
//	                       old one ──rename──▶ -delete     then the file is removed
//
// A crash before the file is there goes on copying after the restart; after it,
// settleMoves does the rest.
type move struct {
	set    *Set
	p      *Partition
	to     *Dir
	path   string
	fresh  bool                          // the directory is not there yet
	log    *commitlog.Log                // the copy
	shown  atomic.Pointer[commitlog.Log] // the same, for those who look
	cut    model.Offset                  // where p's log was cut meanwhile, else noCut; guarded by p.mu
	ctx    context.Context
	cancel context.CancelCauseFunc
}

var (
	errMoveCancelled = errors.New("the move was cancelled")
	// errMoveLater ends a move that the next start goes on with.
	errMoveLater = errors.New("the move goes on after a restart")
	errReplaced  = errors.New("the partition is not here any more")
)

// Move copies a partition's replica into another log directory of this broker and
// lets it go on there. It returns once that has begun. A move to where the replica
// is ends the one in progress.
func (s *Set) Move(topic model.TopicID, index int32, dir string) error {
	s.applying.Lock()
	defer s.applying.Unlock()
	to, err := s.Destination(dir)
	if err != nil {
		return err
	}
	p, err := s.Partition(topic, index)
	if err != nil {
		return kerr.ReplicaNotAvailable.With("this broker has no replica of the partition")
	}
	if p.dir.Err() != nil {
		return kerr.KafkaStorageError.With("partition %s is offline", p)
	}
	name := movedName(p.name, futureSuffix)
	if len(name) > 255 {
		return kerr.InvalidTopicException.With("the topic name is too long to be moved")
	}
	if m := s.mover.of(p); m != nil {
		if m.to == to {
			return nil
		}
		s.mover.end(p, errMoveCancelled)
	}
	if to == p.dir {
		return nil
	}
	for _, d := range s.dirs {
		if d.Err() != nil {
			return kerr.KafkaStorageError.With("no replica is moved while log directory %s is offline", d.path)
		}
	}
	s.mover.begin(s.newMove(p, to, name, true))
	return nil
}

// Destination is the log directory at a path, if a replica can move there.
func (s *Set) Destination(path string) (*Dir, error) {
	i := slices.IndexFunc(s.dirs, func(d *Dir) bool { return d.path == path })
	if i < 0 {
		return nil, kerr.LogDirNotFound.With("log directory %s is not among this broker's", path)
	}
	if s.dirs[i].Err() != nil {
		return nil, kerr.KafkaStorageError.With("log directory %s is offline", path)
	}
	return s.dirs[i], nil
}

func (s *Set) newMove(p *Partition, to *Dir, name string, fresh bool) *move {
	m := &move{set: s, p: p, to: to, path: to.file(name), fresh: fresh, cut: noCut}
	m.ctx, m.cancel = context.WithCancelCause(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.move = m
	return m
}

// movedName is the name of a directory on its way; Kafka refuses one that is too
// long, since the topic could not be told from a shorter one.
func movedName(name model.Partition, suffix string) string {
	return name.String() + "." + unique() + suffix
}

// parseFuture reads the name of a directory into which a partition is copied.
func parseFuture(name string) (model.Partition, bool) {
	rest, ok := strings.CutSuffix(name, futureSuffix)
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 0 {
		return model.Partition{}, false
	}
	return parseDir(rest[:dot])
}

// run copies, and takes the partition's place.
func (m *move) run() error {
	resume := m.p.log.PauseCompaction()
	defer resume()
	if err := m.open(); err != nil {
		return err
	}
	if err := m.align(); err != nil {
		return err
	}
	for {
		if err := m.copyAll(true); err != nil {
			return err
		}
		if err := m.log.Flush(m.ctx, m.log.End()); err != nil {
			return err
		}
		if done, err := m.promote(); done || err != nil {
			return err
		}
	}
}

// open also has the directory's journal forget a replica that was there before:
// nothing of that one is put into the copy.
func (m *move) open() (err error) {
	o := commitlog.Options{
		FS: m.set.o.FS, Files: m.set.o.Files, Dir: m.path, Partition: m.p.name, TopicID: m.p.topic, Config: m.p.log.Config(),
		Journal: m.to.journal, Now: m.set.o.Now, Logger: m.set.o.Logger, OnFailure: m.to.fail, Jitter: rand.Float64,
	}
	if m.fresh {
		o.LogStart, o.CleanShutdown = m.p.log.Start(), true
	}
	m.log, err = commitlog.Open(o)
	m.shown.Store(m.log)
	return err
}

// align cuts a copy of an earlier life to what it has in common with the log.
func (m *move) align() error {
	for {
		epoch := m.log.LatestEpoch()
		if epoch == model.NoEpoch {
			return nil
		}
		known, end := m.p.log.EndOffsetForEpoch(epoch)
		if known == epoch && end >= m.log.End() {
			return nil
		}
		if known != epoch {
			_, end = m.log.EndOffsetForEpoch(known)
		}
		before := m.log.End()
		if _, err := m.log.TruncateTo(max(min(end, before-1), 0)); err != nil {
			return err
		}
	}
}

// moveChunk is how much is copied at once.
const moveChunk = 1 << 20

// copyAll copies what there is; the copy may lag behind again at once.
func (m *move) copyAll(paced bool) error {
	for {
		if err := context.Cause(m.ctx); err != nil {
			return err
		}
		n, err := m.copyChunk()
		if n == 0 || err != nil {
			return err
		}
		if paced {
			if err := m.set.mover.pace.wait(m.ctx, n); err != nil {
				return err
			}
		}
	}
}

func (m *move) copyChunk() (int, error) {
	if err := m.followCuts(); err != nil {
		return 0, err
	}
	from := m.log.End()
	slice, err := m.p.log.Read(from, moveChunk, m.p.log.End(), true)
	if errors.Is(err, kerr.OffsetOutOfRange) {
		return 1, nil // it has been cut, or begins later, since
	}
	var records []byte
	if err == nil {
		records, err = slice.Bytes()
	}
	if err != nil {
		if m.wasCut() {
			return 1, nil
		}
		return 0, m.p.readFailed(err)
	}
	if len(records) == 0 {
		return 0, nil
	}
	_, err = m.log.AppendFollower(records, model.NoEpoch)
	return len(records), err
}

// cutTo notes that the log was cut. Needs the partition's mu.
func (m *move) cutTo(to follow.Placement) {
	if to.Restart {
		to.Offset = 0
	}
	m.cut = min(m.cut, to.Offset)
}

func (m *move) wasCut() bool {
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	return m.cut != noCut
}

// followCuts cuts the copy where the log was cut, and lets it begin anew if the
// log begins beyond its end.
func (m *move) followCuts() error {
	m.p.mu.Lock()
	cut := m.cut
	m.cut = noCut
	m.p.mu.Unlock()
	if cut < m.log.End() {
		if _, err := m.log.TruncateTo(cut); err != nil {
			return err
		}
	}
	if end := m.p.log.End(); end < m.log.End() {
		if _, err := m.log.TruncateTo(end); err != nil {
			return err
		}
	}
	if start := m.p.log.Start(); m.log.End() < start {
		return m.log.TruncateFullyTo(start)
	}
	return nil
}

// promote lets the copy take the partition's place; false if it lags too far
// behind to hold appends up for what is missing.
func (m *move) promote() (done bool, err error) {
	s, p := m.set, m.p
	s.applying.Lock()
	defer s.applying.Unlock()
	p.appending.Lock()
	defer p.appending.Unlock()
	if err := m.mayPromote(); err != nil {
		return false, err
	}
	if p.log.End()-m.log.End() > 10_000 {
		return false, nil
	}
	if err := m.copyAll(false); err != nil {
		return false, err
	}
	if m.log.End() != p.log.End() {
		return false, fmt.Errorf("the copy of %s ends at %d, the log at %d", p, m.log.End(), p.log.End())
	}
	if err := m.log.AdvanceStart(p.log.Start()); err != nil {
		return false, err
	}
	next, err := m.takePlace()
	if err != nil {
		m.to.fail(fmt.Errorf("move %s to %s: %w", p, m.to.path, err))
		return true, nil
	}
	p.leave(roleGone)
	s.following.look(p)
	s.remove(p)
	p.dir.counted(-1)
	m.to.counted(1)
	s.add(next)
	s.delete(p)
	return true, m.settle(next)
}

func (m *move) mayPromote() error {
	if err := context.Cause(m.ctx); err != nil {
		return err
	}
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	if m.p.usable() != nil {
		return errReplaced
	}
	return nil
}

// takePlace makes the copy a partition: everything on disk but the end of the old
// one. It takes over how far records were committed and cleaned.
func (m *move) takePlace() (*Partition, error) {
	s, p, d := m.set, m.p, m.to
	start := m.log.Start()
	if err := m.log.Close(); err != nil {
		return nil, err
	}
	end := m.log.End()
	if err := vfs.WriteFileAtomic(d.fs, d.file(movedPrefix+p.name.String()), []byte(path.Base(m.path))); err != nil {
		return nil, err
	}
	if err := d.fs.Rename(m.path, d.file(p.name.String())); err != nil {
		return nil, err
	}
	if err := d.fs.SyncDir(d.path); err != nil {
		return nil, err
	}
	if cleaned := p.dir.cleanedTo(p.name); cleaned >= 0 {
		if err := d.noteCleaned(p.name, cleaned); err != nil {
			return nil, err
		}
	}
	log, err := commitlog.Open(commitlog.Options{
		FS: s.o.FS, Files: s.o.Files, Dir: d.file(p.name.String()), Partition: p.name, TopicID: p.topic, Config: p.log.Config(),
		CleanShutdown: true, RecoveryPoint: end, LogStart: start, Journal: d.journal, Now: s.o.Now, Logger: s.o.Logger, OnFailure: d.fail, Jitter: rand.Float64,
	})
	if err != nil {
		return nil, err
	}
	next := s.newPartition(d, p.name, p.topic, log)
	p.mu.Lock()
	next.highWatermark = min(p.highWatermark, log.End())
	p.mu.Unlock()
	next.lastStable = next.stable()
	return next, nil
}

// settle gives the partition that took the place its role, and writes down what
// the directory's checkpoints say of it.
func (m *move) settle(next *Partition) error {
	s, d := m.set, m.to
	for file, offset := range map[string]func(*Partition) model.Offset{
		recoveryPointFile: (*Partition).recoveryPoint, logStartFile: (*Partition).logStart, highWatermarkFile: (*Partition).committedEnd,
	} {
		if err := s.checkpointDir(d, file, offset); err != nil {
			return err
		}
	}
	if err := d.removeFile(movedPrefix + next.name.String()); err != nil {
		return err
	}
	if err := s.configure(next, s.o.Config(s.image, next.name.Topic)); err != nil {
		return err
	}
	s.o.Logger.Info("replica moved", "partition", next.name, "to", d.path)
	if s.o.Assigned != nil {
		s.o.Assigned(next.topic, next.name.Index, d.id)
	}
	if a := s.image.Partition(next.topic, next.name.Index); a != nil {
		next.assign(a)
		s.following.look(next)
	}
	return nil
}
