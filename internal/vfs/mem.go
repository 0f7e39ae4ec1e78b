package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrPoweredOff is what everything opened before a crash of a Mem returns after
// it.
var ErrPoweredOff = errors.New("the power is off")

// Mem is a file system in memory that knows what a disk would have kept. It
// counts on no more than POSIX promises:
//
//   - of a file, what the last successful Sync covered is kept. Of each write
//     since, any 512-byte sectors may be kept and others lost, in any
//     combination with other writes; so may each change of size;
//   - of a directory, what its last SyncDir covered is kept. Each creation,
//     removal and rename since may be kept or lost, those of one entry in order,
//     and a rename is never half done (unless one of its two directories was
//     synced). Sync of a file does not keep its name.
//
// Names beginning with a slash and those that do not are the same.
type Mem struct {
	mu      sync.RWMutex
	off     bool // after Crash and PowerLoss
	root    *node
	pending []*change // of directories, oldest first
	locks   map[string]bool
}

// NewMem is an empty file system: one root directory.
func NewMem() *Mem { return &Mem{root: newDir(), locks: map[string]bool{}} }

// node is a file or a directory, whatever its name.
type node struct {
	modified time.Time

	// A directory. entries is what is seen, kept what the disk has for sure.
	entries, kept map[string]*node

	// A file. data is what is seen; disk with the writes applied to it is what a
	// Sync would make durable. The two differ after a failed Sync only.
	data   []byte
	disk   []byte
	writes []write
}

// write is a change of a file that no Sync covered.
type write struct {
	off      int64
	data     []byte
	truncate bool // to off
}

// change is a change of one or two directory entries that no SyncDir covered.
type change struct{ halves []half }

type half struct {
	dir  *node
	name string
	to   *node // nil when removed
}

func newDir() *node {
	return &node{modified: time.Now(), entries: map[string]*node{}, kept: map[string]*node{}}
}

func (n *node) isDir() bool { return n.entries != nil }

// Crash is a crash of the process alone: the operating system keeps all that was
// written. The result is the same disk, where what was not synced can still be
// lost to a PowerLoss; m and all its files fail from now on with ErrPoweredOff.
func (m *Mem) Crash() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = true
	return &Mem{root: m.root, pending: m.pending, locks: map[string]bool{}}
}

// PowerLoss is the disk as the machine finds it when the power is back. keep is
// asked once for everything that may be kept or lost; see KeepRandom, KeepNone
// and KeepAll. m and all its files fail from now on with ErrPoweredOff.
func (m *Mem) PowerLoss(keep func() bool) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = true
	for _, c := range m.pending {
		if keep() {
			c.apply(func(h half) bool { return true })
		}
	}
	copies := map[*node]*node{}
	return &Mem{root: m.root.afterPowerLoss(keep, copies), locks: map[string]bool{}}
}

// KeepRandom is a PowerLoss that keeps by a seed: each seed a share of its own,
// from almost nothing to almost everything.
func KeepRandom(seed uint64) func() bool {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	share := rng.Float64()
	return func() bool { return rng.Float64() < share }
}

// KeepNone is a PowerLoss that loses everything not synced.
func KeepNone() bool { return false }

// KeepAll is a PowerLoss that happens to lose nothing.
func KeepAll() bool { return true }

// apply makes the wanted halves durable and forgets them.
func (c *change) apply(want func(half) bool) {
	c.halves = slices.DeleteFunc(c.halves, func(h half) bool {
		if !want(h) {
			return false
		}
		if h.to == nil {
			delete(h.dir.kept, h.name)
		} else {
			h.dir.kept[h.name] = h.to
		}
		return true
	})
}

// afterPowerLoss copies what the disk kept of a tree, in name order so that a
// seed says everything.
func (n *node) afterPowerLoss(keep func() bool, copies map[*node]*node) *node {
	if c, ok := copies[n]; ok {
		return c
	}
	if !n.isDir() {
		data := n.surviving(keep)
		c := &node{modified: n.modified, data: data, disk: slices.Clone(data)}
		copies[n] = c
		return c
	}
	c := newDir()
	copies[n] = c
	for _, name := range sortedNames(n.kept) {
		child := n.kept[name].afterPowerLoss(keep, copies)
		c.entries[name], c.kept[name] = child, child
	}
	return c
}

const sector = 512

// surviving is a file's content of which each unsynced sector was kept or lost.
func (n *node) surviving(keep func() bool) []byte {
	data, size := slices.Clone(n.disk), int64(len(n.disk))
	for _, w := range n.writes {
		if w.truncate {
			if keep() {
				data, size = resize(data, w.off), w.off
			}
			continue
		}
		end := w.off + int64(len(w.data))
		for at := w.off; at < end; {
			next := min(end, (at/sector+1)*sector)
			if keep() {
				data = writeAt(data, w.data[at-w.off:next-w.off], at)
			}
			at = next
		}
		if end <= size {
			continue
		}
		if keep() {
			size = end
		} else if keep() {
			size += (end - size) / 2
		}
	}
	return resize(data, size)
}

func (w write) apply(data []byte) []byte {
	if w.truncate {
		return resize(data, w.off)
	}
	return writeAt(data, w.data, w.off)
}

func writeAt(data, p []byte, off int64) []byte {
	if end := off + int64(len(p)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[off:], p)
	return data
}

// resize cuts, or grows with zeros and room to grow further.
func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	from := len(data)
	data = slices.Grow(data, int(size)-from)[:size]
	clear(data[from:])
	return data
}

func sortedNames(entries map[string]*node) []string {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// split is the path's elements.
func split(name string) []string {
	clean := strings.Trim(path.Clean("/"+name), "/")
	if clean == "" {
		return nil
	}
	return strings.Split(clean, "/")
}

// find is the node of a name; the caller holds the lock.
func (m *Mem) find(op, name string) (*node, error) {
	if m.off {
		return nil, &fs.PathError{Op: op, Path: name, Err: ErrPoweredOff}
	}
	n := m.root
	for _, element := range split(name) {
		if !n.isDir() {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		child, ok := n.entries[element]
		if !ok {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
		}
		n = child
	}
	return n, nil
}

// parent is the directory that holds name's last element, and that element.
func (m *Mem) parent(op, name string) (*node, string, error) {
	elements := split(name)
	if len(elements) == 0 {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.EINVAL}
	}
	last := len(elements) - 1
	dir, err := m.find(op, strings.Join(elements[:last], "/"))
	if err != nil {
		return nil, "", err
	}
	if !dir.isDir() {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return dir, elements[last], nil
}

// change makes changes of entries seen, and durable when fate has it.
func (m *Mem) change(halves ...half) {
	for _, h := range halves {
		if h.to == nil {
			delete(h.dir.entries, h.name)
		} else {
			h.dir.entries[h.name] = h.to
		}
		h.dir.modified = time.Now()
	}
	m.pending = append(m.pending, &change{halves})
}

// OpenFile implements FS.
func (m *Mem) OpenFile(name string, flag int, _ fs.FileMode) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("open", name)
	if err != nil {
		return nil, err
	}
	n, exists := dir.entries[base]
	switch {
	case exists && n.isDir():
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	case exists && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EEXIST}
	case !exists && flag&os.O_CREATE == 0:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	case !exists:
		n = &node{modified: time.Now()}
		m.change(half{dir, base, n})
	}
	writable := flag&(os.O_RDWR|os.O_WRONLY) != 0
	if flag&os.O_TRUNC != 0 && writable && len(n.data) > 0 {
		n.write(write{truncate: true})
	}
	return &memFile{fs: m, node: n, name: name, writable: writable}, nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string, _ fs.FileMode) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.off {
		return &fs.PathError{Op: "mkdir", Path: name, Err: ErrPoweredOff}
	}
	n := m.root
	for _, element := range split(name) {
		child, ok := n.entries[element]
		if !ok {
			child = newDir()
			m.change(half{n, element, child})
		}
		if !child.isDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
		n = child
	}
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.isDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	list := make([]fs.DirEntry, 0, len(n.entries))
	for _, base := range sortedNames(n.entries) {
		list = append(list, fs.FileInfoToDirEntry(n.entries[base].info(base)))
	}
	return list, nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n.info(path.Base(name)), nil
}

// Rename implements FS.
func (m *Mem) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, oldBase, err := m.parent("rename", oldname)
	if err != nil {
		return err
	}
	to, newBase, err := m.parent("rename", newname)
	if err != nil {
		return err
	}
	n, ok := from.entries[oldBase]
	if !ok {
		return &fs.PathError{Op: "rename", Path: oldname, Err: syscall.ENOENT}
	}
	old, exists := to.entries[newBase]
	switch {
	case exists && old == n:
		return nil
	case exists && old.isDir() && !n.isDir():
		return &fs.PathError{Op: "rename", Path: newname, Err: syscall.EISDIR}
	case exists && !old.isDir() && n.isDir():
		return &fs.PathError{Op: "rename", Path: newname, Err: syscall.ENOTDIR}
	case exists && len(old.entries) > 0:
		return &fs.PathError{Op: "rename", Path: newname, Err: syscall.ENOTEMPTY}
	case n.isDir() && n.holds(to):
		return &fs.PathError{Op: "rename", Path: newname, Err: syscall.EINVAL}
	}
	m.change(half{from, oldBase, nil}, half{to, newBase, n})
	return nil
}

// holds reports whether other is n or below it.
func (n *node) holds(other *node) bool {
	if n == other {
		return true
	}
	for _, child := range n.entries {
		if child.isDir() && child.holds(other) {
			return true
		}
	}
	return false
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n, ok := dir.entries[base]
	if !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOENT}
	}
	if len(n.entries) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	m.change(half{dir, base, nil})
	return nil
}

// RemoveAll implements FS. As on a real disk, every file in the tree is removed
// for itself, so that a power loss may find any part of it.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir, base, err := m.parent("removeall", name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if n, ok := dir.entries[base]; ok {
		m.removeBelow(n)
		m.change(half{dir, base, nil})
	}
	return nil
}

func (m *Mem) removeBelow(n *node) {
	for _, name := range sortedNames(n.entries) {
		m.removeBelow(n.entries[name])
		m.change(half{n, name, nil})
	}
}

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find("syncdir", name)
	if err != nil {
		return err
	}
	if !n.isDir() {
		return &fs.PathError{Op: "syncdir", Path: name, Err: syscall.ENOTDIR}
	}
	m.pending = slices.DeleteFunc(m.pending, func(c *change) bool {
		c.apply(func(h half) bool { return h.dir == n })
		return len(c.halves) == 0
	})
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	f, err := m.OpenFile(name, CreateOrOpen, 0o644)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := strings.Join(split(name), "/")
	if m.locks[key] {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	}
	m.locks[key] = true
	return &memLock{fs: m, name: key, file: f}, nil
}

type memLock struct {
	fs   *Mem
	name string
	file File
}

func (l *memLock) Close() error {
	if err := l.file.Close(); err != nil {
		return err
	}
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}
