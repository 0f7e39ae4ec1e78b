package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

var (
	testPartition = model.Partition{Topic: "orders", Index: 3}
	testID        = model.TopicID{0: 7, 15: 9}
	testNow       = time.UnixMilli(1_700_000_000_000)
)

func testOptions(fs vfs.FS) Options {
	c := DefaultConfig()
	c.SegmentBytes = 4096
	c.IndexInterval = 256
	c.IndexBytes = 4096
	c.TimestampAfterMax = 1 << 62
	return Options{
		FS: fs, Files: NewFiles(fs, 8), Dir: "/data/orders-3", Partition: testPartition, TopicID: testID,
		Config: c, Now: func() time.Time { return testNow },
	}
}

func open(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newLog(t testing.TB) (*Log, Options) {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("/data", 0o755); err != nil {
		t.Fatal(err)
	}
	o := testOptions(fs)
	return open(t, o), o
}

// records is a batch of n records of CreateTime ts with values of size bytes.
func records(t testing.TB, opts batch.Options, n, size int, ts int64) []byte {
	t.Helper()
	b := batch.New(opts)
	for i := range n {
		b.Add(ts+int64(i), []byte("k"), bytes.Repeat([]byte{byte('a' + i%26)}, size))
	}
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func appendN(t testing.TB, l *Log, n int) AppendInfo {
	t.Helper()
	info, err := l.AppendLeader(records(t, batch.Options{}, n, 20, testNow.UnixMilli()), Append{Epoch: 1, Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// offsets is what a reader sees from an offset on, batch by batch.
func offsets(t testing.TB, l *Log, from model.Offset) []model.Offset {
	t.Helper()
	var out []model.Offset
	for from < l.End() {
		s, err := l.Read(from, 1000, l.End(), true)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Bytes()
		if err != nil || len(b) == 0 {
			t.Fatalf("read at %d: %d bytes, %v", from, len(b), err)
		}
		for len(b) > 0 {
			var x batch.Batch
			if x, b, err = batch.Next(b); err != nil {
				t.Fatal(err)
			}
			if err := x.Check(); err != nil {
				t.Fatal(err)
			}
			out = append(out, x.BaseOffset())
			from = x.NextOffset()
		}
	}
	return out
}

func TestAppendReadReopen(t *testing.T) {
	l, o := newLog(t)
	var want []model.Offset
	for i := range 200 {
		info := appendN(t, l, 1+i%4)
		want = append(want, info.FirstOffset)
		if info.LastOffset-info.FirstOffset != model.Offset(i%4) || info.NextOffset != l.End() {
			t.Fatalf("append %d: %+v", i, info)
		}
	}
	if l.Segments() < 3 {
		t.Fatalf("%d segments", l.Segments())
	}
	check := func(l *Log) {
		t.Helper()
		if got := offsets(t, l, 0); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("read %v, want %v", got, want)
		}
	}
	check(l)
	if l.Durable() != 0 {
		t.Errorf("durable %d before a sync", l.Durable())
	}
	end := l.End()
	if err := l.Flush(context.Background(), end); err != nil || l.Durable() != end {
		t.Fatalf("durable %d of %d: %v", l.Durable(), end, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if o.Files.Open() != 0 {
		t.Errorf("%d files left open", o.Files.Open())
	}
	o.CleanShutdown, o.RecoveryPoint = true, end
	l = open(t, o)
	check(l)
	if l.End() != end || l.Durable() != end || l.LatestEpoch() != 1 || l.TopicID() != testID {
		t.Errorf("reopened: end %d durable %d epoch %d", l.End(), l.Durable(), l.LatestEpoch())
	}
	appendN(t, l, 1)
	if _, err := l.Read(end+2, 100, end+2, true); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("read beyond the end: %v", err)
	}
}

func TestReadLimits(t *testing.T) {
	for _, cold := range []bool{false, true} {
		l, o := newLog(t)
		for range 30 {
			appendN(t, l, 2) // 60 offsets, batches of two
		}
		if cold {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			o.CleanShutdown, o.RecoveryPoint = true, 60
			l = open(t, o)
		}
		one := func() int { s, _ := l.Read(0, 0, 60, true); return s.Len() }()
		for _, c := range []struct {
			from, limit model.Offset
			max         int
			minOne      bool
			want        int
		}{
			{0, 60, 0, false, 0}, {0, 60, 0, true, 1}, {0, 60, one, false, 1}, {0, 60, one - 1, false, 0},
			{0, 60, 2*one + 5, false, 2}, {1, 60, 3 * one, false, 3}, {0, 4, 100 * one, true, 2}, {0, 3, 100 * one, true, 1},
			{0, 1, 100 * one, true, 0}, {4, 4, 100, true, 0}, {9, 12, 5 * one, true, 2}, {58, 60, 1, true, 1}, {59, 100, 5 * one, false, 1},
		} {
			s, err := l.Read(c.from, c.max, c.limit, c.minOne)
			if err != nil || s.Len() != c.want*one {
				t.Errorf("cold %v Read(%d, %d, %d, %v) = %d bytes, want %d batches of %d (%v)", cold, c.from, c.max, c.limit, c.minOne, s.Len(), c.want, one, err)
			}
		}
	}
}
