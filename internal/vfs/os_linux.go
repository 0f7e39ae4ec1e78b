package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// control runs call with the file's descriptor, which stays open meanwhile, and
// repeats it while a signal interrupts it.
func control(f *os.File, what string, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for {
			if failed = call(int(fd)); !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return &os.PathError{Op: what, Path: f.Name(), Err: failed}
	}
	return nil
}

// syncData is fdatasync: it writes the size too when it has changed, but not the
// modification time.
func syncData(f *os.File) error { return control(f, "fdatasync", unix.Fdatasync) }

func preallocate(f *os.File, size int64) error {
	err := control(f, "fallocate", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func dropCache(f *os.File) error {
	return control(f, "fadvise", func(fd int) error {
		return unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)
	})
}

// lockFile takes a lock that belongs to the open file: two opens in one process
// exclude each other too. Unlike flock it also excludes the record lock that an
// Apache Kafka broker (Java's FileChannel.tryLock) holds on the same file.
func lockFile(f *os.File) error {
	err := control(f, "lock", func(fd int) error {
		whole := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &whole)
	})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrLocked
	}
	return err
}

// syncFileSystem is syncfs(2), which tells of failed writes since Linux 5.8: of
// those since the descriptor was opened, or that nobody was told of yet.
func syncFileSystem(dir string) error {
	if !syncfsTells() {
		return errors.ErrUnsupported
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return control(d, "syncfs", unix.Syncfs)
}

// syncfsTells reads the kernel's version.
var syncfsTells = sync.OnceValue(func() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return n == 2 && (major > 5 || major == 5 && minor >= 8)
})
