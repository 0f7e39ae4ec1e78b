package batch

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/model"
)

var compactable = []Record{
	{Timestamp: 1000, Key: []byte("a"), Value: []byte("1")},
	{Timestamp: 3000, Key: []byte("b"), Value: nil, Headers: []Header{{Key: "h", Value: []byte("x")}}},
	{Timestamp: 2000, Key: []byte("a"), Value: bytes.Repeat([]byte("2"), 500)},
	{Timestamp: 2500, Key: []byte("c"), Value: []byte("3")},
}

func filtered(t *testing.T, b Batch, r Rule) (Batch, int32) {
	t.Helper()
	f := Filter{Reader: Reader{MaxDecompressed: 1 << 20}}
	out, kept, err := f.Apply([]byte("before"), b, r)
	if err != nil {
		t.Fatal(err)
	}
	out = bytes.TrimPrefix(out, []byte("before"))
	if len(out) == 0 {
		return nil, kept
	}
	got, rest, err := Next(out)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%d bytes after the batch: %v", len(rest), err)
	}
	if err := got.Check(); err != nil {
		t.Fatal(err)
	}
	return got, kept
}

func keyed(keys string) func(Entry) bool {
	return func(e Entry) bool { return bytes.Contains([]byte(keys), e.Key) }
}

func TestFilter(t *testing.T) {
	for _, codec := range codecs {
		t.Run(fmt.Sprint(codec), func(t *testing.T) {
			b := build(t, Options{BaseOffset: 40, LeaderEpoch: 6, Codec: codec, Transactional: true,
				Producer: &Producer{ID: 9, Epoch: 3, BaseSequence: 70}}, compactable...)
			if got, kept := filtered(t, b, Rule{Keep: keyed("ac")}); kept != 3 || got.RecordCount() != 3 ||
				got.BaseOffset() != 40 || got.LastOffset() != 43 || got.LastSequence() != 73 || got.LeaderEpoch() != 6 ||
				got.MaxTimestamp() != 2500 || !got.IsTransactional() || got.Codec() != codec || got.HasDeleteHorizon() {
				t.Errorf("kept %d: %v", kept, collect(t, got))
			}
			if got, _ := filtered(t, b, Rule{Keep: keyed("ac"), Empty: KeepEmpty}); fmt.Sprint(collect(t, got)) !=
				fmt.Sprint([]Record{withOffset(compactable[0], 40), withOffset(compactable[2], 42), withOffset(compactable[3], 43)}) {
				t.Errorf("records %v", collect(t, got))
			}
			// All stay, a tombstone among them: the horizon is put in, once.
			once, kept := filtered(t, b, Rule{Keep: keyed("abc"), Horizon: 99_000})
			if at, ok := once.DeleteHorizon(); kept != 4 || !ok || at != 99_000 || once.MaxTimestamp() != 3000 {
				t.Errorf("horizon %d %v, kept %d", at, ok, kept)
			}
			for i, r := range collect(t, once) {
				if fmt.Sprint(r) != fmt.Sprint(withOffset(compactable[i], model.Offset(40+i))) {
					t.Errorf("record %d is %v", i, r)
				}
			}
			if twice, _ := filtered(t, once, Rule{Keep: keyed("abc"), Horizon: 120_000}); !bytes.Equal(twice, once) {
				t.Error("a batch of which nothing changes is not copied as it is")
			}
			less, _ := filtered(t, once, Rule{Keep: keyed("c"), Horizon: 120_000})
			if at, ok := less.DeleteHorizon(); !ok || at != 99_000 || fmt.Sprint(collect(t, less)) != fmt.Sprint([]Record{withOffset(compactable[3], 43)}) {
				t.Errorf("horizon %d %v, records %v", at, ok, collect(t, less))
			}
		})
	}
}

func withOffset(r Record, o model.Offset) Record {
	r.Offset = o
	return r
}

func TestFilterLeavesNothing(t *testing.T) {
	b := build(t, Options{BaseOffset: 40, LeaderEpoch: 6, Codec: compress.Zstd, TimestampType: LogAppendTime, AppendTime: 7000,
		Producer: &Producer{ID: 9, Epoch: 3, BaseSequence: 70}}, compactable...)
	for _, keep := range []func(Entry) bool{nil, keyed("")} {
		if keep != nil {
			keep = func(Entry) bool { return false }
		}
		if got, kept := filtered(t, b, Rule{Keep: keep}); got != nil || kept != 0 {
			t.Errorf("%d bytes stay", len(got))
		}
		got, kept := filtered(t, b, Rule{Keep: keep, Empty: KeepEmpty})
		if kept != 0 || len(got) != HeaderSize || got.RecordCount() != 0 || got.Codec() != compress.None || got.BaseOffset() != 40 ||
			got.LastOffset() != 43 || got.LastSequence() != 73 || got.ProducerEpoch() != 3 || got.MaxTimestamp() != 7000 ||
			got.BaseTimestamp() != NoTimestamp || got.TimestampType() != LogAppendTime || got.LeaderEpoch() != 6 {
			t.Errorf("empty batch % x", []byte(got))
		}
	}
}

func TestFilterOfMarkers(t *testing.T) {
	key, value := Marker{Type: ControlCommit, CoordinatorEpoch: 4}.MarkerRecord()
	b := build(t, Options{Control: true, Transactional: true, Producer: &Producer{ID: 1, BaseSequence: -1}}, Record{Timestamp: 5, Key: key, Value: value})
	all := func(Entry) bool { return true }
	if got, _ := filtered(t, b, Rule{Keep: all, Horizon: 100}); !bytes.Equal(got, b) {
		t.Error("a marker that is of use is changed")
	}
	got, _ := filtered(t, b, Rule{Keep: all, Horizon: 100, Marker: true})
	if at, ok := got.DeleteHorizon(); !ok || at != 100 || !got.IsControl() || collect(t, got)[0].Timestamp != 5 {
		t.Errorf("horizon %d %v: %v", at, ok, collect(t, got))
	}
}

func FuzzFilter(f *testing.F) {
	for _, codec := range codecs {
		f.Add([]byte(build(f, Options{Codec: codec, Producer: &Producer{ID: 1, BaseSequence: 3}}, compactable...)), byte(3), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, every byte, empty bool) {
		b, _, err := Next(data)
		if err != nil || b.CheckHeader() != nil {
			return
		}
		rule := Rule{Horizon: 77, Keep: func(e Entry) bool { return every == 0 || e.Offset%model.Offset(every) == 0 }}
		if empty {
			rule.Empty = KeepEmpty
		}
		filter := Filter{Reader: Reader{MaxDecompressed: 1 << 16}}
		out, kept, err := filter.Apply(nil, b, rule)
		if err != nil || len(out) == 0 || kept == b.RecordCount() {
			return
		}
		got, rest, err := Next(out)
		if err != nil || len(rest) > 0 || got.Check() != nil || got.RecordCount() != kept || got.LastOffset() != b.LastOffset() {
			t.Fatalf("kept %d of %d: %v", kept, b.RecordCount(), err)
		}
		n := int32(0)
		if err := filter.Each(got, func(Entry) bool { n++; return true }); err != nil || n != kept {
			t.Fatalf("%d of %d records read: %v", n, kept, err)
		}
	})
}
