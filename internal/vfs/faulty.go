package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// OpKind is what an Op does.
type OpKind uint8

// The kinds of operation that a Faulty sees.
const (
	OpOpen OpKind = iota
	OpCreate
	OpMkdir
	OpReadDir
	OpStat
	OpRename
	OpRemove
	OpRemoveAll
	OpSyncDir
	OpLock
	OpRead
	OpWrite
	OpTruncate
	OpSync
	OpSize
	OpPreallocate
	OpClose
	OpSyncAll
)

var opNames = [...]string{"open", "create", "mkdir", "readdir", "stat", "rename", "remove", "removeall",
	"syncdir", "lock", "read", "write", "truncate", "sync", "size", "preallocate", "close", "syncall"}

func (k OpKind) String() string {
	if int(k) < len(opNames) {
		return opNames[k]
	}
	return fmt.Sprintf("op %d", uint8(k))
}

// Changes reports whether the operation changes what a disk holds.
func (k OpKind) Changes() bool {
	switch k {
	case OpCreate, OpMkdir, OpRename, OpRemove, OpRemoveAll, OpSyncDir, OpWrite, OpTruncate, OpSync, OpSyncAll:
		return true
	}
	return false
}

// Op is one operation on a file system, as its Faulty's hook is told before it.
type Op struct {
	Kind    OpKind
	Path    string
	NewPath string // of OpRename
	Offset  int64  // of OpRead and OpWrite; the size for OpTruncate and OpPreallocate
	Length  int64  // of OpRead and OpWrite
}

// ShortWrite is an error that a hook may return for OpWrite: the first Wrote
// bytes are written, then the write fails with Err.
type ShortWrite struct {
	Wrote int64
	Err   error
}

func (s *ShortWrite) Error() string {
	return fmt.Sprintf("short write of %d bytes: %v", s.Wrote, s.Err)
}

// Unwrap is why the write was short, such as syscall.ENOSPC.
func (s *ShortWrite) Unwrap() error { return s.Err }

// Counts is how much was done to one file name.
type Counts struct {
	Reads, Writes, Syncs    int64 // calls that succeeded
	BytesRead, BytesWritten int64
	BytesSynced             int64 // written through this Faulty and then synced
}

// Faulty is another file system, each operation of which first asks a hook; an
// error of the hook fails the operation, which then does nothing. It counts what
// is done to each file. The file system below it may be asked at any time, and
// need not be a Mem.
//
// A Sync that the hook fails has lost what was written since the last one, if
// the file system below can lose it, as Mem can.
type Faulty struct {
	fs     FS
	before atomic.Pointer[func(Op) error]
	mu     sync.Mutex
	counts map[string]*Counts
}

// NewFaulty wraps fsys. before may be nil, and is called concurrently.
func NewFaulty(fsys FS, before func(Op) error) *Faulty {
	f := &Faulty{fs: fsys, counts: map[string]*Counts{}}
	f.SetHook(before)
	return f
}

// SetHook replaces the hook; nil lets everything pass.
func (f *Faulty) SetHook(before func(Op) error) {
	if before == nil {
		before = func(Op) error { return nil }
	}
	f.before.Store(&before)
}

// Counts is what was done to the file of that name since the last ResetCounts.
func (f *Faulty) Counts(name string) Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.counts[name]; c != nil {
		return *c
	}
	return Counts{}
}

// Total is what was done to all files since the last ResetCounts.
func (f *Faulty) Total() Counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	var sum Counts
	for _, c := range f.counts {
		sum.Reads += c.Reads
		sum.Writes += c.Writes
		sum.Syncs += c.Syncs
		sum.BytesRead += c.BytesRead
		sum.BytesWritten += c.BytesWritten
		sum.BytesSynced += c.BytesSynced
	}
	return sum
}

// ResetCounts begins to count from zero.
func (f *Faulty) ResetCounts() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.counts)
}

func (f *Faulty) count(name string, add func(*Counts)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.counts[name]
	if c == nil {
		c = &Counts{}
		f.counts[name] = c
	}
	add(c)
}

func (f *Faulty) ask(op Op) error {
	if err := (*f.before.Load())(op); err != nil {
		return &fs.PathError{Op: op.Kind.String(), Path: op.Path, Err: err}
	}
	return nil
}

// OpenFile implements FS.
func (f *Faulty) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	kind := OpOpen
	if flag&os.O_CREATE != 0 {
		kind = OpCreate
	}
	if err := f.ask(Op{Kind: kind, Path: name}); err != nil {
		return nil, err
	}
	file, err := f.fs.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{fs: f, file: file, name: name}, nil
}

// MkdirAll implements FS.
func (f *Faulty) MkdirAll(name string, perm fs.FileMode) error {
	if err := f.ask(Op{Kind: OpMkdir, Path: name}); err != nil {
		return err
	}
	return f.fs.MkdirAll(name, perm)
}

// ReadDir implements FS.
func (f *Faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.ask(Op{Kind: OpReadDir, Path: name}); err != nil {
		return nil, err
	}
	return f.fs.ReadDir(name)
}

// Stat implements FS.
func (f *Faulty) Stat(name string) (fs.FileInfo, error) {
	if err := f.ask(Op{Kind: OpStat, Path: name}); err != nil {
		return nil, err
	}
	return f.fs.Stat(name)
}

// Rename implements FS.
func (f *Faulty) Rename(oldname, newname string) error {
	if err := f.ask(Op{Kind: OpRename, Path: oldname, NewPath: newname}); err != nil {
		return err
	}
	return f.fs.Rename(oldname, newname)
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if err := f.ask(Op{Kind: OpRemove, Path: name}); err != nil {
		return err
	}
	return f.fs.Remove(name)
}

// RemoveAll implements FS.
func (f *Faulty) RemoveAll(name string) error {
	if err := f.ask(Op{Kind: OpRemoveAll, Path: name}); err != nil {
		return err
	}
	return f.fs.RemoveAll(name)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(name string) error {
	if err := f.ask(Op{Kind: OpSyncDir, Path: name}); err != nil {
		return err
	}
	return f.fs.SyncDir(name)
}

// Lock implements FS.
func (f *Faulty) Lock(name string) (io.Closer, error) {
	if err := f.ask(Op{Kind: OpLock, Path: name}); err != nil {
		return nil, err
	}
	return f.fs.Lock(name)
}

type faultyFile struct {
	fs       *Faulty
	file     File
	name     string
	unsynced atomic.Int64 // bytes
}

func (f *faultyFile) Name() string { return f.name }

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.ask(Op{Kind: OpRead, Path: f.name, Offset: off, Length: int64(len(p))}); err != nil {
		return 0, err
	}
	n, err := f.file.ReadAt(p, off)
	f.fs.count(f.name, func(c *Counts) {
		c.Reads++
		c.BytesRead += int64(n)
	})
	return n, err
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	refused := f.fs.ask(Op{Kind: OpWrite, Path: f.name, Offset: off, Length: int64(len(p))})
	var short *ShortWrite
	switch {
	case errors.As(refused, &short):
		p = p[:min(short.Wrote, int64(len(p)))]
	case refused != nil:
		return 0, refused
	}
	n, err := f.file.WriteAt(p, off)
	f.unsynced.Add(int64(n))
	f.fs.count(f.name, func(c *Counts) {
		c.Writes++
		c.BytesWritten += int64(n)
	})
	if err == nil {
		err = refused
	}
	return n, err
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.ask(Op{Kind: OpTruncate, Path: f.name, Offset: size}); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.ask(Op{Kind: OpSync, Path: f.name}); err != nil {
		f.syncFailed()
		return err
	}
	covered := f.unsynced.Load()
	if err := f.file.Sync(); err != nil {
		return err
	}
	f.unsynced.Add(-covered)
	f.fs.count(f.name, func(c *Counts) {
		c.Syncs++
		c.BytesSynced += covered
	})
	return nil
}

func (f *faultyFile) syncFailed() {
	f.unsynced.Store(0)
	if below, ok := f.file.(interface{ syncFailed() }); ok {
		below.syncFailed()
	}
}

func (f *faultyFile) dropCache() error { return DropCache(f.file) }

func (f *faultyFile) Size() (int64, error) {
	if err := f.fs.ask(Op{Kind: OpSize, Path: f.name}); err != nil {
		return 0, err
	}
	return f.file.Size()
}

func (f *faultyFile) Preallocate(size int64) error {
	if err := f.fs.ask(Op{Kind: OpPreallocate, Path: f.name, Offset: size}); err != nil {
		return err
	}
	return f.file.Preallocate(size)
}

// Close closes the file below even when the hook fails it, as close(2) does.
func (f *faultyFile) Close() error {
	refused := f.fs.ask(Op{Kind: OpClose, Path: f.name})
	if err := f.file.Close(); err != nil {
		return err
	}
	return refused
}
