//go:build !race

// Under the race detector a sync.Pool forgets at random, so allocations cannot be counted there.

package wire

import (
	"io"
	"testing"
)

// The hot paths stay within these allocations.
func TestAllocations(t *testing.T) {
	frame := produceFrame(t, 13)
	if n := testing.AllocsPerRun(100, func() { DecodeRequest(frame) }); n > 6 {
		t.Errorf("decoding a Produce allocates %v times", n)
	}
	r := fetchResponse(10, 100, BytesRecords(make([]byte, 2048)))
	if n := testing.AllocsPerRun(100, func() {
		f, _ := EncodeResponse(7, 17, r)
		f.WriteTo(io.Discard)
		f.Release()
	}); n > 3 {
		t.Errorf("encoding a Fetch response of 1,000 partitions allocates %v times", n)
	}
}
