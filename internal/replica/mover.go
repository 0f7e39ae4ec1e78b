package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// mover runs the moves of a Set, so many at once. Without any it is nothing but
// memory.
type mover struct {
	most int
	pace pace

	mu      sync.Mutex
	moves   map[*Partition]*move
	queue   []*move
	running int
	ready   bool // metadata is known
	closed  bool
	done    sync.WaitGroup
}

func newMover(most int) *mover { return &mover{most: max(most, 1), moves: map[*Partition]*move{}} }

func (v *mover) of(p *Partition) *move {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.moves[p]
}

func (v *mover) begin(m *move) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	v.moves[m.p] = m
	v.queue = append(v.queue, m)
	v.start()
}

// start runs what is queued as far as it may. Needs mu.
func (v *mover) start() {
	for v.ready && v.running < v.most && len(v.queue) > 0 {
		m := v.queue[0]
		v.queue = v.queue[1:]
		v.running++
		v.done.Go(func() { v.run(m) })
	}
}

// begun lets moves run from now on.
func (v *mover) begun() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ready = true
	v.start()
}

// end takes a partition's move away, if there is one, for a reason.
func (v *mover) end(p *Partition, why error) {
	v.mu.Lock()
	m := v.moves[p]
	delete(v.moves, p)
	v.mu.Unlock()
	if m != nil {
		m.cancel(why)
	}
}

// dirFailed ends the moves from and to a directory.
func (v *mover) dirFailed(d *Dir) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for p, m := range v.moves {
		if p.dir == d || m.to == d {
			m.cancel(errMoveLater)
		}
	}
}

// close stops all moves and waits for that.
func (v *mover) close() {
	v.mu.Lock()
	v.closed, v.queue = true, nil
	for _, m := range v.moves {
		m.cancel(errMoveLater)
	}
	v.mu.Unlock()
	v.done.Wait()
}

func (v *mover) run(m *move) {
	err := m.run()
	m.ended(err)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.moves[m.p] == m {
		delete(v.moves, m.p)
	}
	v.running--
	v.start()
}

// ended leaves nothing behind, or what a restart goes on with.
func (m *move) ended(err error) {
	m.p.mu.Lock()
	if m.p.move == m {
		m.p.move = nil
	}
	m.p.mu.Unlock()
	logger := m.set.o.Logger
	switch {
	case err == nil:
		return
	case errors.Is(err, errMoveLater), m.to.Err() != nil:
		if m.log != nil {
			_ = m.log.Close() // the next start checks all of it
		}
		return
	case errors.Is(err, errMoveCancelled), errors.Is(err, errReplaced), m.p.log.Err() != nil:
		logger.Info("move of a replica ended", "partition", m.p.name, "to", m.to.path, "why", err)
	default:
		logger.Error("replica cannot be moved and stays where it is", "partition", m.p.name, "to", m.to.path, "err", err)
		if isDisk(err) {
			m.to.fail(fmt.Errorf("move %s to %s: %w", m.p, m.to.path, err))
			return
		}
	}
	if err := m.remove(); err != nil {
		m.to.fail(fmt.Errorf("remove the unfinished copy of %s: %w", m.p, err))
	}
}

// remove takes the copy away.
func (m *move) remove() error {
	if m.log != nil {
		_ = m.log.Close() // what it holds is in the partition's own log
	}
	if _, err := m.to.fs.Stat(m.path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	path := m.to.file(movedName(m.p.name, deleteSuffix))
	if err := m.to.fs.Rename(m.path, path); err != nil {
		return err
	}
	m.set.doom(doomed{dir: m.to, path: path, at: m.set.o.Now()})
	return m.to.fs.SyncDir(m.to.path)
}

// Moving is a replica on its way to another directory.
type Moving struct {
	Name model.Partition
	Size int64
	Lag  int64 // offsets that it is behind
}

// Moving are the copies that are being made in a directory.
func (s *Set) Moving(d *Dir) []Moving {
	s.mover.mu.Lock()
	defer s.mover.mu.Unlock()
	var out []Moving
	for p, m := range s.mover.moves {
		if m.to == d {
			out = append(out, m.look(p))
		}
	}
	return out
}

func (m *move) look(p *Partition) Moving {
	l := Moving{Name: p.name, Lag: int64(p.log.End() - p.log.Start())}
	if log := m.shown.Load(); log != nil {
		l.Size, l.Lag = log.Size(), int64(p.log.End()-log.End())
	}
	return l
}

// settleMoves finishes what a crash left of moves whose copy was complete: the
// copy takes the partition's place, and the old one is removed.
func (s *Set) settleMoves() {
	for _, d := range s.dirs {
		entries, err := d.fs.ReadDir(d.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			d.fail(err)
			continue
		}
		for _, e := range entries {
			name, ok := strings.CutPrefix(e.Name(), movedPrefix)
			if !ok {
				continue
			}
			if err := s.settleMove(d, name); err != nil {
				d.fail(fmt.Errorf("finish the move of %s to %s: %w", name, d.path, err))
				break
			}
		}
	}
}

func (s *Set) settleMove(d *Dir, name string) error {
	partition, ok := parseDir(name)
	if !ok {
		return nil // written by somebody else
	}
	from, err := vfs.ReadFile(d.fs, d.file(movedPrefix+name), 4096)
	if err != nil {
		return err
	}
	if of, ok := parseFuture(string(from)); ok && of == partition {
		err := d.fs.Rename(d.file(string(from)), d.file(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := d.fs.SyncDir(d.path); err != nil {
		return err
	}
	for _, old := range s.dirs {
		if old == d || old.Err() != nil {
			continue
		}
		there, err := old.exists(name)
		if err != nil || !there {
			continue
		}
		if err := old.fs.Rename(old.file(name), old.file(movedName(partition, deleteSuffix))); err != nil {
			return err
		}
		if err := old.fs.SyncDir(old.path); err != nil {
			return err
		}
	}
	return d.removeFile(movedPrefix + name)
}

// resumeMoves goes on with copies that an earlier life has begun.
func (s *Set) resumeMoves() {
	for _, f := range s.futures {
		var current *Partition
		for _, p := range s.Partitions() {
			if p.name == f.of && p.dir != f.dir {
				current = p
			}
		}
		if current == nil || s.mover.of(current) != nil {
			s.o.Logger.Warn("copy of a replica that is not here is left alone", "partition", f.of, "dir", f.dir.path)
			continue
		}
		s.mover.begin(s.newMove(current, f.dir, f.name, false))
	}
}

func (s *Set) found(f future) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.futures = append(s.futures, f)
}

// future is a copy that an earlier life has begun.
type future struct {
	dir  *Dir
	name string
	of   model.Partition
}
