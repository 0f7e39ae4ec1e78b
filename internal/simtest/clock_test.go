package simtest

import (
	"testing"
	"testing/synctest"
	"time"
)

// A clock that is set shows another time, and what is measured stays.
func TestClock(t *testing.T) {
	for _, by := range []time.Duration{12 * time.Hour, -12 * time.Hour, 0, time.Second, -time.Second} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(123456789)
			before, set := clock(0), clock(by)
			if got := set.Sub(before); got != 0 {
				t.Errorf("%v: %v have passed", by, got)
			}
			if got := set.UnixNano() - time.Now().UnixNano(); got != int64(by) {
				t.Errorf("%v: the clock shows %d ns more", by, got)
			}
			if set.Before(before) || set.After(before) {
				t.Errorf("%v: %v is not the same moment as %v", by, set, before)
			}
			time.Sleep(3 * time.Second)
			if got := clock(-by).Sub(set); got != 3*time.Second {
				t.Errorf("%v: %v have passed, not 3 s", by, got)
			}
		})
	}
}
