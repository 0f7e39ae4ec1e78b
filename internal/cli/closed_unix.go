//go:build unix

package cli

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// closedPipe closes when nobody will read from f any more, which a program that
// waits for something to write would otherwise not notice: `strom consume
// orders | head -1` should end when head does. Nil when f is no pipe. The thread
// that watches ends with the process.
func closedPipe(f *os.File) <-chan struct{} {
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return nil
	}
	closed := make(chan struct{})
	go func() {
		fds := []unix.PollFd{{Fd: int32(f.Fd())}}
		for {
			n, err := unix.Poll(fds, -1)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err == nil && n > 0 && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
				close(closed)
			}
			return
		}
	}()
	return closed
}
