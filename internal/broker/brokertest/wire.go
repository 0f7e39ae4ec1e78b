package brokertest

import (
	"context"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/stromkafka/strom/internal/transport"
)

// wire is what connects one life of a node to the network, and can be cut: all
// connections and listeners close, as when a process dies.
type wire struct {
	transport.Network

	mu   sync.Mutex
	dead bool
	open map[io.Closer]bool
}

func (w *wire) cut() {
	w.mu.Lock()
	w.dead = true
	all := w.open
	w.open = map[io.Closer]bool{}
	w.mu.Unlock()
	for c := range all {
		_ = c.Close()
	}
}

// hold keeps a connection or listener for the cut.
func (w *wire) hold(c io.Closer) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.dead {
		w.open[c] = true
	}
	return !w.dead
}

func (w *wire) drop(c io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
}

// Listen implements transport.Network.
func (w *wire) Listen(addr string) (net.Listener, error) {
	l, err := w.Network.Listen(addr)
	if err != nil {
		return nil, err
	}
	out := &listener{Listener: l, wire: w}
	if !w.hold(l) {
		_ = l.Close()
		return nil, syscall.ENETDOWN
	}
	return out, nil
}

// Dial implements transport.Network.
func (w *wire) Dial(ctx context.Context, addr string) (net.Conn, error) {
	c, err := w.Network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return w.wrap(c)
}

func (w *wire) wrap(c net.Conn) (net.Conn, error) {
	if !w.hold(c) {
		_ = c.Close()
		return nil, syscall.ENETDOWN
	}
	return &conn{Conn: c, wire: w}, nil
}

type listener struct {
	net.Listener
	wire *wire
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.wire.wrap(c)
}

type conn struct {
	net.Conn
	wire *wire
}

func (c *conn) Close() error {
	c.wire.drop(c.Conn)
	return c.Conn.Close()
}

// CloseWrite is what a server ends a connection with that it still reads.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
