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
