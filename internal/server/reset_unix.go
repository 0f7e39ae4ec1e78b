//go:build unix

package server

import (
	"errors"
	"syscall"
)

// isReset reports whether the client went away without a word.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
