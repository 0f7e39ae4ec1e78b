package simtest

import (
	"time"
	"unsafe"
)

// parts are those of a time.Time with a monotonic reading.
type parts struct {
	wall uint64 // that it has one, seconds since 1885, nanoseconds
	ext  int64  // the reading
	loc  *time.Location
}

var _ [unsafe.Sizeof(parts{})]byte = [unsafe.Sizeof(time.Time{})]byte{}

const (
	hasMonotonic = 1 << 63
	nanoseconds  = 30 // bits
)

var (
	year1885 = time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	begin    = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of a bubble's time
)

// clock is what a program of the bubble sees on a machine whose wall clock is ahead
// by whole seconds: time.Time.Sub measures what has passed, wherever the clock was
// set meanwhile, and all else shows the clock. Times of a bubble have no monotonic
// reading, and time.Time.Add would move both clocks.
func clock(ahead time.Duration) time.Time {
	now := time.Now()
	p := parts{ext: int64(now.Sub(begin)) + 1, loc: time.Local}
	seconds := uint64(now.Add(ahead).Unix() - year1885)
	p.wall = hasMonotonic | seconds<<nanoseconds | uint64(now.Nanosecond())
	return *(*time.Time)(unsafe.Pointer(&p))
}
