package transport

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/stromkafka/strom/internal/notify"
)

// streamBound is how many bytes one direction of a connection holds.
const streamBound = 256 << 10

// stream is one direction of a connection: bytes written and not yet read.
//
// Invariant: 0 <= len(held) <= streamBound, and read <= len(held).
type stream struct {
	mu      sync.Mutex
	held    []byte
	read    int   // of held, taken by the reader
	ended   error // what a read returns once held is empty; nil while open
	broken  error // what a write returns; nil while the reader is there
	changed notify.Signal
}

// pipeConn is one end of a connection.
type pipeConn struct {
	local, remote net.Addr
	in, out       *stream
	reading       deadline
	writing       deadline
	closed        chan struct{}
	once          sync.Once
}

// connect makes the two ends of a connection.
func connect(a, b net.Addr) (net.Conn, net.Conn) {
	there, back := &stream{}, &stream{}
	return &pipeConn{local: a, remote: b, in: back, out: there, closed: make(chan struct{})},
		&pipeConn{local: b, remote: a, in: there, out: back, closed: make(chan struct{})}
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *pipeConn) Read(p []byte) (int, error) {
	for {
		changed, expired := c.in.changed.Wait(), c.reading.wait()
		if err := c.usable(expired); err != nil {
			return 0, c.failed("read", err)
		}
		if n, err := c.in.take(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		select {
		case <-changed:
		case <-expired:
		case <-c.closed:
		}
	}
}

func (c *pipeConn) Write(p []byte) (int, error) {
	total := 0
	for {
		changed, expired := c.out.changed.Wait(), c.writing.wait()
		if err := c.usable(expired); err != nil {
			return total, c.failed("write", err)
		}
		n, err := c.out.put(p[total:])
		total += n
		if err != nil {
			return total, c.failed("write", err)
		}
		if total == len(p) {
			return total, nil
		}
		if n > 0 {
			continue
		}
		select {
		case <-changed:
		case <-expired:
		case <-c.closed:
		}
	}
}

// usable is why the end cannot be used.
func (c *pipeConn) usable(expired <-chan struct{}) error {
	select {
	case <-c.closed:
		return net.ErrClosed
	case <-expired:
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

func (c *pipeConn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "pipe", Source: c.local, Addr: c.remote, Err: err}
}

// Close lets the peer read what was written before it, and then io.EOF.
func (c *pipeConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.out.end(io.EOF, nil)
		c.in.end(nil, syscall.EPIPE)
		c.reading.set(time.Time{})
		c.writing.set(time.Time{})
	})
	return nil
}

// CloseWrite ends what the peer reads, as TCP's does.
func (c *pipeConn) CloseWrite() error {
	c.out.end(io.EOF, syscall.EPIPE)
	return nil
}

func (c *pipeConn) SetDeadline(t time.Time) error {
	c.reading.set(t)
	c.writing.set(t)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.reading.set(t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.writing.set(t)
	return nil
}

// take moves held bytes into p; 0 and nil when there are none yet.
func (s *stream) take(p []byte) (int, error) {
	s.mu.Lock()
	n := copy(p, s.held[s.read:])
	s.read += n
	if s.read == len(s.held) {
		s.held, s.read = s.held[:0], 0
	}
	var err error
	if n == 0 {
		err = s.ended
	}
	s.mu.Unlock()
	if n > 0 {
		s.changed.Notify()
	}
	return n, err
}

// put holds as much of p as there is room for.
func (s *stream) put(p []byte) (int, error) {
	s.mu.Lock()
	if s.broken != nil {
		s.mu.Unlock()
		return 0, s.broken
	}
	n := min(len(p), streamBound-(len(s.held)-s.read))
	if n > 0 && s.read > 0 {
		s.held = append(s.held[:0], s.held[s.read:]...)
		s.read = 0
	}
	s.held = append(s.held, p[:n]...)
	s.mu.Unlock()
	if n > 0 {
		s.changed.Notify()
	}
	return n, nil
}

// end sets what later reads and writes return; nil leaves it as it is.
func (s *stream) end(ended, broken error) {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = ended
	}
	if s.broken == nil {
		s.broken = broken
	}
	s.mu.Unlock()
	s.changed.Notify()
}

// deadline is a moment that can be moved while somebody waits for it. The zero
// value never comes.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{} // closed at the deadline
}

// wait is closed when the deadline has passed.
func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expired == nil {
		d.expired = make(chan struct{})
	}
	return d.expired
}

// set moves the deadline; the zero time is never. A timer that fires while it is
// being replaced closes the channel it was set for, which by then is nobody's
// deadline any more: who waits on it looks again and finds the new one.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fired := d.timer != nil && !d.timer.Stop()
	d.timer = nil
	if fired || d.expired == nil || isClosed(d.expired) {
		d.expired = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	expired := d.expired
	wait := time.Until(t)
	if wait <= 0 {
		close(expired)
		return
	}
	d.timer = time.AfterFunc(wait, func() { close(expired) })
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
