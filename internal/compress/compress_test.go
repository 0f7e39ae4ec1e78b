package compress

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"
)

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

// text is n bytes that compress about as records do.
func text(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, `{"user":%d,"action":"click","at":%d}`, rng.IntN(1000), rng.IntN(1e9))
	}
	return b[:n]
}

func noise(n int) []byte {
	rng, b := rand.New(rand.NewPCG(3, 4)), make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	prefix := []byte("before")
	for _, c := range codecs {
		for _, src := range [][]byte{nil, {1}, text(100), text(40 << 10), text(1 << 20), noise(200 << 10), make([]byte, 3<<20)} {
			for _, level := range []int{DefaultLevel(c), -7, 1, 6, 22} {
				packed, err := Compress(c, level, bytes.Clone(prefix), src)
				if err != nil || !bytes.HasPrefix(packed, prefix) {
					t.Fatalf("%v level %d, %d bytes: %v", c, level, len(src), err)
				}
				packed = packed[len(prefix):]
				got, err := Decompress(c, bytes.Clone(prefix), packed, len(src))
				if err != nil || !bytes.Equal(got, append(bytes.Clone(prefix), src...)) {
					t.Fatalf("%v level %d, %d bytes: got %d, %v", c, level, len(src), len(got), err)
				}
				if len(src) > 0 {
					if _, err := Decompress(c, nil, packed, len(src)-1); !errors.Is(err, ErrTooLarge) {
						t.Fatalf("%v level %d, %d bytes into one less: %v", c, level, len(src), err)
					}
				}
			}
		}
	}
}

func TestNames(t *testing.T) {
	for i, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		if c, ok := Parse(name); !ok || c != Codec(i) || c.String() != name {
			t.Errorf("Parse(%q) = %v, %v", name, c, ok)
		}
	}
	if _, ok := Parse("producer"); ok || Codec(5).Valid() || Codec(-1).Valid() {
		t.Error("took what is no codec")
	}
	if _, err := Compress(5, 0, nil, nil); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("codec 5: %v", err)
	}
	if _, err := Decompress(7, nil, nil, 1); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("codec 7: %v", err)
	}
}

// TestSnappyFraming: the header of xerial's library, and input without it.
func TestSnappyFraming(t *testing.T) {
	src := text(70 << 10)
	packed, err := Compress(Snappy, 0, nil, src)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(packed[:16]); got != "82534e41505059000000000100000001" {
		t.Fatalf("header %s", got)
	}
	n := binary.BigEndian.Uint32(packed[16:])
	first, err := snappy.Decode(nil, packed[20:20+n])
	if err != nil || !bytes.Equal(first, src[:32<<10]) {
		t.Fatalf("first block: %d bytes, %v", len(first), err)
	}
	got, err := Decompress(Snappy, nil, snappy.Encode(nil, src), len(src))
	if err != nil || !bytes.Equal(got, src) {
		t.Fatalf("raw snappy: %d bytes, %v", len(got), err)
	}
	got, err = Decompress(Snappy, nil, append(bytes.Clone(packed), packed...), 2*len(src))
	if err != nil || !bytes.Equal(got, append(bytes.Clone(src), src...)) {
		t.Fatalf("two streams in one: %d bytes, %v", len(got), err)
	}
}

// TestLZ4Frame: another implementation reads what is written here, and what it
// writes with every option is read here.
func TestLZ4Frame(t *testing.T) {
	src := append(text(300<<10), noise(80<<10)...)
	packed, err := Compress(LZ4, 9, nil, src)
	if err != nil {
		t.Fatal(err)
	}
	var read bytes.Buffer
	if _, err := read.ReadFrom(lz4.NewReader(bytes.NewReader(packed))); err != nil || !bytes.Equal(read.Bytes(), src) {
		t.Fatalf("read back %d bytes, %v", read.Len(), err)
	}
	for _, size := range []lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb} {
		for _, sums := range []bool{false, true} {
			var out bytes.Buffer
			w := lz4.NewWriter(&out)
			options := []lz4.Option{lz4.BlockSizeOption(size), lz4.BlockChecksumOption(sums), lz4.ChecksumOption(sums)}
			if sums {
				options = append(options, lz4.SizeOption(uint64(len(src))))
			}
			if err := w.Apply(options...); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(src); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got, err := Decompress(LZ4, nil, out.Bytes(), len(src))
			if err != nil || !bytes.Equal(got, src) {
				t.Fatalf("block size %v, checksums %v: %d bytes, %v", size, sums, len(got), err)
			}
		}
	}
	for _, at := range []int{0, 4, 5, 6} {
		broken := bytes.Clone(packed)
		broken[at] ^= 0x10
		if _, err := Decompress(LZ4, nil, broken, len(src)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("header byte %d changed: %v", at, err)
		}
	}
}

// TestLZ4DependentBlocks: a block that copies from the one before it is refused, as Apache Kafka and its clients do.
func TestLZ4DependentBlocks(t *testing.T) {
	frame := []byte{0x04, 0x22, 0x4d, 0x18, 0x40, 0x40}
	frame = append(frame, byte(xxHash32(frame[4:])>>8))
	frame = append(frame, 8, 0, 0, 0x80)
	frame = append(frame, "abcdefgh"...)
	// One match of 8 at distance 8, then five literals as the format wants.
	block := []byte{0x04, 8, 0, 0x50, 'v', 'w', 'x', 'y', 'z'}
	frame = append(binary.LittleEndian.AppendUint32(frame, uint32(len(block))), block...)
	frame = append(frame, 0, 0, 0, 0)
	if got, err := Decompress(LZ4, nil, frame, 100); !errors.Is(err, ErrCorrupt) || !errors.Is(err, errLZ4Dependent) {
		t.Fatalf("%q, %v", got, err)
	}
}

// bomb is n zeros, compressed as far as the codec can.
func bomb(t *testing.T, c Codec, n int) []byte {
	packed, err := Compress(c, DefaultLevel(c), nil, make([]byte, n))
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func TestBombsAreBounded(t *testing.T) {
	const maxOut = 1 << 20
	windowed, _ := hex.DecodeString("28b52ffd" + "00" + "88" + "020000" + "00") // window 128 MiB, one empty block
	bombs := map[string]struct {
		codec Codec
		src   []byte
	}{
		"gzip":                      {Gzip, bomb(t, Gzip, 256<<20)},
		"snappy":                    {Snappy, bomb(t, Snappy, 64<<20)},
		"lz4":                       {LZ4, bomb(t, LZ4, 256<<20)},
		"zstd":                      {Zstd, bomb(t, Zstd, 256<<20)},
		"zstd of a large window":    {Zstd, append(windowed, bomb(t, Zstd, 64<<20)...)},
		"snappy that says 2 GiB":    {Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x07, 0}},
		"zstd that says 2^60 bytes": {Zstd, []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0}},
	}
	for name, b := range bombs {
		t.Run(name, func(t *testing.T) {
			Decompress(b.codec, nil, b.src, maxOut) // fills the pools
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decompress(b.codec, nil, b.src, maxOut)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrCorrupt) {
				t.Errorf("no error but %v", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 4*maxOut {
				t.Errorf("allocated %d bytes for an output of %d", used, maxOut)
			}
		})
	}
}

func TestCorruptInput(t *testing.T) {
	for _, c := range codecs[1:] {
		packed, err := Compress(c, DefaultLevel(c), nil, text(10<<10))
		if err != nil {
			t.Fatal(err)
		}
		for _, cut := range []int{0, 3, 10, len(packed) / 2, len(packed) - 1} {
			if _, err := Decompress(c, nil, packed[:cut], 1<<20); !errors.Is(err, ErrCorrupt) && (c != Zstd || cut > 0) {
				t.Errorf("%v cut to %d of %d bytes: %v", c, cut, len(packed), err)
			}
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for _, c := range codecs {
		packed, err := Compress(c, DefaultLevel(c), nil, text(500))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(int8(c), packed)
	}
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		const maxOut = 1 << 16
		out, err := Decompress(Codec(codec), make([]byte, 3, 10), src, maxOut)
		if err != nil {
			return
		}
		if len(out)-3 > maxOut {
			t.Fatalf("%d bytes of output", len(out)-3)
		}
		packed, err := Compress(Codec(codec), DefaultLevel(Codec(codec)), nil, out)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decompress(Codec(codec), nil, packed, len(out))
		if err != nil || !bytes.Equal(again, out) {
			t.Fatalf("round trip: %v", err)
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	src := text(64 << 10)
	for _, c := range codecs[1:] {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = Compress(c, DefaultLevel(c), dst[:0], src)
			}
		})
	}
}

func BenchmarkDecompress(b *testing.B) {
	src := text(64 << 10)
	for _, c := range codecs[1:] {
		b.Run(c.String(), func(b *testing.B) {
			packed, _ := Compress(c, DefaultLevel(c), nil, src)
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst, _ = Decompress(c, dst[:0], packed, len(src))
			}
		})
	}
}
