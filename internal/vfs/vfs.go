// Package vfs is the file system as the broker sees it. Three implementations
// stand behind the one interface: the operating system's (OS), memory that can
// lose power (Mem), and one that injects faults into another (Faulty).
//
// The interface is the one wide one of the project, because production, crash
// tests and fault tests all implement it. Paths are slash-separated and
// absolute or relative as the implementation is told.
package vfs

import (
	"io"
	"io/fs"
	"os"
)

// FS opens and arranges files. All methods may be called concurrently. Errors
// satisfy errors.Is with fs.ErrNotExist, fs.ErrExist and syscall.ENOSPC as the
// operating system's do.
type FS interface {
	// OpenFile opens name with the flags of package os: O_RDONLY, O_RDWR,
	// O_CREATE, O_EXCL, O_TRUNC. Files are written at explicit offsets only.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	MkdirAll(name string, perm fs.FileMode) error
	// ReadDir lists a directory in name order.
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	// Rename replaces newname if it is a file. It survives a power loss only
	// once the directories of both names have been synced.
	Rename(oldname, newname string) error
	Remove(name string) error
	RemoveAll(name string) error
	// SyncDir makes the creation, renaming and removal of the directory's
	// entries durable.
	SyncDir(name string) error
	// Lock takes name as an exclusive lock until the result is closed or the
	// process ends; ErrLocked if somebody else holds it.
	Lock(name string) (io.Closer, error)
}

// File is an open file. Reads and writes may run concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Name() string
	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes the file's data and size durable (fdatasync). After an error
	// the data written since the last successful Sync may be gone even though
	// reads still show it: never retry, see docs/durability.md.
	Sync() error
	// Preallocate reserves space up to size without changing what is read below
	// the current size. An implementation may do nothing.
	Preallocate(size int64) error
}

const (
	// ReadOnly opens an existing file for reading.
	ReadOnly = os.O_RDONLY
	// ReadWrite opens an existing file for both.
	ReadWrite = os.O_RDWR
	// CreateOrOpen opens for both and creates an empty file if there is none.
	CreateOrOpen = os.O_RDWR | os.O_CREATE
	// CreateNew fails with fs.ErrExist if the file is there.
	CreateNew = os.O_RDWR | os.O_CREATE | os.O_EXCL
	// Truncate is added to a flag that writes, and empties the file.
	Truncate = os.O_TRUNC
)
