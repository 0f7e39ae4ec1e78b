// Package compress is Kafka's four codecs behind one call each way. What is
// decompressed comes from outside, so its size is bounded by the caller, and
// memory with it: a call holds the output and a small, fixed amount besides.
//
// The formats are those that Kafka's clients read and write: gzip (RFC 1952);
// snappy in the framing of xerial's Java library; the lz4 frame; zstd (RFC 8878).
package compress

import (
	"errors"
	"fmt"
	"slices"
)

// Codec is a compression codec by its number in a record batch's attributes.
type Codec int8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

var names = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String is the codec's name in configs.
func (c Codec) String() string {
	if c.Valid() {
		return names[c]
	}
	return fmt.Sprintf("codec %d", int8(c))
}

// Valid reports whether the codec is one of the five.
func (c Codec) Valid() bool { return c >= None && c <= Zstd }

// Parse is the codec of a name in configs: none, gzip, snappy, lz4 or zstd.
func Parse(name string) (Codec, bool) {
	i := slices.Index(names[:], name)
	return Codec(max(i, 0)), i >= 0
}

// DefaultLevel is Kafka's default of compression.gzip.level and its siblings.
func DefaultLevel(c Codec) int {
	switch c {
	case Gzip:
		return -1
	case LZ4:
		return 9
	case Zstd:
		return 3
	}
	return 0
}

var (
	// ErrTooLarge is for output beyond the caller's bound.
	ErrTooLarge = errors.New("decompresses to more than allowed")
	// ErrCorrupt is for input that is not what the codec writes.
	ErrCorrupt = errors.New("compressed data is corrupt")
	// ErrUnknownCodec is for a number that is no codec's.
	ErrUnknownCodec = errors.New("unknown compression codec")
)

func corrupt(c Codec, why error) error { return fmt.Errorf("%w: %v: %w", ErrCorrupt, c, why) }

// Compress appends the compressed src to dst. The level is Kafka's for that codec;
// one that the codec does not have counts as the nearest.
func Compress(c Codec, level int, dst, src []byte) ([]byte, error) {
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		return appendGzip(dst, src, level)
	case Snappy:
		return appendSnappy(dst, src), nil
	case LZ4:
		return appendLZ4(dst, src, level)
	case Zstd:
		return appendZstd(dst, src, level)
	}
	return dst, fmt.Errorf("%w: %d", ErrUnknownCodec, int8(c))
}

// Decompress appends the decompressed src to dst: maxOut bytes at most, else
// ErrTooLarge. Other errors are ErrCorrupt or ErrUnknownCodec, and what follows
// dst's length is then undefined. dst and src must not overlap.
func Decompress(c Codec, dst, src []byte, maxOut int) ([]byte, error) {
	switch c {
	case None:
		if len(src) > maxOut {
			return dst, ErrTooLarge
		}
		return append(dst, src...), nil
	case Gzip:
		return gunzip(dst, src, maxOut)
	case Snappy:
		return unsnappy(dst, src, maxOut)
	case LZ4:
		return unLZ4(dst, src, maxOut)
	case Zstd:
		return unzstd(dst, src, maxOut)
	}
	return dst, fmt.Errorf("%w: %d", ErrUnknownCodec, int8(c))
}

// room is dst with at least free bytes of capacity behind its length.
func room(dst []byte, free int) []byte {
	if cap(dst)-len(dst) >= free {
		return dst
	}
	grown := make([]byte, len(dst), len(dst)+free)
	copy(grown, dst)
	return grown
}
