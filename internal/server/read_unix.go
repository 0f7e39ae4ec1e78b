//go:build unix

package server

import (
	"errors"
	"syscall"
)

// canReadRaw: a wait for readability is possible without a buffer.
const canReadRaw = true

func readDescriptor(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

func wouldBlock(err error) bool { return errors.Is(err, syscall.EAGAIN) }
