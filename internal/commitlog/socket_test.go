package commitlog

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// wideBatch is how many bytes of records a batch in these tests has, and wideCount
// how many batches the log has: more than the sockets between hold, in three
// parts that are sent with a look at the log between them.
const (
	wideBatch = 32 << 10
	wideCount = 94
)

// wideLog is a log of one large segment on a real disk.
func wideLog(t *testing.T) *Log {
	t.Helper()
	fs := vfs.OS()
	o := testOptions(fs)
	o.Dir = t.TempDir() + "/t-0"
	o.Config = DefaultConfig()
	o.Config.RetentionAge = time.Second
	l := open(t, o)
	t.Cleanup(func() { _ = l.Close() }) // some are deleted
	appendWide(t, l, 1, wideCount)
	return l
}

func appendWide(t *testing.T, l *Log, epoch model.Epoch, count int) {
	t.Helper()
	for range count {
		b := batch.New(batch.Options{})
		b.Add(testNow.UnixMilli(), nil, bytes.Repeat([]byte{byte('a' + epoch)}, wideBatch))
		built, err := b.Build()
		if err == nil {
			_, err = l.AppendLeader(built, Append{Epoch: epoch, Now: testNow})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// socket is both ends of a TCP connection with small buffers.
func socket(t *testing.T) (here, there *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	here, there = accepted.(*net.TCPConn), dialed.(*net.TCPConn)
	t.Cleanup(func() { here.Close(); there.Close() })
	if err := errors.Join(here.SetWriteBuffer(64<<10), there.SetReadBuffer(64<<10), there.SetDeadline(time.Now().Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	return here, there
}

// TestSendMeetsChange: what happens to a log while its records go to a real socket
// never shows in them. Either all that was announced comes, as it was, or the
// connection ends before.
func TestSendMeetsChange(t *testing.T) {
	cut := func(back int) func(*testing.T, *Log) {
		return func(t *testing.T, l *Log) {
			if _, err := l.TruncateTo(l.End() - model.Offset(back)); err != nil {
				t.Fatal(err)
			}
			appendWide(t, l, 2, back) // of the same sizes, in the same places
		}
	}
	for name, c := range map[string]struct {
		taken  int // batches that the reader takes before the change
		change func(*testing.T, *Log)
		whole  bool // all comes in the end
	}{
		"nothing":                     {1, func(*testing.T, *Log) {}, true},
		"truncation far ahead":        {1, cut(8), false},
		"truncation right ahead":      {wideCount - 16, cut(4), false},
		"truncation in the last part": {wideCount - 24, cut(2), false},
		"truncation to nothing": {1, func(t *testing.T, l *Log) {
			if err := l.TruncateFullyTo(l.End() + 10); err != nil {
				t.Fatal(err)
			}
			appendWide(t, l, 2, wideCount)
		}, false},
		"deletion": {1, func(t *testing.T, l *Log) {
			dir, err := l.Delete("0123456789abcdef0123456789abcdef")
			if err == nil {
				err = vfs.OS().RemoveAll(dir)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, false},
		"retention": {1, func(t *testing.T, l *Log) {
			if _, err := l.Retain(testNow.Add(time.Hour), l.End()); err != nil || l.Start() != wideCount {
				t.Fatalf("the log starts at %d, %v", l.Start(), err)
			}
			appendWide(t, l, 2, wideCount)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := wideLog(t)
			s, err := l.Read(0, 1<<30, l.End(), true)
			if err != nil {
				t.Fatal(err)
			}
			want, err := s.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			here, there := socket(t)
			sent := make(chan error, 1)
			go func() {
				_, err := s.WriteTo(here)
				here.Close()
				sent <- err
			}()
			got := make([]byte, c.taken*wideBatch)
			if _, err := io.ReadFull(there, got); err != nil {
				t.Fatal(err)
			}
			c.change(t, l)
			rest, err := io.ReadAll(there)
			if err != nil {
				t.Fatal(err)
			}
			got = slices.Concat(got, rest)
			err = <-sent
			switch {
			case c.whole && (err != nil || !bytes.Equal(got, want)):
				t.Errorf("%d of %d bytes came, %v", len(got), len(want), err)
			case !c.whole && (err == nil || len(got) >= len(want)):
				t.Errorf("%d of %d bytes came from a log that was cut meanwhile, %v", len(got), len(want), err)
			}
		})
	}
}
