package batch

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

var codecs = []compress.Codec{compress.None, compress.Gzip, compress.Snappy, compress.LZ4, compress.Zstd}

func build(t testing.TB, opts Options, recs ...Record) Batch {
	t.Helper()
	b := New(opts)
	for _, r := range recs {
		b.Add(r.Timestamp, r.Key, r.Value, r.Headers...)
	}
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func collect(t testing.TB, b Batch) []Record {
	t.Helper()
	var recs []Record
	for r, err := range b.Records(1 << 20) {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, r)
	}
	return recs
}

var sample = []Record{
	{Timestamp: 1000, Key: []byte("k"), Value: []byte("v")},
	{Timestamp: 900, Key: nil, Value: []byte{}},
	{Timestamp: 1 << 40, Key: []byte{}, Value: nil, Headers: []Header{{Key: "h", Value: nil}, {Key: "", Value: []byte("x")}}},
	{Timestamp: 1001, Key: bytes.Repeat([]byte("k"), 300), Value: bytes.Repeat([]byte("v"), 70000)},
}

func TestRoundTrip(t *testing.T) {
	for _, codec := range codecs {
		t.Run(fmt.Sprint(codec), func(t *testing.T) {
			b := build(t, Options{BaseOffset: 77, LeaderEpoch: 5, Codec: codec, Transactional: true,
				Producer: &Producer{ID: 9, Epoch: 3, BaseSequence: math.MaxInt32 - 1}}, sample...)
			if err := b.Check(); err != nil {
				t.Fatal(err)
			}
			if b.BaseOffset() != 77 || b.LastOffset() != 80 || b.NextOffset() != 81 || b.RecordCount() != 4 || b.LeaderEpoch() != 5 ||
				b.Codec() != codec || !b.IsTransactional() || b.IsControl() || b.BaseTimestamp() != 1000 || b.MaxTimestamp() != 1<<40 ||
				b.ProducerID() != 9 || b.ProducerEpoch() != 3 || b.LastSequence() != 1 || int(b.Length()) != len(b)-12 {
				t.Errorf("header of %v is wrong", codec)
			}
			got := collect(t, b)
			if len(got) != len(sample) {
				t.Fatalf("%d records, want %d", len(got), len(sample))
			}
			for i, want := range sample {
				want.Offset = 77 + model.Offset(i)
				if fmt.Sprintf("%#v", got[i]) != fmt.Sprintf("%#v", want) {
					t.Errorf("record %d = %#v, want %#v", i, got[i], want)
				}
			}
		})
	}
}

// The bytes are written by hand from the format's description, so that builder
// and scanner cannot be wrong in the same way.
func TestGoldenBytes(t *testing.T) {
	b := build(t, Options{LeaderEpoch: 1}, Record{Timestamp: 5, Key: nil, Value: []byte("a")})
	wantRecord := []byte{0x0e, 0, 0, 0, 0x01, 0x02, 'a', 0} // 7 bytes: attributes, deltas 0 0, null, 1 'a', no headers
	if !bytes.Equal(b.Payload(), wantRecord) {
		t.Errorf("record = % x, want % x", b.Payload(), wantRecord)
	}
	wantHead := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 57, 0, 0, 0, 1, 2}
	if !bytes.Equal(b[:17], wantHead) {
		t.Errorf("header = % x, want % x", b[:17], wantHead)
	}
}

func TestNextBounds(t *testing.T) {
	b := build(t, Options{}, sample...)
	two := append(bytes.Clone(b), b...)
	first, rest, err := Next(two)
	if err != nil || len(first) != len(b) || len(rest) != len(b) || cap(first) != len(b) {
		t.Fatalf("Next: %d %d %v", len(first), len(rest), err)
	}
	for cut := range len(b) {
		if _, _, err := Next(b[:cut]); !errors.Is(err, kerr.CorruptMessage) {
			t.Fatalf("Next of %d bytes: %v", cut, err)
		}
	}
	for _, length := range []uint32{0, 48, 0x80000000, math.MaxUint32, math.MaxInt32} {
		bad := bytes.Clone(b)
		bad[8], bad[9], bad[10], bad[11] = byte(length>>24), byte(length>>16), byte(length>>8), byte(length)
		if _, _, err := Next(bad); err == nil {
			t.Errorf("length %d accepted", length)
		}
	}
}

func TestCheckSeesEveryByte(t *testing.T) {
	b := build(t, Options{Codec: compress.Gzip}, sample...)
	for i := range b {
		bad := Batch(bytes.Clone(b))
		bad[i] ^= 0x10
		err := bad.Check()
		free := i < 8 || i >= 12 && i < 16 // base offset and leader epoch
		if free != (err == nil) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
}

func TestSettersKeepChecksum(t *testing.T) {
	b := build(t, Options{}, sample...)
	b.SetBaseOffset(1 << 40)
	b.SetLeaderEpoch(12)
	b.SetMaxTimestamp(LogAppendTime, 4242)
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	for _, r := range collect(t, b) {
		if r.Timestamp != 4242 {
			t.Errorf("timestamp %d under LogAppendTime", r.Timestamp)
		}
	}
	b.SetMaxTimestamp(CreateTime, 7)
	if b.TimestampType() != CreateTime || b.MaxTimestamp() != 7 || b.Check() != nil {
		t.Error("back to CreateTime")
	}
}

func TestSequenceWraps(t *testing.T) {
	for _, c := range [][3]int32{{0, 5, 5}, {math.MaxInt32, 1, 0}, {math.MaxInt32 - 2, 5, 2}} {
		if got := AddSequence(c[0], c[1]); got != c[2] {
			t.Errorf("AddSequence(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestDecompressionIsBounded(t *testing.T) {
	b := build(t, Options{Codec: compress.Gzip}, Record{Value: make([]byte, 1<<20)})
	for _, err := range b.Records(1 << 16) {
		if !errors.Is(err, kerr.InvalidRecord) {
			t.Errorf("1 MiB within 64 KiB: %v", err)
		}
	}
}

func TestMarker(t *testing.T) {
	want := Marker{Type: ControlCommit, CoordinatorEpoch: 17}
	key, value := want.MarkerRecord()
	got, ok, err := ParseMarker(Record{Key: key, Value: value})
	if got != want || !ok || err != nil {
		t.Errorf("ParseMarker = %v %v %v", got, ok, err)
	}
	if _, ok, err := ParseMarker(Record{Key: ControlKey(ControlLeaderChange)}); ok || err != nil {
		t.Errorf("a leader change is a marker: %v %v", ok, err)
	}
	for _, bad := range []Record{{}, {Key: []byte{0, 0, 0}}, {Key: ControlKey(ControlAbort), Value: []byte{0}}} {
		if _, _, err := ParseMarker(bad); err == nil {
			t.Errorf("ParseMarker(%v) accepted", bad)
		}
	}
}

func FuzzBatch(f *testing.F) {
	for _, codec := range codecs {
		f.Add([]byte(build(f, Options{Codec: codec}, sample...)))
	}
	f.Add([]byte(build(f, Options{Control: true}, Record{Key: ControlKey(ControlAbort), Value: make([]byte, 6)})))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, _, err := Next(data)
		if err != nil || b.CheckHeader() != nil {
			return
		}
		n := 0
		for r, err := range b.Records(1 << 20) {
			if err != nil {
				break
			}
			n++
			if b.IsControl() {
				_, _, _ = ParseMarker(r)
			}
		}
		if n > int(b.RecordCount()) {
			t.Errorf("%d records in a batch of %d", n, b.RecordCount())
		}
		rules := Rules{Client: true, MaxDecompressed: 1 << 20, BeforeMax: math.MaxInt64, AfterMax: math.MaxInt64}
		if out, err := rules.Apply(b); err == nil {
			b.setCRC()
			if out.Check() != nil && len(out) != len(b) {
				t.Error("Apply made a batch that Check refuses")
			}
			if len(collect(t, out)) != int(out.RecordCount()) {
				t.Error("Apply accepted a batch whose records do not parse")
			}
		}
	})
}

func BenchmarkApply(b *testing.B) {
	for _, codec := range codecs {
		for _, size := range []int{100, 1000} {
			b.Run(fmt.Sprintf("%v/%dx%d", codec, 16384/size, size), func(b *testing.B) {
				bl := New(Options{Codec: codec})
				for range 16384 / size {
					bl.Add(1000, nil, bytes.Repeat([]byte("abcdefghij"), size/10))
				}
				batch, err := bl.Build()
				if err != nil {
					b.Fatal(err)
				}
				rules := Rules{Client: true, Now: 1000, BeforeMax: math.MaxInt64, AfterMax: 3600000, MaxDecompressed: 1 << 27}
				b.ReportAllocs()
				b.SetBytes(int64(bl.Size()))
				for b.Loop() {
					if _, err := rules.Apply(batch); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
