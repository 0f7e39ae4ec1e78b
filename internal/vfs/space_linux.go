package vfs

import (
	"path/filepath"
	"syscall"
)

// Space implements Spacer.
func (osFS) Space(dir string) (total, usable int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.FromSlash(dir), &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Blocks) * s.Bsize, int64(s.Bavail) * s.Bsize, nil
}
