package compress

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// The lz4 frame as Kafka writes it:
//
//	magic 0x184D2204 | FLG | BD | header checksum
//	{ length uint32, top bit set if stored | block }... | 0 uint32
//
// little-endian. FLG says version 1 and independent blocks, BD blocks of 64 KiB;
// the checksum is the second byte of xxHash32 over FLG and BD. Reading also takes
// what the format has besides: larger blocks, checksums, sizes. It refuses blocks
// that depend on each other, as Apache Kafka does: no Java client reads them, and a
// consumer would be stuck at a batch of them.
var lz4Header = []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82}

const (
	lz4Block  = 64 << 10
	lz4Stored = 1 << 31

	flgVersion         = 0x40
	flgIndependent     = 0x20
	flgBlockChecksum   = 0x10
	flgSize            = 0x08
	flgContentChecksum = 0x04
	flgReserved        = 0x02
	flgDictionary      = 0x01
)

var (
	errLZ4Header    = errors.New("not an lz4 frame header")
	errLZ4Dependent = errors.New("blocks that depend on each other are not supported")
	errLZ4Block     = errors.New("block length does not fit")
	errLZ4Checksum  = errors.New("checksum differs")
)

var (
	lz4Fast = sync.Pool{New: func() any { return new(lz4.Compressor) }}
	lz4High = sync.Pool{New: func() any { return new(lz4.CompressorHC) }}
)

// lz4Levels are the search depths of levels 1 to 9, those beyond count as 9.
var lz4Levels = [...]lz4.CompressionLevel{lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4, lz4.Level5,
	lz4.Level6, lz4.Level7, lz4.Level8, lz4.Level9}

// appendLZ4 compresses fast at the default level, as Kafka does, and searches for
// longer matches at any other.
func appendLZ4(dst, src []byte, level int) ([]byte, error) {
	var compress func(src, dst []byte) (int, error)
	if level == DefaultLevel(LZ4) {
		c := lz4Fast.Get().(*lz4.Compressor)
		defer lz4Fast.Put(c)
		compress = c.CompressBlock
	} else {
		c := lz4High.Get().(*lz4.CompressorHC)
		defer lz4High.Put(c)
		c.Level = lz4Levels[min(max(level, 1), len(lz4Levels))-1]
		compress = c.CompressBlock
	}
	dst = append(dst, lz4Header...)
	for len(src) > 0 {
		block := src[:min(len(src), lz4Block)]
		src = src[len(block):]
		at := len(dst)
		dst = room(dst, 4+lz4.CompressBlockBound(len(block)))
		n, err := compress(block, dst[at+4:cap(dst)])
		if err != nil {
			return dst, err
		}
		length := uint32(n)
		if n == 0 || n >= len(block) {
			n = copy(dst[at+4:cap(dst)], block)
			length = uint32(n) | lz4Stored
		}
		binary.LittleEndian.PutUint32(dst[at:at+4], length)
		dst = dst[:at+4+n]
	}
	return append(dst, 0, 0, 0, 0), nil
}

// lz4Frame is what a frame's header says.
type lz4Frame struct {
	flags     byte
	blockSize int
}

func readLZ4Header(src []byte) (f lz4Frame, rest []byte, err error) {
	if len(src) < len(lz4Header) || string(src[:4]) != string(lz4Header[:4]) {
		return f, nil, errLZ4Header
	}
	f.flags = src[4]
	if f.flags>>6 != flgVersion>>6 || f.flags&(flgReserved|flgDictionary) != 0 {
		return f, nil, errLZ4Header
	}
	if f.flags&flgIndependent == 0 {
		return f, nil, errLZ4Dependent
	}
	size := src[5] >> 4 & 7
	if size < 4 || src[5]&0x8f != 0 {
		return f, nil, errLZ4Header
	}
	f.blockSize = 1 << (8 + 2*size)
	n := 6
	if f.flags&flgSize != 0 {
		n += 8
	}
	if len(src) <= n {
		return f, nil, errLZ4Header
	}
	if byte(xxHash32(src[4:n])>>8) != src[n] {
		return f, nil, errLZ4Checksum
	}
	return f, src[n+1:], nil
}

// unLZ4 reads one frame; what follows it is ignored, as Kafka does.
func unLZ4(dst, src []byte, maxOut int) ([]byte, error) {
	frame, src, err := readLZ4Header(src)
	if err != nil {
		return dst, corrupt(LZ4, err)
	}
	start := len(dst)
	for {
		if len(src) < 4 {
			return dst, corrupt(LZ4, errLZ4Block)
		}
		word := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if word == 0 {
			break
		}
		n := int(word &^ lz4Stored)
		if n > len(src) || n > frame.blockSize {
			return dst, corrupt(LZ4, errLZ4Block)
		}
		block := src[:n]
		src = src[n:]
		if frame.flags&flgBlockChecksum != 0 {
			if src, err = checkLZ4(block, src); err != nil {
				return dst, err
			}
		}
		if dst, err = frame.appendBlock(dst, start, block, word&lz4Stored != 0, maxOut); err != nil {
			return dst, err
		}
	}
	if frame.flags&flgContentChecksum != 0 {
		if _, err := checkLZ4(dst[start:], src); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// checkLZ4 compares data's checksum with the one that src begins with.
func checkLZ4(data, src []byte) (rest []byte, err error) {
	if len(src) < 4 || binary.LittleEndian.Uint32(src) != xxHash32(data) {
		return src, corrupt(LZ4, errLZ4Checksum)
	}
	return src[4:], nil
}

// appendBlock appends one block's content; the frame's output began at start.
func (f lz4Frame) appendBlock(dst []byte, start int, block []byte, stored bool, maxOut int) ([]byte, error) {
	left := maxOut - (len(dst) - start)
	if stored {
		if len(block) > left {
			return dst, ErrTooLarge
		}
		return append(dst, block...), nil
	}
	limit := min(f.blockSize, left)
	// A block cannot expand by more than 255: a length byte stands for that many.
	limit = min(limit, 255*len(block)+64)
	if cap(dst)-len(dst) < limit {
		dst = room(dst, max(limit, min(cap(dst), left)))
	}
	at := len(dst)
	n, err := lz4.UncompressBlock(block, dst[at:at+limit:at+limit])
	switch {
	case err != nil && limit == left && limit < f.blockSize:
		return dst, ErrTooLarge // or corrupt: the decoder does not tell them apart
	case err != nil:
		return dst, corrupt(LZ4, err)
	}
	return dst[:at+n], nil
}

// xxHash32 is the hash of the frame format, with seed 0.
func xxHash32(b []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h, n := uint32(p5), uint32(len(b))
	if len(b) >= 16 {
		var lanes = [4]uint32{p1, p2, 0, 0}
		lanes[0] += p2
		lanes[3] -= p1
		for ; len(b) >= 16; b = b[16:] {
			for i := range lanes {
				lanes[i] = bits.RotateLeft32(lanes[i]+binary.LittleEndian.Uint32(b[4*i:])*p2, 13) * p1
			}
		}
		h = bits.RotateLeft32(lanes[0], 1) + bits.RotateLeft32(lanes[1], 7) +
			bits.RotateLeft32(lanes[2], 12) + bits.RotateLeft32(lanes[3], 18)
	}
	h += n
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*p5, 11) * p1
	}
	h = (h ^ h>>15) * p2
	h = (h ^ h>>13) * p3
	return h ^ h>>16
}
