package vfs

// Spacer is a file system that knows how much room there is.
type Spacer interface {
	// Space is the size of what dir is on, and what is left of it for this
	// process, in bytes.
	Space(dir string) (total, usable int64, err error)
}
