package commitlog

import (
	"errors"
	"syscall"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/vfs"
)

// Under preallocate each new segment has its room at once, or is not begun.
func TestPreallocate(t *testing.T) {
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/data", 0o755); err != nil {
		t.Fatal(err)
	}
	var asked []int64
	full := false
	faulty := vfs.NewFaulty(mem, func(op vfs.Op) error {
		if op.Kind != vfs.OpPreallocate {
			return nil
		}
		asked = append(asked, op.Offset)
		if full {
			return syscall.ENOSPC
		}
		return nil
	})
	o := testOptions(faulty)
	l := open(t, o)
	appendN(t, l, 1)
	c := o.Config
	c.Preallocate = true
	l.SetConfig(c) // from the next segment on
	if err := l.Roll(); err != nil || len(asked) != 1 || asked[0] != c.SegmentBytes {
		t.Fatalf("room for %v: %v", asked, err)
	}
	if size := l.Size(); size == 0 || size > 200 {
		t.Errorf("size %d", size)
	}
	appendN(t, l, 1)
	full = true
	if err := l.Roll(); !errors.Is(err, kerr.KafkaStorageError) || !errors.Is(err, syscall.ENOSPC) || l.Err() != nil {
		t.Errorf("without room: %v", err)
	}
	appendN(t, l, 1)
	if l.Segments() != 2 || l.End() != 3 {
		t.Errorf("%d segments, end %d", l.Segments(), l.End())
	}
}
