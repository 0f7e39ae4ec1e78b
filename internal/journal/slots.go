package journal

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/stromkafka/strom/internal/vfs"
)

// slot is one of the two files.
//
//	         a group needs room       full, or cut        struck out
//	free ────────────────────▶ active ───────────▶ settling ─────────▶ free
type slot struct {
	state slotState
	file  vfs.File // opened once it was used
	// sources are the logs that its entries speak of.
	sources map[Key]Source

	// The rest belongs to whoever writes.
	generation uint64
	next       int64 // where the next group begins
	zeroed     int64 // below it the file has blocks, so that writing changes no metadata
	full       bool  // the disk had no room for more: it takes nothing until it is free again
}

type slotState uint8

const (
	slotFree slotState = iota
	slotActive
	slotSettling
)

// commit writes a group and syncs. The caller has set writing.
func (j *Journal) commit(g *Group) error {
	for {
		s, err := j.room(int64(len(g.buf)), g.control)
		if err != nil {
			return err
		}
		// Also of a group that is refused: what it left in the file may be replayed.
		j.mu.Lock()
		for k, source := range g.sources {
			s.sources[k] = source
		}
		j.mu.Unlock()
		err = j.put(s, g)
		if errors.Is(err, ErrNoRoom) && s.next > headerSize {
			s.full = true // there may be room in the other one
			continue
		}
		if err != nil {
			return err
		}
		if err := s.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", s.file.Name(), err)
		}
		s.next += int64(len(g.buf))
		return nil
	}
}

// put writes a group behind what the slot has. Of a group that is refused some
// frames may be there; the next one is written over it, under another number.
func (j *Journal) put(s *slot, g *Group) error {
	end := s.next + int64(len(g.buf))
	if end > s.zeroed {
		to := min((end+j.o.Step-1)/j.o.Step*j.o.Step, j.o.Size)
		if err := zero(s.file, s.zeroed, to); err != nil {
			return noRoom(err)
		}
		s.zeroed = to
	}
	if s.next == headerSize {
		if err := writeAt(s.file, formatHeader(s.generation), 0); err != nil {
			return noRoom(err)
		}
	}
	stamp(g.buf, s.generation, j.commits, uint32(s.next))
	return noRoom(writeAt(s.file, g.buf, s.next))
}

// noRoom is ErrNoRoom for a write that failed because nothing more fits on the
// disk, and another error as it is.
func noRoom(err error) error {
	if vfs.IsNoSpace(err) {
		return fmt.Errorf("%w: %w", ErrNoRoom, err)
	}
	return err
}

// room is the slot with room for n bytes: the active one or the other. Entries
// that undo earlier ones wait for it, others are refused.
func (j *Journal) room(n int64, control bool) (*slot, error) {
	limit := j.o.Size
	if !control {
		limit -= j.o.reserve()
	}
	if headerSize+n > limit {
		return nil, ErrNoRoom
	}
	if !j.made {
		if err := j.make(); err != nil {
			return nil, noRoom(err)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		if j.err != nil {
			return nil, j.err
		}
		a := &j.slots[j.active]
		if a.state == slotActive && a.next+n <= limit && !a.full {
			return a, nil
		}
		err := ErrNoRoom
		for _, i := range []int{j.active, 1 - j.active} {
			if s := &j.slots[i]; s.state == slotFree && errors.Is(err, ErrNoRoom) {
				err = noRoom(j.begin(i))
			}
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, ErrNoRoom):
			return nil, err
		case a.state == slotActive && j.slots[1-j.active].state == slotFree:
			j.retire(j.active) // the other cannot be made; this one has blocks, and will be free
		}
		if !control || a.state == slotFree {
			return nil, err
		}
		j.changed.Wait()
	}
}

// make makes the journal's directory durable.
func (j *Journal) make() error {
	if err := j.o.FS.MkdirAll(j.o.Path, 0o755); err != nil {
		return err
	}
	if err := j.o.FS.SyncDir(path.Dir(j.o.Path)); err != nil {
		return err
	}
	j.made = true
	return nil
}

// begin makes a free slot the active one, and retires the other. The lock is held,
// and given up to make the file.
func (j *Journal) begin(i int) error {
	s := &j.slots[i]
	if s.file == nil {
		j.mu.Unlock()
		err := j.create(i)
		j.mu.Lock()
		if err != nil {
			return err
		}
	}
	if j.slots[j.active].state == slotActive {
		j.retire(j.active)
	}
	j.generation++
	j.active = i
	s.full = false
	s.state, s.generation, s.next, s.sources = slotActive, j.generation, headerSize, map[Key]Source{}
	return nil
}

func (j *Journal) create(i int) error {
	f, err := j.o.FS.OpenFile(path.Join(j.o.Path, strconv.Itoa(i)), vfs.CreateOrOpen|vfs.Truncate, 0o644)
	if err != nil {
		return err
	}
	if err := j.o.FS.SyncDir(j.o.Path); err != nil {
		return errors.Join(err, f.Close())
	}
	j.slots[i].file = f
	return nil
}

// retire has the logs of a slot settled and its entries struck out, in the
// background. The lock is held, and nobody writes into the slot any more.
func (j *Journal) retire(i int) {
	s := &j.slots[i]
	s.state = slotSettling
	j.stats.Rotations++
	j.settling.Add(1)
	go func() {
		defer j.settling.Done()
		if err := j.settle(s); err != nil {
			j.fail(err)
		}
	}()
}

func (j *Journal) settle(s *slot) error {
	j.mu.Lock()
	sources := sortedSources(s.sources)
	j.mu.Unlock()
	if err := settleAll(sources, j.o.Settlers); err != nil {
		return err
	}
	if err := s.strike(); err != nil {
		return fmt.Errorf("strike out %s: %w", s.file.Name(), err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", s.file.Name(), err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s.state, s.sources = slotFree, nil
	j.changed.Broadcast()
	return nil
}

// strike takes a slot's entries away. Where even writing over what is there takes
// room, the blocks are given back.
func (s *slot) strike() error {
	err := writeAt(s.file, make([]byte, headerSize), 0)
	if vfs.IsNoSpace(err) {
		s.zeroed = 0
		err = s.file.Truncate(0)
	}
	return err
}

// settleAll settles so many at once and returns the first error.
func settleAll(sources []Source, most int) error {
	var all sync.WaitGroup
	var next atomic.Int64
	var failed atomic.Pointer[error]
	for range min(most, len(sources)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(sources)) && failed.Load() == nil; i = next.Add(1) - 1 {
				if err := sources[i].Settle(); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// zeros are written where a file has no blocks yet.
var zeros [256 << 10]byte

func zero(f vfs.File, from, to int64) error {
	for from < to {
		n := min(to-from, int64(len(zeros)))
		if err := writeAt(f, zeros[:n], from); err != nil {
			return err
		}
		from += n
	}
	return nil
}

func writeAt(f vfs.File, b []byte, off int64) error {
	_, err := f.WriteAt(b, off)
	return err
}
