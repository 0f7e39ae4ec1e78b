package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

func FuzzOffsets(f *testing.F) {
	f.Add([]byte("0\n2\na 0 5\nb.c-d 17 9223372036854775807\n"))
	f.Add([]byte("0\n0\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		offsets, err := ParseOffsets(data)
		if err != nil {
			return
		}
		again, err := ParseOffsets(FormatOffsets(offsets))
		if err != nil || !maps.Equal(offsets, again) {
			t.Errorf("%v became %v: %v", offsets, again, err)
		}
	})
}

func FuzzEpochs(f *testing.F) {
	f.Add([]byte("0\n2\n0 0\n3 17\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseEpochs(data)
		if err != nil {
			return
		}
		again, err := parseEpochs(e.format())
		if err != nil || fmt.Sprint(e) != fmt.Sprint(again) {
			t.Errorf("%v became %v: %v", e, again, err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add(formatMetadata(testID))
	f.Fuzz(func(t *testing.T, data []byte) {
		if id, err := parseMetadata(data); err == nil {
			if again, err := parseMetadata(formatMetadata(id)); err != nil || again != id {
				t.Errorf("%v became %v: %v", id, again, err)
			}
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	p := &producers{}
	for id := range model.ProducerID(3) {
		s := newProducer()
		s.add(2, written{5, 100, 3, 7})
		s.txnStart = model.Offset(id) - 1
		p.apply(change{id: id, state: s}, 101)
	}
	f.Add(p.format())
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseSnapshot(data, 9)
		if err != nil {
			return
		}
		again, err := parseSnapshot(p.format(), 9)
		if err != nil || fmt.Sprint(again.byID) != fmt.Sprint(p.byID) {
			t.Errorf("%v became %v: %v", p.byID, again, err)
		}
	})
}

// Whatever the files of a segment hold, opening them either fails or makes a log
// that reads, takes records and opens again.
func FuzzSegment(f *testing.F) {
	var whole []byte
	for i := range 8 {
		whole = append(whole, records(f, batch.Options{BaseOffset: model.Offset(2 * i), LeaderEpoch: 1}, 2, 40, int64(i))...)
	}
	index := bytes.Join([][]byte{putPosition(0, position{3, 100}), putPosition(0, position{7, 300})}, nil)
	times := putStamp(0, stamp{3, 7})
	f.Add(whole, index, times, []byte{}, true, int64(4))
	f.Add(whole[:len(whole)-9], index, times, []byte{0}, false, int64(0))
	f.Fuzz(func(t *testing.T, log, index, times, txns []byte, clean bool, point int64) {
		fs := vfs.NewMem()
		o := testOptions(fs)
		if err := fs.MkdirAll(o.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for suffix, data := range map[string][]byte{logSuffix: log, indexSuffix: index, timeSuffix: times, txnSuffix: txns} {
			if err := vfs.WriteFileAtomic(fs, o.Dir+"/"+fileName(0, suffix), data); err != nil {
				t.Fatal(err)
			}
		}
		o.CleanShutdown, o.RecoveryPoint = clean, model.Offset(point)
		l, err := Open(o)
		if err != nil {
			return
		}
		for from := l.Start(); from < l.End(); {
			s, err := l.Read(from, 1000, l.End(), true)
			if errors.Is(err, errCorrupt) {
				return // below the recovery point nothing is checked
			}
			b, err := s.Bytes()
			if err != nil || len(b) == 0 {
				t.Fatalf("read at %d of %d: %d bytes, %v", from, l.End(), len(b), err)
			}
			for len(b) > 0 {
				var x batch.Batch
				if x, b, err = batch.Next(b); err != nil {
					return // as above
				}
				if x.NextOffset() <= from {
					return
				}
				from = x.NextOffset()
			}
		}
		_, _, _ = l.OffsetForTimestamp(3)
		_, _ = l.AbortedTransactions(0, l.End())
	})
}

// Whatever batches say, cleaning a log of them either fails or leaves records that
// were there, in their order.
func FuzzClean(f *testing.F) {
	var whole []byte
	for i := range 6 {
		whole = append(whole, records(f, batch.Options{BaseOffset: model.Offset(2 * i), LeaderEpoch: 1, Transactional: i == 3,
			Producer: &batch.Producer{ID: 3, BaseSequence: int32(2 * i)}}, 2, 10, int64(i))...)
	}
	f.Add(whole, int64(100), int64(0))
	f.Add(whole[:len(whole)/2], int64(3), int64(5))
	f.Fuzz(func(t *testing.T, log []byte, slots, from int64) {
		fs := vfs.NewMem()
		o := testOptions(fs)
		o.Config.Compact = true
		if err := fs.MkdirAll(o.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFileAtomic(fs, o.Dir+"/"+fileName(0, logSuffix), log); err != nil {
			t.Fatal(err)
		}
		l, err := Open(o)
		if err != nil || l.Roll() != nil {
			return
		}
		point, err := l.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		before := recordOffsets(l)
		c, err := l.Compactable(model.Offset(from), l.End(), testNow)
		if err != nil {
			return
		}
		_, err = l.Clean(context.Background(), c, CleanOptions{Now: testNow, Memory: min(max(slots, 1), 1000) * slotSize, Load: 0.9, Point: point})
		after := recordOffsets(l)
		if err == nil && before != nil && len(after) > len(before) || l.Err() != nil {
			t.Fatalf("%v became %v: %v", before, after, l.Err())
		}
		for _, o := range after {
			if before != nil && !slices.Contains(before, o) {
				t.Fatalf("%v became %v", before, after)
			}
		}
	})
}

// recordOffsets are those of all records; nil if some cannot be read.
func recordOffsets(l *Log) (out []model.Offset) {
	for b, err := range l.Batches(l.Start()) {
		if err != nil {
			return nil
		}
		for r, err := range b.Records(1 << 20) {
			if err != nil {
				return nil
			}
			out = append(out, r.Offset)
		}
	}
	return out
}
