//go:build !linux

package vfs

import (
	"errors"
	"os"
)

// syncData: os.File.Sync is F_FULLFSYNC on Darwin and FlushFileBuffers on
// Windows.
func syncData(f *os.File) error { return f.Sync() }

func preallocate(*os.File, int64) error { return nil }

func dropCache(*os.File) error { return nil }

func syncFileSystem(string) error { return errors.ErrUnsupported }
