//go:build unix

package broker

import (
	"math"

	"golang.org/x/sys/unix"
)

// openFileLimit is how many files this process may have open, RLIMIT_NOFILE.
func openFileLimit() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 1024
	}
	return int(min(l.Cur, math.MaxInt32))
}
