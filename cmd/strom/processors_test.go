package main

import (
	"os"
	"runtime"
	"testing"
)

// TestOverlapSyncs: a machine of one core gets two processors, and who has set the
// number is obeyed.
func TestOverlapSyncs(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "1")
	overlapSyncs()
	if got := runtime.GOMAXPROCS(0); got != 1 {
		t.Errorf("GOMAXPROCS=1 was set and there are %d processors", got)
	}
	_ = os.Unsetenv("GOMAXPROCS") // t.Setenv restores it
	overlapSyncs()
	if got := runtime.GOMAXPROCS(0); got != 2 {
		t.Errorf("a machine of one core has %d processors instead of 2", got)
	}
}
