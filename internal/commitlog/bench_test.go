package commitlog

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

func benchLog(b *testing.B) *Log {
	o := testOptions(vfs.OS())
	o.Dir = b.TempDir() + "/orders-3"
	o.Config = DefaultConfig()
	o.Files = NewFiles(o.FS, 100)
	l := open(b, o)
	b.Cleanup(func() { _ = l.Close() })
	return l
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			l := benchLog(b)
			built := records(b, batch.Options{}, size>>10, 1000, testNow.UnixMilli())
			b.SetBytes(int64(len(built)))
			b.ReportAllocs()
			for b.Loop() {
				batch.Batch(built).SetBaseOffset(0)
				if _, err := l.AppendLeader(built, Append{Epoch: 1, Now: testNow}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendFlush(b *testing.B) {
	l := benchLog(b)
	built := records(b, batch.Options{}, 1, 1000, testNow.UnixMilli())
	b.ReportAllocs()
	for b.Loop() {
		batch.Batch(built).SetBaseOffset(0)
		info, err := l.AppendLeader(built, Append{Epoch: 1, Now: testNow})
		if err == nil {
			err = l.Flush(context.Background(), info.NextOffset)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadTail(b *testing.B) {
	l := benchLog(b)
	for range 1000 {
		appendN(b, l, 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		s, err := l.Read(990, 1<<20, 1000, true)
		if err != nil || s.Len() == 0 {
			b.Fatal(s.Len(), err)
		}
	}
}

func BenchmarkReadCold(b *testing.B) {
	l := benchLog(b)
	for range 20000 {
		appendN(b, l, 1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s, err := l.Read(model.Offset(i*7919%19000), 1<<20, 20000, true)
		if err != nil || s.Len() == 0 {
			b.Fatal(s.Len(), err)
		}
		if i%100 == 0 {
			if _, err := s.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	}
}
