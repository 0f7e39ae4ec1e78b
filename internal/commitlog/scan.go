package commitlog

import (
	"errors"
	"fmt"
	"io"

	"github.com/stromkafka/strom/internal/batch"
)

// errCorrupt says that a file's bytes are not what a log wrote.
var errCorrupt = errors.New("corrupt")

func corruptf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errCorrupt, fmt.Sprintf(format, args...))
}

// headers walks over the headers of a segment's batches without reading what
// is between them.
type headers struct {
	view   *view
	at     int64 // where the current batch begins, or where to begin
	size   int   // of the current batch; 0 before the first
	header batch.Batch
	buf    [batch.HeaderSize]byte
	err    error
}

// next goes to the following batch and reports whether there is one.
func (r *headers) next() bool {
	if r.err != nil {
		return false
	}
	r.at += int64(r.size)
	if r.at >= r.view.size {
		return false
	}
	f, err := r.view.log.acquire()
	if err != nil {
		r.err = err
		return false
	}
	defer r.view.log.release()
	r.err = readHeader(f, r.at, r.view.size, r.buf[:])
	if r.err != nil {
		return false
	}
	r.header = r.buf[:]
	r.size, _ = batch.Size(r.buf[:]) // readHeader has checked it
	return true
}

// readHeader reads the header at at and makes sure that its batch ends by end.
func readHeader(f io.ReaderAt, at, end int64, buf []byte) error {
	if end-at < batch.HeaderSize {
		return corruptf("%d bytes at %d are no batch", end-at, at)
	}
	if n, err := f.ReadAt(buf, at); n < len(buf) {
		return fmt.Errorf("read batch header at %d: %w", at, err)
	}
	size, err := batch.Size(buf)
	if err != nil {
		return corruptf("position %d: %v", at, err)
	}
	if int64(size) > end-at {
		return corruptf("batch at %d has %d bytes, of which %d are there", at, size, end-at)
	}
	if err := batch.Batch(buf).CheckHeader(); err != nil {
		return corruptf("position %d: %v", at, err)
	}
	return nil
}

// scanBuffer is how much is read at once when whole batches are needed.
const scanBuffer = 256 << 10

// batches walks over whole batches, with one buffer for all: a batch is valid
// until the next call.
type batches struct {
	file    io.ReaderAt
	at, end int64
	batch   batch.Batch
	err     error

	buf      []byte
	consumed int // of buf
}

func (r *batches) next() bool {
	if r.err != nil || r.at >= r.end {
		return false
	}
	head, err := r.bytes(batch.HeaderSize)
	if err != nil {
		r.err = err
		return false
	}
	size, err := batch.Size(head)
	if err != nil {
		r.err = corruptf("position %d: %v", r.at, err)
		return false
	}
	body, err := r.bytes(size)
	if err != nil {
		r.err = err
		return false
	}
	r.batch = batch.Batch(body)
	if err := r.batch.CheckHeader(); err != nil {
		r.err = corruptf("position %d: %v", r.at, err)
		return false
	}
	r.at += int64(size)
	r.consumed += size
	return true
}

// bytes is the n bytes from the current position on.
func (r *batches) bytes(n int) ([]byte, error) {
	if int64(n) > r.end-r.at {
		return nil, corruptf("batch at %d needs %d bytes, %d are there", r.at, n, r.end-r.at)
	}
	if len(r.buf)-r.consumed >= n {
		return r.buf[r.consumed : r.consumed+n], nil
	}
	want := int(min(max(int64(n), scanBuffer), r.end-r.at))
	if cap(r.buf) < want {
		r.buf = make([]byte, want)
	}
	r.buf = r.buf[:want]
	r.consumed = 0
	if got, err := r.file.ReadAt(r.buf, r.at); got < want {
		return nil, fmt.Errorf("read %d bytes at %d: %w", want, r.at, err)
	}
	return r.buf[:n], nil
}
