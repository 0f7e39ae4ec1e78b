package vfs

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// memFile is an open file of a Mem. Its fields are guarded by the file system's
// lock.
type memFile struct {
	fs       *Mem
	node     *node
	name     string
	writable bool
	closed   bool
}

// usable is why the file cannot be used, nil if it can; the caller holds the
// lock.
func (f *memFile) usable(op string, writes bool) error {
	var err error
	switch {
	case f.fs.off:
		err = ErrPoweredOff
	case f.closed:
		err = os.ErrClosed
	case writes && !f.writable:
		err = syscall.EBADF
	default:
		return nil
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	if err := f.usable("read", false); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: syscall.EINVAL}
	}
	if off >= int64(len(f.node.data)) {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable("write", true); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, &fs.PathError{Op: "write", Path: f.name, Err: syscall.EINVAL}
	}
	if len(p) > 0 {
		f.node.write(write{off: off, data: slices.Clone(p)})
	}
	return len(p), nil
}

// write is seen at once, and durable when fate has it or Sync says so.
func (n *node) write(w write) {
	n.data = w.apply(n.data)
	n.writes = append(n.writes, w)
	n.modified = time.Now()
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable("truncate", true); err != nil {
		return err
	}
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: syscall.EINVAL}
	}
	f.node.write(write{off: size, truncate: true})
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable("sync", false); err != nil {
		return err
	}
	for _, w := range f.node.writes {
		f.node.disk = w.apply(f.node.disk)
	}
	f.node.writes = nil
	return nil
}

// syncFailed is what a failed fsync leaves behind on Linux: the pages count as
// clean although the disk never got them. They are read until memory is short,
// and no later Sync writes them.
func (f *memFile) syncFailed() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.node.writes = nil
}

// dropCache shows the disk again, with what is still to be synced.
func (f *memFile) dropCache() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable("fadvise", false); err != nil {
		return err
	}
	f.node.data = slices.Clone(f.node.disk)
	for _, w := range f.node.writes {
		f.node.data = w.apply(f.node.data)
	}
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	if err := f.usable("stat", false); err != nil {
		return 0, err
	}
	return int64(len(f.node.data)), nil
}

func (f *memFile) Preallocate(int64) error {
	f.fs.mu.RLock()
	defer f.fs.mu.RUnlock()
	return f.usable("fallocate", true)
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.usable("close", false); err != nil {
		return err
	}
	f.closed = true
	return nil
}

// memInfo is a node as Stat saw it.
type memInfo struct {
	name     string
	size     int64
	dir      bool
	modified time.Time
}

func (n *node) info(name string) fs.FileInfo {
	return memInfo{name: name, size: int64(len(n.data)), dir: n.isDir(), modified: n.modified}
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) ModTime() time.Time { return i.modified }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) Sys() any           { return nil }

func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
