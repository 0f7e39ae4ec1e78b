package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"

	"github.com/stromkafka/strom/internal/vfs"
)

// Found is what an earlier process left.
type Found struct {
	fs    vfs.FS
	path  string
	there bool // the directory is
	slots []foundSlot
	// Damaged is how many stretches of the journal cannot be read although they
	// were synced. What they said is lost.
	Damaged int
}

type foundSlot struct {
	name       string
	generation uint64 // 0 if it was struck out or never written
}

// maxSlot bounds what is read of a slot's file.
const maxSlot = 1 << 30

// Find looks for a journal in a directory.
func Find(fsys vfs.FS, dir string) (*Found, error) {
	found := &Found{fs: fsys, path: dir}
	if _, err := fsys.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return found, nil
	} else if err != nil {
		return nil, err
	}
	found.there = true
	for i := range len(Journal{}.slots) {
		name := path.Join(dir, strconv.Itoa(i))
		generation, err := readGeneration(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		found.slots = append(found.slots, foundSlot{name, generation})
	}
	slices.SortStableFunc(found.slots, func(a, b foundSlot) int { return cmp.Compare(a.generation, b.generation) })
	return found, nil
}

// readGeneration reads the header of a slot as the disk has it: after a failed sync
// memory may show more.
func readGeneration(fsys vfs.FS, name string) (uint64, error) {
	f, err := fsys.OpenFile(name, vfs.ReadOnly, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := vfs.DropCache(f); err != nil {
		return 0, err
	}
	header := make([]byte, headerSize)
	if n, err := f.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	} else if n < headerSize {
		return 0, nil
	}
	generation, _, err := parseHeader(header)
	return generation, err
}

// There reports whether an earlier process left a journal, be it empty.
func (f *Found) There() bool { return f.there }

// Replay calls apply with the entries that count, in order: of each log those
// after its last Void.
func (f *Found) Replay(apply func(Entry) error) error {
	voids := map[Key]int{}
	n := 0
	f.Damaged = 0
	for _, s := range f.slots {
		damaged, err := f.entries(s, func(e Entry) error {
			n++
			if e.Kind == Void {
				voids[e.Key] = n
			}
			return nil
		})
		if err != nil {
			return err
		}
		f.Damaged += damaged
	}
	n = 0
	for _, s := range f.slots {
		if _, err := f.entries(s, func(e Entry) error {
			if n++; n <= voids[e.Key] {
				return nil
			}
			return apply(e)
		}); err != nil {
			return err
		}
	}
	return nil
}

// entries are what a slot says; none if it was struck out.
func (f *Found) entries(s foundSlot, visit func(Entry) error) (damaged int, err error) {
	if s.generation == 0 {
		return 0, nil
	}
	content, err := vfs.ReadFile(f.fs, s.name, maxSlot)
	if err != nil {
		return 0, err
	}
	return parseSlot(content, s.generation, visit)
}

// Remove removes the journal from disk, the older entries first, so that a crash
// in between leaves none without those that came after. What it says must be in
// the logs' files.
func (f *Found) Remove() error {
	if !f.there {
		return nil
	}
	for _, s := range f.slots {
		if err := removeDurably(f.fs, s.name); err != nil {
			return err
		}
	}
	f.slots, f.there = nil, false
	return removeDurably(f.fs, f.path)
}

func removeDurably(fsys vfs.FS, name string) error {
	if err := fsys.RemoveAll(name); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(name))
}
