package compress

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// The largest window that is read is zstd's own default (--long=27); the output
// itself is the window, so no memory is set aside for it. Written windows are
// small, since a batch is.
const (
	zstdMaxWindow   = 128 << 20
	zstdWriteWindow = 1 << 20
)

// zstdEncoders are by speed. They encode whole buffers, without goroutines.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

func appendZstd(dst, src []byte, level int) ([]byte, error) {
	speed := zstd.EncoderLevelFromZstd(level)
	pool := &zstdEncoders[speed]
	encoder, _ := pool.Get().(*zstd.Encoder)
	if encoder == nil {
		var err error
		encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWriteWindow), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
		if err != nil {
			return dst, err
		}
	}
	defer pool.Put(encoder)
	return encoder.EncodeAll(src, dst), nil
}

var zstdDecoders = sync.Pool{New: func() any {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdMaxWindow),
		zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return err
	}
	return decoder
}}

// unzstd decodes into a buffer of fixed size, and again into a larger one if that
// is too small: a decoder that grows its output has no bound of its own.
func unzstd(dst, src []byte, maxOut int) ([]byte, error) {
	decoder, ok := zstdDecoders.Get().(*zstd.Decoder)
	if !ok {
		return dst, errors.New("zstd decoder cannot be built")
	}
	defer zstdDecoders.Put(decoder)
	free := min(maxOut, zstdGuess(src))
	for {
		dst = room(dst, free)
		limit := min(cap(dst), len(dst)+maxOut)
		out, err := decoder.DecodeAll(src, dst[:len(dst):limit])
		switch {
		case err == nil:
			return out, nil
		case !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return dst, corrupt(Zstd, err)
		case limit == len(dst)+maxOut:
			return dst, ErrTooLarge
		}
		free = min(4*max(free, limit-len(dst)), maxOut)
	}
}

// zstdGuess is how much src may decode to: what it says if that is plausible.
func zstdGuess(src []byte) int {
	guess := 8*len(src) + 1024
	var header zstd.Header
	if header.Decode(src) == nil && header.HasFCS && header.FrameContentSize <= uint64(64*len(src)+1024) {
		guess = int(header.FrameContentSize)
	}
	return guess
}
