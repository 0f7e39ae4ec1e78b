//go:build !unix

package broker

// openFileLimit is how many files this process may have open, as far as is known.
func openFileLimit() int { return 2048 }
