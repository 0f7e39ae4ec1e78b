// Package journal makes what was written to any number of files durable with one
// sync. A log directory has one journal (docs/formats/journal.md): while bytes of
// a log are in the page cache only, they are in the journal too, and one sync of
// that makes all of them durable. The logs' own files are synced in the background
// and in bulk, and then the journal is cut.
//
// A journal is two slots, files of a fixed size that are written in turn: while
// one fills, the logs that the other one speaks of are settled, after which its
// entries are struck out. When both are in use, or the disk is full, the journal
// refuses with ErrNoRoom, and the logs sync their own files until there is room
// again.
//
// The entries of one log are replayed in the order in which they were added, from
// the last Void on. Replaying them again, over files that hold all or a part of
// what they say already, ends with the same files.
package journal

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// Dir is the journal's directory inside a log directory. To Apache Kafka it is the
// directory of a partition with an impossible name, so it does not start there.
const Dir = "journal"

// ErrNoRoom says that the entries are not in the journal, because both slots are
// in use or the disk is full. Nothing has failed: who added them syncs the files.
var ErrNoRoom = errors.New("no room in the journal")

// Key names a log for good: a topic that is created again has another id.
type Key struct {
	Topic model.TopicID
	Index int32
}

// Kind is what an entry says of a log.
type Kind uint8

// The kinds of entries.
const (
	// Append: the segment Base has Bytes at Position.
	Append Kind = 1
	// Cut: the segment Base ends at Position, and there is none after it.
	Cut Kind = 2
	// Restart: the log has one segment, Base, which is empty.
	Restart Kind = 3
	// Void: the log's files have all that earlier entries say of it, or are
	// another's: they are not replayed.
	Void Kind = 4
)

// Entry is one thing that happened to a log.
type Entry struct {
	Kind     Kind
	Key      Key
	Base     model.Offset
	Position int64
	Bytes    []byte
}

// Source is a log that entries speak of.
type Source interface {
	// Settle makes the log's own files durable, with all that was added of it so
	// far. It must not wait for the journal.
	Settle() error
	// Refused tells that entries of the log were not written, before any later
	// entry is: what the files have is more than the journal says.
	Refused()
}

// Options are what New needs.
type Options struct {
	FS   vfs.FS
	Path string // of the directory; it is made with the first entry
	// Size of each slot in bytes, and by how much its file grows at once. 0 is
	// DefaultSize and DefaultStep.
	Size, Step int64
	// Settlers is how many logs are settled at once; 0 is 16.
	Settlers int
}

// The size of a slot, of which there are two, and by how much one grows.
const (
	DefaultSize = 32 << 20
	DefaultStep = 1 << 20
)

// MaxEntry bounds the bytes of an entry. From about there on, writing them twice costs
// more than a sync of the segment: with ten partitions, 16 KB each cost the same
// either way, and 64 KB a fifth more through the journal.
const MaxEntry = 64 << 10

// groupBytes is how much one sync covers at most; more entries go to the next.
const groupBytes = 4 << 20

// Journal is one directory's journal. All methods may be called concurrently.
//
// The lock covers the fields and nothing that blocks. Whoever has set writing
// writes a group, alone: the slots' files are its own meanwhile.
type Journal struct {
	o    Options
	most int64 // bytes in a group

	mu         sync.Mutex
	changed    sync.Cond // broadcast when writing ends, a slot is free, or err is set
	pending    *Group
	inFlight   *Group
	writing    bool
	commits    uint64 // counts attempts to write a group
	generation uint64
	active     int
	slots      [2]slot
	made       bool // the directory is there
	settling   sync.WaitGroup
	err        error // what failed for good: nothing is written any more
	stats      Stats
	spare      []byte
}

// Stats are counts since the journal was made.
type Stats struct {
	Groups, Bytes, Rotations, Refused int64
}

// Group is entries that one sync makes durable, and what to wait for.
type Group struct {
	journal *Journal
	buf     []byte
	sources map[Key]Source
	control bool // has entries other than Append
	done    bool
	err     error
}

// New is a journal that nobody has used yet. There is nothing on disk until the
// first entry, and what an earlier process left must have been removed.
func New(o Options) *Journal {
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Step == 0 {
		o.Step = min(DefaultStep, o.Size/4)
	}
	if o.Settlers == 0 {
		o.Settlers = 16
	}
	j := &Journal{o: o, most: min(groupBytes, (o.Size-headerSize-o.reserve())/2)}
	j.changed.L = &j.mu
	j.pending = j.newGroup(nil)
	return j
}

// reserve is the part of a slot that only entries other than Append may use: what
// undoes earlier entries must find room.
func (o *Options) reserve() int64 { return min(64<<10, o.Size/4) }

func (j *Journal) newGroup(buf []byte) *Group {
	return &Group{journal: j, buf: buf[:0], sources: map[Key]Source{}}
}

// Add has an entry written with the group that is returned; the entry's bytes are
// copied. The caller may hold a lock that Source.Refused takes, so that the order
// of the entries is that of what happened.
func (j *Journal) Add(s Source, e Entry) *Group {
	assert.That(len(e.Bytes) <= MaxEntry, "a journal entry of %d bytes", len(e.Bytes))
	j.mu.Lock()
	defer j.mu.Unlock()
	g := j.pending
	g.buf = appendFrame(g.buf, &e)
	g.sources[e.Key] = s
	g.control = g.control || e.Kind != Append
	return g
}

// Full reports whether what waits to be written is so much that it should be
// before more is added.
func (j *Journal) Full() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int64(len(j.pending.buf)) > j.most-j.MaxEntry()
}

// Void adds an entry by which earlier ones of a log are not replayed, and returns
// once it is durable.
func (j *Journal) Void(s Source, k Key) error {
	var err error
	for range voidTries { // the group may hold much besides, and be refused for that
		if err = j.Add(s, Entry{Kind: Void, Key: k}).Wait(); !errors.Is(err, ErrNoRoom) {
			break
		}
	}
	return err
}

const voidTries = 3

// Flush writes what has been added, and returns when it is durable or refused.
func (j *Journal) Flush() {
	j.mu.Lock()
	g := j.pending
	j.mu.Unlock()
	_ = g.Wait() // whose entries these are finds out by itself
}

// MaxEntry is how many bytes an entry of this journal may have.
func (j *Journal) MaxEntry() int64 { return min(MaxEntry, j.most/2) }

// Failed reports whether the group's entries will never be durable.
func (g *Group) Failed() bool {
	g.journal.mu.Lock()
	defer g.journal.mu.Unlock()
	return g.done && g.err != nil
}

// Wait returns once the group is durable. One of those who wait writes it, with
// all that was added by then, while the others and those who come later wait.
func (g *Group) Wait() error {
	j := g.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	for !g.done {
		if j.writing {
			j.changed.Wait()
			continue
		}
		// Nobody writes, so this group is the one that is filling.
		j.writing = true
		j.write(g)
		j.writing = false
		j.changed.Broadcast()
	}
	return g.err
}

// write has g written. The lock is held when it is called and returns, and given
// up in between.
func (j *Journal) write(g *Group) {
	j.pending, j.inFlight = j.newGroup(j.spare), g
	j.spare = nil
	j.commits++
	err := j.err
	if err == nil && len(g.buf) > 0 {
		j.mu.Unlock()
		err = j.commit(g)
		if err != nil {
			for _, s := range g.sources {
				s.Refused()
			}
		}
		j.mu.Lock()
	}
	switch {
	case errors.Is(err, ErrNoRoom):
		j.stats.Refused++
	case err != nil && j.err == nil:
		j.err = err
	case err == nil:
		j.stats.Groups++
		j.stats.Bytes += int64(len(g.buf))
	}
	g.done, g.err = true, err
	j.spare, g.buf = g.buf, nil
	j.inFlight = nil
}

// Holds reports whether a replay after a crash may find entries of this log.
func (j *Journal) Holds(k Key) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, ok := j.pending.sources[k]; ok {
		return true
	}
	if j.inFlight != nil {
		if _, ok := j.inFlight.sources[k]; ok {
			return true
		}
	}
	for i := range j.slots {
		if _, ok := j.slots[i].sources[k]; ok {
			return true
		}
	}
	return false
}

// Stats are what the journal has done so far.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

// Cut has the logs settled that the journal speaks of, in the background, and its
// entries struck out.
func (j *Journal) Cut() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.writing {
		j.changed.Wait()
	}
	if a := &j.slots[j.active]; j.err == nil && a.state == slotActive && len(a.sources) > 0 && j.slots[1-j.active].state == slotFree {
		j.retire(j.active)
	}
}

// Close waits for what runs in the background and closes the files. The logs must
// be settled first, or never be again.
func (j *Journal) Close() error {
	j.mu.Lock()
	for j.writing {
		j.changed.Wait()
	}
	if j.err == nil {
		j.err = errClosed
	}
	j.changed.Broadcast()
	j.mu.Unlock()
	j.settling.Wait()
	var errs []error
	for i := range j.slots {
		if f := j.slots[i].file; f != nil {
			errs = append(errs, f.Close())
			j.slots[i].file = nil
		}
	}
	return errors.Join(errs...)
}

// Remove closes a journal of which nothing is needed any more, and removes it from
// disk.
func (j *Journal) Remove() error {
	if err := j.Close(); err != nil {
		return err
	}
	found, err := Find(j.o.FS, j.o.Path)
	if err != nil {
		return err
	}
	return found.Remove()
}

var errClosed = errors.New("the journal is closed")

// fail stops the journal for good.
func (j *Journal) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = fmt.Errorf("journal %s: %w", j.o.Path, err)
	}
	j.changed.Broadcast()
}

// sortedSources makes the order in which logs are settled that of their keys.
func sortedSources(m map[Key]Source) []Source {
	keys := make([]Key, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if c := slices.Compare(a.Topic[:], b.Topic[:]); c != 0 {
			return c
		}
		return int(a.Index) - int(b.Index)
	})
	all := make([]Source, len(keys))
	for i, k := range keys {
		all[i] = m[k]
	}
	return all
}
