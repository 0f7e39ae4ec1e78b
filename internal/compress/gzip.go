package compress

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

type gzipWriter struct {
	*gzip.Writer
	out appender
}

// appender is a slice to write to.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// gzipWriters are by level, -1 to 9.
var gzipWriters [11]sync.Pool

func appendGzip(dst, src []byte, level int) ([]byte, error) {
	level = min(max(level, gzip.DefaultCompression), gzip.BestCompression)
	pool := &gzipWriters[level+1]
	w, _ := pool.Get().(*gzipWriter)
	if w == nil {
		inner, err := gzip.NewWriterLevel(nil, level)
		if err != nil {
			return dst, err
		}
		w = &gzipWriter{Writer: inner}
	}
	defer pool.Put(w)
	w.out.b = dst
	defer func() { w.out.b = nil }()
	w.Reset(&w.out)
	if _, err := w.Write(src); err != nil {
		return dst, err
	}
	if err := w.Close(); err != nil {
		return dst, err
	}
	return w.out.b, nil
}

type gzipReader struct {
	gzip.Reader
	in bytes.Reader
}

var gzipReaders = sync.Pool{New: func() any { return new(gzipReader) }}

func gunzip(dst, src []byte, maxOut int) ([]byte, error) {
	r := gzipReaders.Get().(*gzipReader)
	defer gzipReaders.Put(r)
	defer r.in.Reset(nil)
	r.in.Reset(src)
	if err := r.Reset(&r.in); err != nil {
		return dst, corrupt(Gzip, err)
	}
	out, err := readAtMost(r, room(dst, min(maxOut, 4*len(src)+512)), maxOut)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return dst, corrupt(Gzip, err)
	}
	return out, err
}

// readAtMost appends all that r has to dst.
func readAtMost(r io.Reader, dst []byte, maxOut int) ([]byte, error) {
	end := len(dst) + maxOut
	for len(dst) < end {
		if len(dst) == cap(dst) {
			dst = room(dst, min(cap(dst)+512, end-len(dst)))
		}
		n, err := r.Read(dst[len(dst):min(cap(dst), end)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return dst, ErrTooLarge
	case err != io.EOF:
		return dst, err
	}
	return dst, nil
}
