package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrLocked is what Lock returns when somebody else holds the lock.
var ErrLocked = errors.New("locked by another process")

// OS is the operating system's file system. Names are slash-separated and
// relative to the working directory when they do not begin with a slash.
func OS() FS { return osFS{} }

type osFS struct{}

// osFile is a File of the operating system; SendRange knows it.
type osFile struct{ *os.File }

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) MkdirAll(name string, perm fs.FileMode) error {
	return os.MkdirAll(filepath.FromSlash(name), perm)
}

func (osFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return os.ReadDir(filepath.FromSlash(name))
}

func (osFS) Stat(name string) (fs.FileInfo, error) { return os.Stat(filepath.FromSlash(name)) }

func (osFS) Rename(oldname, newname string) error {
	return os.Rename(filepath.FromSlash(oldname), filepath.FromSlash(newname))
}

func (osFS) Remove(name string) error    { return os.Remove(filepath.FromSlash(name)) }
func (osFS) RemoveAll(name string) error { return os.RemoveAll(filepath.FromSlash(name)) }
func (osFS) SyncDir(name string) error   { return syncDir(filepath.FromSlash(name)) }

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), CreateOrOpen, 0o644)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Sync() error { return syncData(f.File) }

func (f osFile) Preallocate(size int64) error { return preallocate(f.File, size) }

// DropCache asks that reads of f show what is on disk rather than what memory
// remembers of it. After a failed Sync the two may differ; data that is not yet
// synced stays. Where the operating system has no such call nothing happens.
func DropCache(f File) error {
	switch f := f.(type) {
	case osFile:
		return dropCache(f.File)
	case interface{ dropCache() error }:
		return f.dropCache()
	}
	return nil
}
