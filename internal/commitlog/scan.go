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

// headers walks over the headers of a segment's batches without reading all that
// is between them.
type headers struct {
	view   *view
	at     int64 // where the current batch begins, or where to begin
	size   int   // of the current batch; 0 before the first
	header batch.Batch
	err    error

	// Small batches have several headers in one read.
	buf    [1024]byte
	bufAt  int64
	bufLen int
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
	r.header, r.err = r.read()
	if r.err != nil {
		return false
	}
	r.size, r.err = checkHeader(r.header, r.at, r.view.size)
	return r.err == nil
}

// read is the header at the current position.
func (r *headers) read() ([]byte, error) {
	if r.view.size-r.at < batch.HeaderSize {
		return nil, corruptf("%d bytes at %d are no batch", r.view.size-r.at, r.at)
	}
	if skip := r.at - r.bufAt; r.bufLen > 0 && skip >= 0 && skip+batch.HeaderSize <= int64(r.bufLen) {
		return r.buf[skip : skip+batch.HeaderSize], nil
	}
	f, err := r.view.log.acquire()
	if err != nil {
		return nil, err
	}
	defer r.view.log.release()
	n, err := f.ReadAt(r.buf[:min(int64(len(r.buf)), r.view.size-r.at)], r.at)
	if n < batch.HeaderSize {
		return nil, fmt.Errorf("read batch header at %d: %w", r.at, err)
	}
	r.bufAt, r.bufLen = r.at, n
	return r.buf[:batch.HeaderSize], nil
}

// checkHeader is the size of the batch at at, which must end by end.
func checkHeader(head []byte, at, end int64) (int, error) {
	size, err := batch.Size(head)
	if err != nil {
		return 0, corruptf("position %d: %v", at, err)
	}
	if int64(size) > end-at {
		return 0, corruptf("batch at %d has %d bytes, of which %d are there", at, size, end-at)
	}
	if err := batch.Batch(head).CheckHeader(); err != nil {
		return 0, corruptf("position %d: %v", at, err)
	}
	return size, nil
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
