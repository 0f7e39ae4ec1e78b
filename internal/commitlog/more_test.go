package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

func TestLeaderRefuses(t *testing.T) {
	l, _ := newLog(t)
	good := records(t, batch.Options{}, 2, 10, testNow.UnixMilli())
	twice := append(bytes.Clone(good), good...)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	magic1 := bytes.Clone(good)
	magic1[16] = 1
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":     {nil, kerr.InvalidRecord},
		"torn":        {good[:len(good)-1], kerr.InvalidRecord},
		"two batches": {twice, kerr.InvalidRecord},
		"checksum":    {flipped, kerr.CorruptMessage},
		"magic 1":     {magic1, kerr.InvalidRecord},
		"base offset": {records(t, batch.Options{BaseOffset: 5}, 1, 1, 1), kerr.InvalidRecord},
		"control":     {records(t, batch.Options{Control: true}, 1, 1, 1), kerr.InvalidRecord},
		"segment":     {records(t, batch.Options{}, 1, 5000, 1), kerr.RecordListTooLarge},
		"message":     {records(t, batch.Options{}, 1, 2_000_000, 1), kerr.MessageTooLarge},
	} {
		if _, err := l.AppendLeader(bytes.Clone(c.b), Append{Epoch: 1, Now: testNow}); !errors.Is(err, c.want) || l.End() != 0 {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Bytes after the batch that are no whole one are ignored.
	if _, err := l.AppendLeader(append(bytes.Clone(good), 1, 2, 3), Append{Epoch: 1, Now: testNow}); err != nil || l.End() != 2 {
		t.Errorf("trailing bytes: %v", err)
	}
}

func TestFollower(t *testing.T) {
	l, o := newLog(t)
	at := func(base model.Offset, epoch model.Epoch, n int) []byte {
		return records(t, batch.Options{BaseOffset: base, LeaderEpoch: epoch}, n, 300, testNow.UnixMilli())
	}
	var many []byte
	for i := range 30 {
		many = append(many, at(model.Offset(i*3), model.Epoch(1+i/10), 3)...)
	}
	info, err := l.AppendFollower(append(bytes.Clone(many), many[:50]...), 3)
	if err != nil || info.FirstOffset != 0 || info.LastOffset != 89 || l.End() != 90 || l.Segments() < 5 {
		t.Fatalf("%+v %v", info, err)
	}
	if _, err := l.AppendFollower(at(89, 3, 1), 3); !errors.Is(err, ErrUnexpectedOffset) {
		t.Errorf("overlap: %v", err)
	}
	// A batch of a newer epoch than the fetch was made in is left out.
	if info, err := l.AppendFollower(append(at(90, 3, 1), at(91, 4, 1)...), 3); err != nil || l.End() != 91 || info.LeaderEpoch != 3 {
		t.Errorf("newer epoch: %+v %v", info, err)
	}
	// A compacted leader's offsets have gaps, even ones that a segment cannot hold.
	if _, err := l.AppendFollower(append(at(100, 3, 1), at(1<<40, 3, 1)...), 3); err != nil || l.End() != 1<<40+1 {
		t.Errorf("gap: %v", err)
	}
	if got := offsets(t, l, 95); fmt.Sprint(got) != fmt.Sprint([]model.Offset{100, 1 << 40}) {
		t.Errorf("read over gaps: %v", got)
	}
	o.Config.Compact = true
	l = open(t, o)
	if got := offsets(t, l, 95); fmt.Sprint(got) != fmt.Sprint([]model.Offset{100, 1 << 40}) {
		t.Errorf("read over gaps after a restart: %v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.CleanShutdown, o.RecoveryPoint = true, 1<<40+1
	l = open(t, o)
	if got := offsets(t, l, 95); fmt.Sprint(got) != fmt.Sprint([]model.Offset{100, 1 << 40}) {
		t.Errorf("read over gaps after a clean restart: %v", got)
	}
	for _, c := range []struct {
		asked, epoch model.Epoch
		end          model.Offset
	}{{0, 0, 0}, {1, 1, 30}, {2, 2, 60}, {3, 3, 1<<40 + 1}, {4, -1, -1}, {-1, -1, -1}} {
		if e, end := l.EndOffsetForEpoch(c.asked); e != c.epoch || end != c.end {
			t.Errorf("end of epoch %d = %d at %d, want %d at %d", c.asked, e, end, c.epoch, c.end)
		}
	}
}

func TestTruncate(t *testing.T) {
	l, _ := newLog(t)
	for i := range 100 {
		if i%25 == 0 {
			l.AssignEpoch(model.Epoch(i/25+1), l.End())
		}
		if _, err := l.AppendLeader(records(t, batch.Options{}, 2, 50, testNow.UnixMilli()), Append{Epoch: model.Epoch(i/25 + 1), Now: testNow}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Flush(context.Background(), l.End()); err != nil {
		t.Fatal(err)
	}
	s, err := l.Read(190, 1000, 200, true)
	if err != nil {
		t.Fatal(err)
	}
	below, err := l.Read(10, 200, 200, true)
	if err != nil {
		t.Fatal(err)
	}
	if end, err := l.TruncateTo(101); err != nil || end != 100 || l.End() != 100 || l.Durable() != 100 || l.LatestEpoch() != 2 {
		t.Fatalf("truncated to %d (durable %d, epoch %d): %v", end, l.Durable(), l.LatestEpoch(), err)
	}
	if _, err := below.WriteTo(io.Discard); err != nil {
		t.Errorf("a read below the cut: %v", err)
	}
	last := func() Slice { s, _ := l.Read(98, 1000, 200, true); return s }()
	if end, err := l.TruncateTo(98); err != nil || end != 98 {
		t.Fatal(end, err)
	}
	if _, err := last.WriteTo(io.Discard); err == nil {
		t.Error("a read that a truncation cut was sent")
	}
	_ = s // its segment is gone; its files are for a minute
	if n := len(offsets(t, l, 0)); n != 49 {
		t.Errorf("%d batches left", n)
	}
	if end, err := l.TruncateTo(500); err != nil || end != 98 {
		t.Errorf("truncate beyond the end: %d %v", end, err)
	}
	if err := l.TruncateFullyTo(1000); err != nil || l.Start() != 1000 || l.End() != 1000 || l.LatestEpoch() != -1 {
		t.Errorf("truncate fully: %d-%d %v", l.Start(), l.End(), err)
	}
	if info := appendN(t, l, 1); info.FirstOffset != 1000 {
		t.Errorf("append at %d", info.FirstOffset)
	}
}

func TestTimestamps(t *testing.T) {
	l, o := newLog(t)
	// Records 2i, 2i+1 have timestamps 10i, 10i+1, but every 7th batch is late.
	stamps := map[model.Offset]int64{}
	for i := range int64(150) {
		ts := 10 * i
		if i%7 == 3 {
			ts -= 35
		}
		info, err := l.AppendLeader(records(t, batch.Options{}, 2, 30, ts), Append{Epoch: 1, Now: testNow})
		if err != nil {
			t.Fatal(err)
		}
		stamps[info.FirstOffset], stamps[info.LastOffset] = ts, ts+1
	}
	check := func(l *Log) {
		t.Helper()
		for ts := int64(-5); ts < 1600; ts += 3 {
			want := model.Offset(-1)
			for o := l.Start(); o < l.End(); o++ {
				if stamps[o] >= ts {
					want = o
					break
				}
			}
			f, ok, err := l.OffsetForTimestamp(ts)
			if err != nil || ok != (want >= 0) || ok && (f.Offset != want || f.Timestamp != stamps[want] || f.Epoch != 1) {
				t.Fatalf("first at %d: %+v %v %v, want %d", ts, f, ok, err, want)
			}
		}
		f, ok, err := l.MaxTimestamp()
		if err != nil || !ok || f.Offset != 299 || f.Timestamp != 1491 {
			t.Errorf("max timestamp %+v %v %v", f, ok, err)
		}
	}
	check(l)
	if err := l.AdvanceStart(37); err != nil {
		t.Fatal(err)
	}
	check(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.CleanShutdown, o.RecoveryPoint, o.LogStart = true, 300, 37
	check(open(t, o))
}

func TestRetention(t *testing.T) {
	l, o := newLog(t)
	for i := range 100 {
		if _, err := l.AppendLeader(records(t, batch.Options{}, 1, 300, testNow.UnixMilli()+int64(i)*1000), Append{Epoch: 1, Now: testNow}); err != nil {
			t.Fatal(err)
		}
	}
	now := testNow.Add(7*24*time.Hour + 50*time.Second)
	segments := l.Segments()
	if n, err := l.Retain(now, 0); n != 0 || err != nil {
		t.Fatalf("%d segments above the high watermark retired: %v", n, err)
	}
	n, err := l.Retain(now, 100)
	if err != nil || n == 0 || l.Segments() != segments-n || l.Start() < 30 || l.Start() > 50 {
		t.Fatalf("%d of %d segments retired, start %d: %v", n, segments, l.Start(), err)
	}
	if l.Epochs()[0].Start != l.Start() {
		t.Errorf("epochs begin at %d, the log at %d", l.Epochs()[0].Start, l.Start())
	}
	deleted := func() (n int) {
		names, _ := l.list()
		for _, name := range names {
			if strings.HasSuffix(name, deletedSuffix) {
				n++
			}
		}
		return n
	}
	if deleted() != 3*n {
		t.Errorf("%d files wait for their removal, want %d", deleted(), 3*n)
	}
	c := o.Config
	c.RetentionBytes, c.RetentionAge = 2*c.SegmentBytes, -1
	l.SetConfig(c)
	if _, err := l.Retain(now.Add(2*time.Minute), 100); err != nil || l.Size() < c.RetentionBytes || l.Size() > c.RetentionBytes+c.SegmentBytes {
		t.Errorf("size %d after retention by size: %v", l.Size(), err)
	}
	if _, err := l.Retain(now.Add(4*time.Minute), 100); err != nil || deleted() != 0 {
		t.Errorf("%d files still wait: %v", deleted(), err)
	}
	c.RetentionBytes, c.RetentionAge = -1, 0
	l.SetConfig(c)
	if _, err := l.Retain(now.Add(time.Hour), 100); err != nil || l.Start() != 100 || l.End() != 100 || l.Segments() != 1 {
		t.Errorf("all is old: %d-%d in %d segments: %v", l.Start(), l.End(), l.Segments(), err)
	}
}

func TestRollByTime(t *testing.T) {
	l, o := newLog(t)
	add := func(ts int64) {
		t.Helper()
		if _, err := l.AppendLeader(records(t, batch.Options{}, 1, 1, ts), Append{Epoch: 1, Now: testNow}); err != nil {
			t.Fatal(err)
		}
	}
	age := o.Config.SegmentAge.Milliseconds()
	add(1000)
	add(1000 + age)
	if l.Segments() != 1 {
		t.Error("rolled too early")
	}
	add(1001 + age)
	if l.Segments() != 2 {
		t.Error("not rolled by time")
	}
}

// Everything beside the .log files may be lost or broken, and is made again.
func TestBrokenFiles(t *testing.T) {
	for _, damage := range []string{"remove", "empty", "garbage", "odd"} {
		for _, suffix := range []string{indexSuffix, timeSuffix, snapshotSuffix, epochFile, txnSuffix} {
			for _, clean := range []bool{false, true} {
				l, o := newLog(t)
				for range 100 {
					appendN(t, l, 2)
				}
				want := offsets(t, l, 0)
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				breakFiles(t, o, suffix, damage)
				o.CleanShutdown, o.RecoveryPoint = clean, 200
				l = open(t, o)
				if got := offsets(t, l, 0); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s %s clean %v: read %v", damage, suffix, clean, got)
				}
				for from := range l.End() {
					if s, err := l.Read(from, 1, l.End(), true); err != nil || s.Len() == 0 {
						t.Fatalf("%s %s clean %v: read at %d: %v", damage, suffix, clean, from, err)
					}
				}
				if l.LatestEpoch() != 1 {
					t.Errorf("%s %s clean %v: epoch %d", damage, suffix, clean, l.LatestEpoch())
				}
				appendN(t, l, 1)
			}
		}
	}
}

func breakFiles(t *testing.T, o Options, suffix, damage string) {
	t.Helper()
	dir, err := o.FS.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range dir {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		name := o.Dir + "/" + e.Name()
		f, err := o.FS.OpenFile(name, vfs.ReadWrite, 0)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := f.Size()
		switch damage {
		case "remove":
			err = o.FS.Remove(name)
		case "empty":
			err = f.Truncate(0)
		case "garbage":
			_, err = f.WriteAt(bytes.Repeat([]byte{0x5a}, int(size)), 0)
		case "odd":
			_, err = f.WriteAt([]byte{1, 2, 3}, size)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTornTail(t *testing.T) {
	l, o := newLog(t)
	for range 5 {
		appendN(t, l, 1)
	}
	size := l.Size() / 5
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	name := o.Dir + "/" + fileName(0, logSuffix)
	for cut := range size {
		f, err := o.FS.OpenFile(name, vfs.ReadWrite, 0)
		if err != nil {
			t.Fatal(err)
		}
		whole := make([]byte, 5*size)
		if _, err := f.ReadAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(4*size + cut); err != nil {
			t.Fatal(err)
		}
		l := open(t, o)
		if l.End() != 4 || l.Size() != 4*size {
			t.Fatalf("cut at %d: end %d, %d bytes", cut, l.End(), l.Size())
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
}

func TestLeftovers(t *testing.T) {
	l, o := newLog(t)
	for range 100 {
		appendN(t, l, 2)
	}
	want := offsets(t, l, 0)
	second := l.segments[1].base
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	put := func(name string) {
		t.Helper()
		if err := vfs.WriteFileAtomic(o.FS, o.Dir+"/"+name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	reopen := func() {
		t.Helper()
		o.CleanShutdown, o.RecoveryPoint = true, 200
		l = open(t, o)
		if got := offsets(t, l, 0); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("read %v, want %v", got, want)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	put(fileName(7, logSuffix+deletedSuffix))
	put(fileName(7, logSuffix+cleanedSuffix))
	put(fileName(9, logSuffix+swapSuffix)) // not complete: a .cleaned file is below it
	put(fileName(8, indexSuffix))          // of no segment
	put("00000000000000000005-0000000001.checkpoint.deleted")
	reopen()
	// A complete swap of the second segment, whose old files are in part still there.
	for _, suffix := range []string{logSuffix, indexSuffix} {
		name := o.Dir + "/" + fileName(second, suffix)
		if err := o.FS.Rename(name, name+swapSuffix); err != nil {
			t.Fatal(err)
		}
	}
	put(fileName(second, indexSuffix))
	reopen()
	names, _ := l.list()
	for _, name := range names {
		if strings.Contains(name, "swap") || strings.Contains(name, "cleaned") || strings.HasSuffix(name, deletedSuffix) && !strings.HasSuffix(name, checkpointDeleted) {
			t.Errorf("%s is left", name)
		}
	}
}

func TestGroupCommit(t *testing.T) {
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/data", 0o755); err != nil {
		t.Fatal(err)
	}
	// The first sync of the log waits until all have appended and want one.
	const many = 50
	var started sync.WaitGroup
	started.Add(many)
	hold := make(chan struct{})
	first := true
	var mu sync.Mutex
	faulty := vfs.NewFaulty(mem, nil)
	l := open(t, testOptions(faulty))
	faulty.SetHook(func(op vfs.Op) error {
		mu.Lock()
		wait := op.Kind == vfs.OpSync && first
		first = first && !wait
		mu.Unlock()
		if wait {
			<-hold
		}
		return nil
	})
	faulty.ResetCounts()
	var done sync.WaitGroup
	for range many {
		done.Go(func() {
			b := batch.New(batch.Options{})
			b.Add(1, nil, []byte("v"))
			built, err := b.Build()
			if err != nil {
				t.Error(err)
			}
			info, err := l.AppendLeader(built, Append{Epoch: 1, Now: testNow})
			started.Done()
			if err == nil {
				err = l.Flush(context.Background(), info.NextOffset)
			}
			if err != nil || l.Durable() < info.NextOffset {
				t.Errorf("flush to %d: durable %d %v", info.NextOffset, l.Durable(), err)
			}
		})
	}
	started.Wait()
	close(hold)
	done.Wait()
	if n := faulty.Counts("/data/orders-3/" + fileName(0, logSuffix)).Syncs; n > 4 {
		t.Errorf("%d syncs for %d appends", n, many)
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	l, o := newLog(t)
	for range 400 {
		appendN(t, l, 2)
	}
	if l.Segments() < 10 {
		t.Fatal("too few segments")
	}
	if _, err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	offsets(t, l, 0)
	if n := o.Files.Open(); n > 8 {
		t.Errorf("%d files open, limit 8", n)
	}
}

func TestDelete(t *testing.T) {
	l, o := newLog(t)
	appendN(t, l, 1)
	dir, err := l.Delete("0123456789abcdef")
	if err != nil || dir != "/data/orders-3.0123456789abcdef-delete" {
		t.Fatal(dir, err)
	}
	if _, err := l.Read(0, 1, 1, true); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("read after delete: %v", err)
	}
	if _, err := o.FS.Stat(o.Dir); err == nil {
		t.Error("the directory is still there")
	}
}

func TestConcurrentAppendReadTruncate(t *testing.T) {
	l, _ := newLog(t)
	stop := make(chan struct{})
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				end := l.End()
				s, err := l.Read(max(end-20, 0), 2000, end, true)
				if errors.Is(err, kerr.OffsetOutOfRange) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				// Either the bytes are whole batches or the truncation is told.
				b, err := s.Bytes()
				for err == nil && len(b) > 0 {
					var x batch.Batch
					if x, b, err = batch.Next(b); err != nil || x.Check() != nil {
						t.Error("a torn batch was read")
						return
					}
				}
			}
		})
	}
	done.Go(func() {
		defer close(stop)
		for i := range 3000 {
			appendN(t, l, 1)
			if i%50 == 49 {
				if _, err := l.TruncateTo(l.End() - 5); err != nil {
					t.Error(err)
				}
			}
			if i%97 == 0 {
				if _, err := l.Checkpoint(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	done.Wait()
}

// Offsets, order and what is durable do not depend on the clock, whichever way it
// jumps.
func TestClockJumps(t *testing.T) {
	l, o := newLog(t)
	for i, jump := range []time.Duration{0, 1000 * time.Hour, -1000 * time.Hour, -500000 * time.Hour, 0} {
		now := testNow.Add(jump)
		info, err := l.AppendLeader(records(t, batch.Options{}, 2, 20, now.UnixMilli()), Append{Epoch: 1, Now: now})
		if err != nil || info.FirstOffset != model.Offset(2*i) {
			t.Fatalf("jump %v: offset %d, %v", jump, info.FirstOffset, err)
		}
	}
	want := offsets(t, l, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	if got := offsets(t, l, 0); l.End() != 10 || !slices.Equal(got, want) {
		t.Errorf("end %d, %v, want %v", l.End(), got, want)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Without any sync a power loss leaves a prefix: never a log that begins in the
// middle because the first segment's name was lost and a later one's kept.
func TestFirstSegmentOutlivesTheNext(t *testing.T) {
	for seed := range uint64(200) {
		mem := vfs.NewMem()
		if err := errors.Join(mem.MkdirAll("/data", 0o755), mem.SyncDir("/")); err != nil {
			t.Fatal(err)
		}
		o := testOptions(mem)
		o.Files = NewFiles(mem, 4)
		l := open(t, o)
		for range 100 {
			appendN(t, l, 2)
		}
		if len(l.segments) < 2 {
			t.Fatal("no segment rolled")
		}
		mem = mem.PowerLoss(vfs.KeepRandom(seed))
		o.FS, o.Files = mem, NewFiles(mem, 4)
		again, err := Open(o)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again.Start() != 0 {
			t.Errorf("seed %d: the log begins at %d", seed, again.Start())
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
