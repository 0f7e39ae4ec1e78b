package journal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log is a Source that counts.
type log struct {
	mu               sync.Mutex
	settled, refused int
	gate             chan struct{} // Settle waits for it, if it is not nil
}

func (l *log) Settle() error {
	if l.gate != nil {
		<-l.gate
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled++
	return nil
}

func (l *log) Refused() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}

func (l *log) counts() (settled, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settled, l.refused
}

func key(i int) Key { return Key{Topic: model.TopicID{0: byte(i), 15: 1}, Index: int32(i)} }

func newDisk(t testing.TB) *vfs.Mem {
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("/data", 0o755), mem.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	return mem
}

func newJournal(t testing.TB, fs vfs.FS, size int64) *Journal {
	j := New(Options{FS: fs, Path: "/data/journal", Size: size, Step: 4096})
	t.Cleanup(func() { _ = j.Close() }) // its disk may be gone
	return j
}

func text(e Entry) string {
	return fmt.Sprintf("%d:%d@%d+%d=%s", e.Kind, e.Key.Index, e.Base, e.Position, e.Bytes)
}

// replayed is what a replay finds.
func replayed(t testing.TB, fs vfs.FS) (entries []string, damaged int) {
	t.Helper()
	f, err := Find(fs, "/data/journal")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Replay(func(e Entry) error { entries = append(entries, text(e)); return nil }); err != nil {
		t.Fatal(err)
	}
	return entries, f.Damaged
}

func mustWait(t testing.TB, g *Group) {
	t.Helper()
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestReplayBeginsAtTheLastVoid(t *testing.T) {
	mem := newDisk(t)
	j := newJournal(t, mem, 1<<20)
	a, b := &log{}, &log{}
	add := func(s Source, e Entry) *Group { return j.Add(s, e) }
	if j.Holds(key(1)) {
		t.Error("an empty journal holds something")
	}
	add(a, Entry{Kind: Append, Key: key(1), Base: 7, Position: 0, Bytes: []byte("void")})
	add(b, Entry{Kind: Append, Key: key(2), Base: 0, Position: 100, Bytes: []byte("b")})
	mustWait(t, add(a, Entry{Kind: Cut, Key: key(1), Base: 7, Position: 2}))
	if err := j.Void(a, key(1)); err != nil {
		t.Fatal(err)
	}
	add(a, Entry{Kind: Restart, Key: key(1), Base: 9})
	mustWait(t, add(a, Entry{Kind: Append, Key: key(1), Base: 9, Position: 0, Bytes: []byte("a")}))
	got, damaged := replayed(t, mem.PowerLoss(vfs.KeepNone))
	want := []string{"1:2@0+100=b", "3:1@9+0=", "1:1@9+0=a"}
	if !slices.Equal(got, want) || damaged != 0 {
		t.Errorf("%q, %d damaged; want %q", got, damaged, want)
	}
	if !j.Holds(key(1)) || j.Holds(key(3)) {
		t.Error("the journal does not know of whom it speaks")
	}
}

// Slots are used in turn, the journal stays within its size, and what is settled is
// not replayed.
func TestSlotsAreUsedInTurn(t *testing.T) {
	mem := newDisk(t)
	j := newJournal(t, mem, 16<<10)
	a := &log{}
	last := ""
	for i := range 400 {
		e := Entry{Kind: Append, Key: key(1), Position: int64(i), Bytes: bytes.Repeat([]byte{byte('a' + i%26)}, 300)}
		err := j.Add(a, e).Wait()
		for errors.Is(err, ErrNoRoom) { // the other slot is being settled
			j.settling.Wait()
			err = j.Add(a, e).Wait()
		}
		if err != nil {
			t.Fatal(err)
		}
		last = text(e)
	}
	if s := j.Stats(); s.Rotations < 5 {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{"/data/journal/0", "/data/journal/1"} {
		if info, err := mem.Stat(name); err != nil || info.Size() > 16<<10 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	entries, damaged := replayed(t, mem)
	if len(entries) == 0 || len(entries) > 100 || entries[len(entries)-1] != last || damaged != 0 {
		t.Errorf("%d entries, %d damaged, last %q", len(entries), damaged, entries[len(entries)-1])
	}
	j.settling.Wait()
	j.Cut()
	j.settling.Wait()
	if entries, _ := replayed(t, mem.PowerLoss(vfs.KeepNone)); len(entries) > 0 || j.Holds(key(1)) {
		t.Errorf("%d entries after a cut", len(entries))
	}
}

// While both slots are in use appends are refused; what undoes earlier entries has
// room of its own, and waits when that is used up.
func TestNoRoom(t *testing.T) {
	mem := newDisk(t)
	j := newJournal(t, mem, 16<<10)
	a := &log{gate: make(chan struct{})}
	var err error
	for err == nil {
		err = j.Add(a, Entry{Kind: Append, Key: key(1), Bytes: make([]byte, 1000)}).Wait()
	}
	if _, refused := a.counts(); !errors.Is(err, ErrNoRoom) || refused != 1 {
		t.Fatalf("%v, refused %d", err, refused)
	}
	if err := j.Void(a, key(1)); err != nil {
		t.Errorf("void in a full journal: %v", err)
	}
	voided := make(chan error)
	go func() {
		var err error
		for range 200 { // more than there is room for
			err = errors.Join(err, j.Void(a, key(1)))
		}
		voided <- err
	}()
	close(a.gate)
	if err := <-voided; err != nil {
		t.Error(err)
	}
	if entries, damaged := replayed(t, mem); len(entries) > 0 || damaged != 0 {
		t.Errorf("%q, %d damaged", entries, damaged)
	}
}

// A disk that is full refuses groups, and what they left is not replayed once
// something else is written in their place.
func TestFullDisk(t *testing.T) {
	mem := newDisk(t)
	disk := vfs.NewFaulty(mem, nil)
	j := newJournal(t, disk, 1<<20)
	a := &log{}
	add := func(text string) error {
		return j.Add(a, Entry{Kind: Append, Key: key(1), Bytes: []byte(text)}).Wait()
	}
	full := func(wrote int64) {
		disk.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpWrite {
				return &vfs.ShortWrite{Wrote: wrote, Err: syscall.ENOSPC}
			}
			return nil
		})
	}
	full(0)
	if err := add("never"); !errors.Is(err, ErrNoRoom) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	disk.SetHook(nil)
	if err := add("first"); err != nil {
		t.Fatal(err)
	}
	for wrote := range int64(150) {
		full(wrote)
		if err := add("refused"); !errors.Is(err, ErrNoRoom) {
			t.Fatal(err)
		}
		j.settling.Wait()
		disk.SetHook(nil)
		if err := add(fmt.Sprint(wrote)); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	entries, damaged := replayed(t, mem)
	if damaged != 0 || len(entries) == 0 || entries[len(entries)-1] != "1:1@0+0=149" || slices.Contains(entries, "1:1@0+0=never") {
		t.Errorf("%q, %d damaged", entries, damaged)
	}
}

func TestFailedSyncIsForever(t *testing.T) {
	for _, fails := range []vfs.OpKind{vfs.OpSync, vfs.OpSyncDir} {
		disk := vfs.NewFaulty(newDisk(t), func(op vfs.Op) error {
			if op.Kind == fails {
				return syscall.EIO
			}
			return nil
		})
		j := newJournal(t, disk, 1<<20)
		a := &log{}
		if err := j.Add(a, Entry{Kind: Append, Key: key(1)}).Wait(); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		disk.SetHook(nil)
		disk.ResetCounts()
		if err := j.Add(a, Entry{Kind: Append, Key: key(1)}).Wait(); !errors.Is(err, syscall.EIO) || disk.Total().Syncs > 0 {
			t.Errorf("after a failed %v: %v, %d syncs", fails, err, disk.Total().Syncs)
		}
	}
}

// groups is a slot with three groups of some entries each, and where each begins.
func groups(t testing.TB) (content []byte, begins []int) {
	content = append(content, formatHeader(5)...)
	for g := range 3 {
		var buf []byte
		for i := range 3 {
			e := Entry{Kind: Append, Key: key(g), Position: int64(i), Bytes: bytes.Repeat([]byte{byte('a' + g)}, 100+50*i)}
			buf = appendFrame(buf, &e)
		}
		begins = append(begins, len(content))
		stamp(buf, 5, uint64(g+1), uint32(len(content)))
		content = append(content, buf...)
	}
	return append(content, make([]byte, 1000)...), append(begins, len(content))
}

func entriesOf(t testing.TB, content []byte) (n, damaged int) {
	t.Helper()
	damaged, err := parseSlot(content, 5, func(Entry) error { n++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n, damaged
}

// A last group of which any part was not written ends the journal, and is no
// damage: nobody was told that it is durable.
func TestTornTail(t *testing.T) {
	whole, begins := groups(t)
	if n, damaged := entriesOf(t, whole); n != 9 || damaged != 0 {
		t.Fatal(n, damaged)
	}
	for at := begins[2]; at < begins[3]; at++ {
		for name, change := range map[string]func([]byte){
			"zeros from here on": func(b []byte) { clear(b[at:]) },
			"zeros up to here":   func(b []byte) { clear(b[begins[2] : at+1]) },
			"one other byte":     func(b []byte) { b[at] ^= 1 },
		} {
			b := slices.Clone(whole)
			change(b)
			if n, damaged := entriesOf(t, b); n < 6 || damaged != 0 {
				t.Errorf("%s (%d): %d entries, %d damaged", name, at, n, damaged)
			}
		}
	}
}

// A group that was synced and cannot be read is damage, and is said. What came after
// it is found.
func TestDamageIsSaid(t *testing.T) {
	whole, begins := groups(t)
	for at := begins[0]; at < begins[2]; at++ {
		b := slices.Clone(whole)
		b[at] ^= 1
		n, damaged := entriesOf(t, b)
		if bytes.Equal(b[at-at%8:][:8], whole[at-at%8:][:8]) {
			continue
		}
		if n == 9 { // padding
			continue
		}
		if n < 3 || n > 8 || damaged != 1 {
			t.Errorf("byte %d: %d entries, %d damaged", at, n, damaged)
		}
	}
}

// A power loss at each operation, of a journal that is used in turn and cut: what
// was durable and not settled since is replayed.
func TestPowerLossAnywhere(t *testing.T) {
	for at := 1; ; at++ {
		mem := newDisk(t)
		var after *vfs.Mem
		n := 0
		var mu sync.Mutex
		disk := vfs.NewFaulty(mem, func(op vfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if op.Kind.Changes() && after == nil {
				if n++; n == at {
					after = mem.PowerLoss(vfs.KeepRandom(uint64(at)))
				}
			}
			return nil
		})
		j := New(Options{FS: disk, Path: "/data/journal", Size: 16 << 10, Step: 4096})
		a := &log{}
		durable := []string{}
		for i := range 60 {
			if i == 30 {
				j.Cut()
				j.settling.Wait()
				mu.Lock()
				if after == nil {
					durable = durable[:0]
				}
				mu.Unlock()
			}
			e := Entry{Kind: Append, Key: key(i % 3), Position: int64(i), Bytes: make([]byte, 100)}
			if err := j.Add(a, e).Wait(); err != nil {
				break
			}
			durable = append(durable, text(e))
		}
		_ = j.Close() // the disk may be gone
		if after == nil {
			if at < 100 {
				t.Fatalf("only %d operations", at)
			}
			return
		}
		entries, damaged := replayed(t, after)
		if damaged != 0 {
			t.Errorf("operation %d: %d damaged", at, damaged)
		}
		if j.Stats().Rotations <= 1 && len(entries) > 0 {
			for _, d := range durable {
				if !slices.Contains(entries, d) {
					t.Fatalf("operation %d: %s was durable, found %d of %d", at, d, len(entries), len(durable))
				}
			}
		}
	}
}

func TestRemove(t *testing.T) {
	mem := newDisk(t)
	j := newJournal(t, mem, 1<<20)
	mustWait(t, j.Add(&log{}, Entry{Kind: Append, Key: key(1)}))
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	if f, err := Find(mem.PowerLoss(vfs.KeepNone), "/data/journal"); err != nil || f.There() {
		t.Errorf("the journal is there, %v", err)
	}
}

// FuzzSlot: no content of a slot makes the decoder fail, and what it finds in one
// that it would write itself is all of it.
func FuzzSlot(f *testing.F) {
	whole, begins := groups(f)
	f.Add(whole)
	f.Add(whole[:begins[2]+40])
	damaged := slices.Clone(whole)
	damaged[begins[1]+50] ^= 4
	f.Add(damaged)
	f.Fuzz(func(t *testing.T, content []byte) {
		generation, _, err := parseHeader(content)
		if err != nil {
			return
		}
		var again []byte
		var found []string
		if _, err := parseSlot(content, generation, func(e Entry) error {
			if len(e.Bytes) > MaxEntry || e.Kind < Append || e.Kind > Void {
				t.Errorf("entry of kind %d and %d bytes", e.Kind, len(e.Bytes))
			}
			found = append(found, text(e))
			again = appendFrame(again, &e)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		stamp(again, 9, 1, headerSize)
		var back []string
		damaged, err := parseSlot(append(formatHeader(9), again...), 9, func(e Entry) error { back = append(back, text(e)); return nil })
		if err != nil || damaged != 0 || !slices.Equal(found, back) {
			t.Errorf("%q became %q, %d damaged, %v", found, back, damaged, err)
		}
	})
}

func BenchmarkGroup(b *testing.B) {
	for _, entries := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			j := New(Options{FS: vfs.OS(), Path: b.TempDir() + "/journal"})
			b.Cleanup(func() { _ = j.Close() })
			a, record := &log{}, make([]byte, 200)
			b.ReportAllocs()
			for b.Loop() {
				var g *Group
				for i := range entries {
					g = j.Add(a, Entry{Kind: Append, Key: key(i), Bytes: record})
				}
				if err := g.Wait(); err != nil && !errors.Is(err, ErrNoRoom) {
					b.Fatal(err)
				}
			}
		})
	}
}
