package vfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
)

func open(t *testing.T, fsys FS, name string) File {
	t.Helper()
	return must[File](t)(fsys.OpenFile(name, CreateOrOpen, 0o644))
}

func TestPowerLossKeepsWhatWasSynced(t *testing.T) {
	for seed := range uint64(200) {
		m := NewMem()
		f := open(t, m, "a")
		check(t, m.SyncDir("/"))
		must[int](t)(f.WriteAt([]byte("synced"), 0))
		check(t, f.Sync())
		must[int](t)(f.WriteAt([]byte("after"), 6))
		after := m.PowerLoss(KeepRandom(seed))
		got := get(t, after, "a")
		if !strings.HasPrefix(got, "synced") || len(got) > 11 {
			t.Fatalf("seed %d: %q", seed, got)
		}
		if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrPoweredOff) {
			t.Fatalf("a file from before the power loss: %v", err)
		}
		if _, err := m.Stat("a"); !errors.Is(err, ErrPoweredOff) {
			t.Fatalf("a file system from before the power loss: %v", err)
		}
	}
}

func TestPowerLossTearsWrites(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(400) {
		m := NewMem()
		f := open(t, m, "a")
		check(t, m.SyncDir("/"))
		must[int](t)(f.WriteAt(make([]byte, 3*sector), 0))
		check(t, f.Sync())
		must[int](t)(f.WriteAt([]byte(strings.Repeat("x", 2*sector)), sector/2))
		got := get(t, m.PowerLoss(KeepRandom(seed)), "a")
		shape := ""
		for _, piece := range []string{got[sector/2 : sector], got[sector : 2*sector], got[2*sector : 2*sector+sector/2]} {
			if strings.Trim(piece, piece[:1]) != "" {
				t.Fatalf("seed %d tore inside a sector", seed)
			}
			shape += piece[:1]
		}
		seen[shape] = true
	}
	if len(seen) != 8 {
		t.Fatalf("of 8 ways to tear three sectors saw %d", len(seen))
	}
}

func TestPowerLossMayLoseTheLaterOrTheEarlierWrite(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		m := NewMem()
		f := open(t, m, "a")
		check(t, m.SyncDir("/"))
		must[int](t)(f.WriteAt([]byte("--"), 0))
		check(t, f.Sync())
		must[int](t)(f.WriteAt([]byte("a"), 0))
		must[int](t)(f.WriteAt([]byte("b"), 1))
		check(t, f.Truncate(3))
		seen[get(t, m.PowerLoss(KeepRandom(seed)), "a")] = true
	}
	for _, want := range []string{"--", "a-", "-b", "ab", "--\x00", "ab\x00"} {
		if !seen[want] {
			t.Errorf("never saw %q in %d outcomes", want, len(seen))
		}
	}
}

func TestPowerLossOfNames(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(300) {
		m := NewMem()
		check(t, m.MkdirAll("d", 0o755))
		check(t, m.SyncDir("/"))
		f := open(t, m, "d/old")
		check(t, f.Sync()) // does not keep the name
		check(t, m.Rename("d/old", "d/new"))
		list, err := m.PowerLoss(KeepRandom(seed)).ReadDir("d")
		check(t, err)
		var names []string
		for _, e := range list {
			names = append(names, e.Name())
		}
		seen[fmt.Sprint(names)] = true
	}
	if !seen["[]"] || !seen["[old]"] || !seen["[new]"] || len(seen) != 3 {
		t.Fatalf("saw %v", seen)
	}
}

func TestSyncDirKeepsNames(t *testing.T) {
	m := NewMem()
	check(t, m.MkdirAll("a/b", 0o755))
	check(t, m.SyncDir("/"))
	check(t, m.SyncDir("a"))
	check(t, WriteFileAtomic(m, "a/b/f", []byte("kept")))
	put(t, m, "a/b/g", "lost")
	after := m.PowerLoss(KeepNone)
	if got := get(t, after, "a/b/f"); got != "kept" {
		t.Fatalf("read %q", got)
	}
	if list := must[[]any](t)(names(after, "a/b")); len(list) != 1 {
		t.Fatalf("names %v", list)
	}
}

func names(fsys FS, dir string) (list []any, err error) {
	entries, err := fsys.ReadDir(dir)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list, err
}

func TestWriteFileAtomicIsWhole(t *testing.T) {
	for seed := range uint64(300) {
		m := NewMem()
		check(t, WriteFileAtomic(m, "f", []byte("first")))
		steps := int(seed % 6)
		faulty := NewFaulty(m, func(op Op) error {
			if op.Kind.Changes() {
				if steps--; steps < 0 {
					return ErrPoweredOff
				}
			}
			return nil
		})
		err := WriteFileAtomic(faulty, "f", []byte("second"))
		got := get(t, m.PowerLoss(KeepRandom(seed)), "f")
		if got != "second" && (err == nil || got != "first") {
			t.Fatalf("seed %d: %q after %v", seed, got, err)
		}
	}
}

func TestCrashKeepsThePageCache(t *testing.T) {
	m := NewMem()
	put(t, m, "f", "written")
	lock, err := m.Lock("lock")
	check(t, err)
	after := m.Crash()
	if got := get(t, after, "f"); got != "written" {
		t.Fatalf("read %q", got)
	}
	if err := lock.Close(); !errors.Is(err, ErrPoweredOff) {
		t.Fatalf("lock from before the crash: %v", err)
	}
	if _, err := after.Lock("lock"); err != nil {
		t.Fatalf("a crash gives locks back: %v", err)
	}
	if list := must[[]any](t)(names(after.PowerLoss(KeepNone), "/")); len(list) != 0 {
		t.Fatalf("unsynced names outlived the power: %v", list)
	}
}

func TestFailedSyncLosesPages(t *testing.T) {
	m := NewMem()
	faulty := NewFaulty(m, nil)
	f := open(t, faulty, "f")
	check(t, m.SyncDir("/"))
	must[int](t)(f.WriteAt([]byte("one"), 0))
	check(t, f.Sync())
	must[int](t)(f.WriteAt([]byte("two"), 3))
	faulty.SetHook(func(op Op) error {
		if op.Kind == OpSync {
			return syscall.EIO
		}
		return nil
	})
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync: %v", err)
	}
	faulty.SetHook(nil)
	if got := get(t, m, "f"); got != "onetwo" {
		t.Fatalf("before the cache is dropped: %q", got)
	}
	must[int](t)(f.WriteAt([]byte("3"), 6))
	check(t, f.Sync())
	check(t, DropCache(f))
	if got := get(t, m, "f"); got != "one\x00\x00\x003" {
		t.Fatalf("after the cache was dropped: %q", got)
	}
	if got := get(t, m.PowerLoss(KeepAll), "f"); got != "one\x00\x00\x003" {
		t.Fatalf("after the power loss: %q", got)
	}
}

func TestFaultyCountsAndShortWrites(t *testing.T) {
	var seen []string
	faulty := NewFaulty(NewMem(), func(op Op) error {
		seen = append(seen, fmt.Sprintf("%v %s %d+%d", op.Kind, op.Path, op.Offset, op.Length))
		if op.Kind == OpWrite && op.Offset == 4 {
			return &ShortWrite{Wrote: 2, Err: syscall.ENOSPC}
		}
		return nil
	})
	f := open(t, faulty, "f")
	must[int](t)(f.WriteAt([]byte("good"), 0))
	if n, err := f.WriteAt([]byte("short"), 4); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("short write: %d, %v", n, err)
	}
	check(t, f.Sync())
	if n, _ := f.ReadAt(make([]byte, 9), 0); n != 6 {
		t.Fatalf("read %d", n)
	}
	check(t, f.Close())
	want := Counts{Reads: 1, Writes: 2, Syncs: 1, BytesRead: 6, BytesWritten: 6, BytesSynced: 6}
	if got := faulty.Counts("f"); got != want || faulty.Total() != want {
		t.Fatalf("counted %+v", got)
	}
	order := "create f 0+0, write f 0+4, write f 4+5, sync f 0+0, read f 0+9, close f 0+0"
	if got := strings.Join(seen, ", "); got != order {
		t.Fatalf("saw %s", got)
	}
	faulty.ResetCounts()
	if faulty.Total() != (Counts{}) {
		t.Fatal("counts outlived their reset")
	}
}

// TestMemAgainstModel does random things and checks after a power loss that each
// byte is one that some write put there, and that synced files are whole.
func TestMemAgainstModel(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := NewMem()
		synced, possible := map[string]string{}, map[string]map[string]bool{}
		for range 60 {
			name := fmt.Sprintf("f%d", rng.IntN(4))
			if possible[name] == nil {
				possible[name] = map[string]bool{}
			}
			content := fmt.Sprintf("%08d", rng.IntN(1e8))
			f := open(t, m, name)
			must[int](t)(f.WriteAt([]byte(content), 0))
			possible[name][content] = true
			if rng.IntN(3) == 0 {
				check(t, f.Sync())
				check(t, m.SyncDir("/"))
				synced[name] = content
				possible[name] = map[string]bool{content: true}
			}
			check(t, f.Close())
		}
		after := m.PowerLoss(KeepRandom(seed))
		for name := range synced {
			if got := get(t, after, name); !possible[name][got] {
				t.Fatalf("seed %d: %s holds %q, never written since its sync", seed, name, got)
			}
		}
	}
}

func BenchmarkSendRangeTCP(b *testing.B) {
	f, err := OS().OpenFile(b.TempDir()+"/f", CreateNew, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, 64<<20), 0); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(64 << 20)
	for b.Loop() {
		if _, err := sendOverTCP(b, f, 0, 64<<20); err != nil {
			b.Fatal(err)
		}
	}
}
