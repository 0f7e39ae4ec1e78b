package commitlog

import (
	"fmt"
	"testing"

	"github.com/stromkafka/strom/internal/vfs"
)

// TestNewFilesDoNotStayOpen: empty files are within the bound on open files before
// anybody has synced them.
func TestNewFilesDoNotStayOpen(t *testing.T) {
	mem := vfs.NewMem()
	files := NewFiles(mem, 10)
	for i := range 100 {
		if _, err := files.create(fmt.Sprintf("f-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := files.Open(); n > 10 {
		t.Errorf("%d files are open", n)
	}
	h, err := files.create("f-0")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.writeAt([]byte("abc"), 0); err != nil {
		t.Fatal(err)
	}
	if h, err = files.create("f-0"); err != nil {
		t.Fatal(err)
	}
	if n, err := h.size(); n != 0 || err != nil {
		t.Errorf("made anew it has %d bytes, %v", n, err)
	}
}

// A sync that begins once a write has been announced and before it has reached the
// file does not cover it: the next sync has something to do.
func TestSyncDuringAWrite(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), nil)
	files := NewFiles(disk, 8)
	h, err := files.create("a")
	if err != nil {
		t.Fatal(err)
	}
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite {
			disk.SetHook(nil)
			return h.sync()
		}
		return nil
	})
	if err := h.writeAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	before := disk.Total().Syncs
	if err := h.sync(); err != nil {
		t.Fatal(err)
	}
	if disk.Total().Syncs != before+1 {
		t.Error("what was written during a sync counts as synced")
	}
}
