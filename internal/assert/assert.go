// Package assert stops the program on a broken invariant: a state that neither
// a disk nor a network nor a client can cause, only a mistake in this program.
// Whatever the outside world can cause is an error, never an assertion.
package assert

import "fmt"

// That panics with the formatted message unless the condition holds.
func That(condition bool, format string, args ...any) {
	if !condition {
		panic("invariant broken: " + fmt.Sprintf(format, args...))
	}
}
