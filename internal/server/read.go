package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	errIdle     = errors.New("idle for too long")
	errStopping = errors.New("the server stops")
)

// sizeError is a frame length that no frame may have.
type sizeError struct{ size, max int32 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("frame of %d bytes announced, not 0 to %d", e.size, e.max)
}

// reader reads frames from a connection. It is used by one goroutine at a time.
//
// The bytes read and not yet returned are buffer[start:end] and then
// ahead[:aheads]. An idle connection has no buffer: the wait for its next byte is
// either the runtime's poller alone (plain TCP) or a read into ahead.
type reader struct {
	conn     net.Conn
	raw      syscall.RawConn // nil when the connection has no descriptor to read
	lease    *lease
	maxFrame int32
	maxIdle  time.Duration

	buffer     []byte
	start, end int
	ahead      [4]byte
	aheads     int

	last     atomic.Int64 // when bytes last arrived, in ns since 1970
	deadline struct {
		sync.Mutex
		stopping bool
	}

	rawRead   func(fd uintptr) bool // bound once, so that waiting does not allocate
	rawResult struct {
		n   int
		err error
	}
}

func newReader(conn net.Conn, lease *lease, maxFrame int32, maxIdle time.Duration) *reader {
	r := &reader{conn: conn, lease: lease, maxFrame: maxFrame, maxIdle: maxIdle}
	r.rawRead = r.tryRead
	if canReadRaw {
		if tcp, ok := conn.(*net.TCPConn); ok {
			if raw, err := tcp.SyscallConn(); err == nil {
				r.raw = raw
			}
		}
	}
	r.touch()
	r.rearm()
	return r
}

// frame is the bytes of one request and how to give them back.
type frame struct {
	data  []byte
	owned []byte // a buffer of its own; nil when data is in the reader's
}

// next is the next frame. It must be released before the one after it is asked
// for.
func (r *reader) next(ctx context.Context) (frame, error) {
	if r.end == r.start && r.aheads == 0 {
		r.dropBuffer()
	}
	for r.end-r.start < 4 {
		if err := r.fill(ctx); err != nil {
			return frame{}, err
		}
	}
	size := int32(binary.BigEndian.Uint32(r.buffer[r.start:]))
	if size < 0 || size > r.maxFrame {
		return frame{}, &sizeError{size, r.maxFrame}
	}
	if 4+int(size) > len(r.buffer) {
		return r.large(ctx, int(size))
	}
	for r.end-r.start < 4+int(size) {
		if err := r.fill(ctx); err != nil {
			return frame{}, err
		}
	}
	if r.lease.age != 0 {
		r.lease.complete()
	}
	at := r.start + 4
	r.start = at + int(size)
	return frame{data: r.buffer[at:r.start:r.start]}, nil
}

// hasNext reports whether next would return without reading.
func (r *reader) hasNext() bool {
	if r.end-r.start < 4 {
		return false
	}
	size := int32(binary.BigEndian.Uint32(r.buffer[r.start:]))
	return size < 0 || int64(r.end-r.start) >= 4+int64(size)
}

// large reads a frame that does not fit the buffer into one that grows fourfold
// with what has arrived.
func (r *reader) large(ctx context.Context, size int) (frame, error) {
	r.lease.arriving()
	defer r.lease.complete()
	first := sizeFor(min(size, 4*(r.end-r.start)))
	if err := r.lease.reserve(ctx, int64(first)); err != nil {
		return frame{}, err
	}
	data := takeBuffer(first)
	n := copy(data, r.buffer[r.start+4:r.end])
	r.start, r.end = 0, 0
	n += copy(data[n:], r.ahead[:r.aheads])
	r.aheads = 0
	r.dropBuffer()
	r.lease.arrived.Store(int64(n))
	for n < size {
		if n == len(data) {
			more := sizeFor(min(size, 4*len(data)))
			if err := r.lease.reserve(ctx, int64(more)); err != nil {
				return frame{}, err
			}
			grown := takeBuffer(more)
			copy(grown, data)
			r.lease.give(int64(len(data)))
			giveBuffer(data)
			data = grown
		}
		m, err := r.read(data[n:min(size, len(data))])
		if err != nil {
			return frame{}, unexpected(err)
		}
		n += m
		r.lease.arrived.Store(int64(n))
	}
	return frame{data: data[:size:size], owned: data}, nil
}

// detach moves a frame out of the reader's buffer when nothing else is in it, so
// that a request that waits long holds no more than itself.
func (r *reader) detach(f *frame) {
	if f.owned != nil || r.end != r.start {
		return
	}
	size := sizeFor(len(f.data))
	if size >= len(r.buffer) || !r.lease.tryReserve(int64(size)) {
		return
	}
	f.owned = takeBuffer(size)
	f.data = f.owned[:copy(f.owned, f.data)]
	r.dropBuffer()
}

// release gives a frame's memory back; its bytes must not be used any more.
func (r *reader) release(f *frame) {
	if f.owned != nil {
		r.lease.give(int64(len(f.owned)))
		giveBuffer(f.owned)
	}
	*f = frame{}
}

// close gives back all that was ever reserved. The connection is closed and no
// frame is in use.
func (r *reader) close() {
	r.start, r.end, r.aheads = 0, 0, 0
	r.dropBuffer()
	r.lease.complete()
	if r.lease.held > 0 {
		r.lease.give(r.lease.held)
	}
}

func (r *reader) dropBuffer() {
	if r.buffer == nil {
		return
	}
	giveBuffer(r.buffer)
	r.lease.give(int64(len(r.buffer)))
	r.buffer, r.start, r.end = nil, 0, 0
}

// fill reads at least one byte more into the buffer.
func (r *reader) fill(ctx context.Context) error {
	if r.buffer == nil && r.aheads == 0 {
		if err := r.await(); err != nil {
			return err
		}
	}
	if r.buffer == nil {
		if err := r.lease.reserve(ctx, readBuffer); err != nil {
			return err
		}
		r.buffer = takeBuffer(readBuffer)
	}
	if r.start == r.end {
		r.start, r.end = 0, 0
	} else if r.end+len(r.ahead) > len(r.buffer) {
		r.end = copy(r.buffer, r.buffer[r.start:r.end])
		r.start = 0
	}
	if r.aheads > 0 {
		r.end += copy(r.buffer[r.end:], r.ahead[:r.aheads])
		r.aheads = 0
		return nil
	}
	if r.rawResult.n > 0 { // await has read into the buffer
		r.end, r.rawResult.n = r.rawResult.n, 0
		return nil
	}
	partial := r.end > r.start
	if partial {
		r.lease.arriving()
	}
	n, err := r.read(r.buffer[r.end:])
	r.end += n
	if partial {
		r.lease.arrived.Add(int64(n))
		err = unexpected(err)
	}
	return err
}

// await waits for the first byte of a frame without a buffer. It leaves bytes in
// ahead, or rawResult.n of them in a new buffer.
func (r *reader) await() error {
	for {
		var n int
		var err error
		if r.raw != nil {
			err = r.raw.Read(r.rawRead)
			if err == nil {
				n, err = r.rawResult.n, r.rawResult.err
			}
			if r.buffer == nil {
				r.aheads, r.rawResult.n = n, 0
			}
		} else {
			n, err = r.conn.Read(r.ahead[:])
			r.aheads = n
		}
		if n > 0 {
			r.touch()
			return nil
		}
		if err == nil {
			err = io.EOF
		}
		if err = r.timeout(err); err != nil {
			return err
		}
	}
}

// tryRead is called by the poller whenever there may be bytes. Only now is there
// a buffer, and only if there is memory for it.
func (r *reader) tryRead(fd uintptr) bool {
	to := r.ahead[:]
	if r.lease.tryReserve(readBuffer) {
		r.buffer = takeBuffer(readBuffer)
		to = r.buffer
	}
	n, err := readDescriptor(fd, to)
	if n <= 0 {
		n = 0
		r.dropBuffer()
	}
	if wouldBlock(err) {
		return false
	}
	r.rawResult.n, r.rawResult.err = n, err
	return true
}

// read reads at least one byte.
func (r *reader) read(p []byte) (int, error) {
	for {
		n, err := r.conn.Read(p)
		if n > 0 {
			r.touch()
			return n, nil
		}
		if err = r.timeout(err); err != nil {
			return 0, err
		}
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *reader) touch() { r.last.Store(time.Now().UnixNano()) }

// timeout decides what an error of a read means. The read deadline is moved only
// when it has passed, not with every request: nil means to read again.
func (r *reader) timeout(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if r.isStopping() {
		return errStopping
	}
	if time.Since(time.Unix(0, r.last.Load())) >= r.maxIdle {
		return errIdle
	}
	r.rearm()
	return nil
}

// rearm lets reads wait until the connection has been idle for too long.
func (r *reader) rearm() {
	r.deadline.Lock()
	defer r.deadline.Unlock()
	if !r.deadline.stopping {
		setReadDeadline(r.conn, time.Unix(0, r.last.Load()).Add(r.maxIdle))
	}
}

// interrupt makes a read that waits return; rearm is to follow.
func (r *reader) interrupt() {
	r.deadline.Lock()
	defer r.deadline.Unlock()
	setReadDeadline(r.conn, longAgo)
}

// stop makes reads that wait return errStopping, now and later.
func (r *reader) stop() {
	r.deadline.Lock()
	defer r.deadline.Unlock()
	r.deadline.stopping = true
	setReadDeadline(r.conn, longAgo)
}

func (r *reader) isStopping() bool {
	r.deadline.Lock()
	defer r.deadline.Unlock()
	return r.deadline.stopping
}

var longAgo = time.Unix(1, 0)

// setReadDeadline fails only on a closed connection, which the next read tells.
func setReadDeadline(conn net.Conn, t time.Time) { _ = conn.SetReadDeadline(t) }
