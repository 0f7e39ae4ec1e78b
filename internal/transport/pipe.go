package transport

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// backlog is how many dialled connections wait for one Accept.
const backlog = 128

// Pipe is a network inside the process. Both directions of a connection hold up
// to a bound of bytes, as sockets do, so a write does not wait for the reader.
// Goroutines that wait in it are durably blocked in the sense of
// testing/synctest.
//
// Dialling an address that nobody listens on is ECONNREFUSED, listening twice on
// one is EADDRINUSE. Listening on an address that ends in ":0" picks a free one.
type Pipe struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
	ports     int // handed out so far
	dialled   int
}

// NewPipe is a network without listeners.
func NewPipe() *Pipe { return &Pipe{listeners: map[string]*pipeListener{}} }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

// Listen implements Network.
func (p *Pipe) Listen(addr string) (net.Listener, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if host, port, err := net.SplitHostPort(addr); err == nil && port == "0" {
		p.ports++
		addr = net.JoinHostPort(host, strconv.Itoa(p.ports))
	}
	if p.listeners[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "pipe", Addr: pipeAddr(addr), Err: syscall.EADDRINUSE}
	}
	l := &pipeListener{pipe: p, addr: pipeAddr(addr), arrived: make(chan net.Conn, backlog), closed: make(chan struct{})}
	p.listeners[addr] = l
	return l, nil
}

// Dial implements Network. The dialler's own address is pipe-N.
func (p *Pipe) Dial(ctx context.Context, addr string) (net.Conn, error) {
	p.mu.Lock()
	l := p.listeners[addr]
	p.dialled++
	local := pipeAddr(fmt.Sprintf("pipe-%d", p.dialled))
	p.mu.Unlock()
	failed := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: pipeAddr(addr), Err: err}
	}
	if l == nil {
		return failed(syscall.ECONNREFUSED)
	}
	here, there := connect(local, pipeAddr(addr))
	select {
	case l.arrived <- there:
	case <-l.closed:
		return failed(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return failed(ctx.Err())
	}
	// A Close between the send and now may have missed it in the queue.
	select {
	case <-l.closed:
		l.refuseQueued()
	default:
	}
	return here, nil
}

type pipeListener struct {
	pipe    *Pipe
	addr    pipeAddr
	arrived chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func (l *pipeListener) Addr() net.Addr { return l.addr }

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case conn := <-l.arrived:
			return conn, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "pipe", Addr: l.addr, Err: net.ErrClosed}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() {
		l.pipe.mu.Lock()
		delete(l.pipe.listeners, string(l.addr))
		l.pipe.mu.Unlock()
		close(l.closed)
		l.refuseQueued()
	})
	return nil
}

func (l *pipeListener) refuseQueued() {
	for {
		select {
		case conn := <-l.arrived:
			conn.Close()
		default:
			return
		}
	}
}
