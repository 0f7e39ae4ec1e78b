package simtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/transport"
)

// Network joins hosts by name: an address is host:port, and all that goes from
// one host to another crosses a link of that direction. A link that is cut holds
// what is sent until it is mended, as TCP does, without a word to either end.
// A host without power is silent; once it is back, it knows nothing of its old
// connections, and they break.
type Network struct {
	pipe *transport.Pipe

	mu      sync.Mutex
	changed notify.Signal
	cut     map[link]bool
	refused map[link]bool          // connections are refused
	delays  map[link]time.Duration // beyond the usual
	dark    map[string]bool        // hosts without power
	pairs   int
}

// link is one direction between two hosts.
type link struct{ from, to string }

// usualDelay is how long everything takes from host to host.
const usualDelay = 200 * time.Microsecond

// NewNetwork is a network where everybody hears everybody.
func NewNetwork() *Network {
	return &Network{pipe: transport.NewPipe(), cut: map[link]bool{}, refused: map[link]bool{}, delays: map[link]time.Duration{}, dark: map[string]bool{}}
}

// Cut cuts or mends the link in one direction.
func (n *Network) Cut(from, to string, cut bool) {
	n.change(func() { n.cut[link{from, to}] = cut })
}

// Refuse has connections from one host to another refused, as if nobody
// listened there.
func (n *Network) Refuse(from, to string, refuse bool) {
	n.change(func() { n.refused[link{from, to}] = refuse })
}

// Delay makes a link slower.
func (n *Network) Delay(from, to string, delay time.Duration) {
	n.change(func() { n.delays[link{from, to}] = delay })
}

// Power takes a host's power away, or gives it back.
func (n *Network) Power(host string, on bool) { n.change(func() { n.dark[host] = !on }) }

// Heal mends every link. Power is not its affair.
func (n *Network) Heal() {
	n.change(func() {
		clear(n.cut)
		clear(n.refused)
		clear(n.delays)
	})
}

func (n *Network) change(do func()) {
	n.mu.Lock()
	do()
	n.mu.Unlock()
	n.changed.Notify()
}

// await waits until a link lets things through; false if given ends before.
func (n *Network) await(l link, given <-chan struct{}) bool {
	for {
		changed := n.changed.Wait()
		n.mu.Lock()
		open := !n.cut[l] && !n.dark[l.from] && !n.dark[l.to]
		delay := usualDelay + n.delays[l]
		n.mu.Unlock()
		if open {
			time.Sleep(delay)
			return true
		}
		select {
		case <-changed:
		case <-given:
			return false
		}
	}
}

func (n *Network) refuses(l link) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refused[l]
}

// Host is what one life of a host sees of the network.
type Host struct {
	network *Network
	name    string
	over    chan struct{} // closed at the end of this life

	mu        sync.Mutex
	ended     bool
	listeners []net.Listener
	conns     []net.Conn // this host's ends
}

// Host begins a life of a host.
func (n *Network) Host(name string) *Host {
	return &Host{network: n, name: name, over: make(chan struct{})}
}

// Listen implements transport.Network.
func (h *Host) Listen(addr string) (net.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil, errOver
	}
	l, err := h.network.pipe.Listen(addr)
	if err == nil {
		h.listeners = append(h.listeners, l)
		l = &hostListener{l, h}
	}
	return l, err
}

// errOver is what is left of the network after a life.
var errOver = errors.New("this host's life is over")

// hostListener knows which connections end with its host's life.
type hostListener struct {
	net.Listener
	host *Host
}

func (l *hostListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil && !l.host.own(conn) {
		return nil, errOver
	}
	return conn, err
}

// own has a connection end with this life; false if that is over.
func (h *Host) own(conn net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		conn.Close()
		return false
	}
	h.conns = append(h.conns, conn)
	return true
}

// End ends this life: its listeners and its ends of all connections are closed.
// The far ends hear of it once the link to them lets that through.
func (h *Host) End() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	h.ended = true
	close(h.over)
	for _, l := range h.listeners {
		l.Close()
	}
	for _, c := range h.conns {
		c.Close()
	}
}

// Dial implements transport.Network.
func (h *Host) Dial(ctx context.Context, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	n, there, back := h.network, link{h.name, host}, link{host, h.name}
	failed := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "sim", Err: fmt.Errorf("%s: %w", addr, err)}
	}
	given, stop := either(ctx.Done(), h.over)
	defer stop()
	if !n.await(there, given) || !n.await(back, given) {
		if ctx.Err() == nil {
			return failed(errOver)
		}
		return failed(fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, ctx.Err()))
	}
	if n.refuses(there) {
		return failed(syscall.ECONNREFUSED)
	}
	far, err := n.pipe.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	near, inner, err := n.pair()
	if err != nil {
		far.Close()
		return failed(err)
	}
	go n.pump(inner, far, there)
	go n.pump(far, inner, back)
	if !h.own(near) {
		return failed(errOver)
	}
	return near, nil
}

// either is closed when one of two channels is, or at stop.
func either(a, b <-chan struct{}) (<-chan struct{}, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-a:
		case <-b:
		case <-ctx.Done():
		}
		cancel()
	}()
	return ctx.Done(), cancel
}

// pair is two ends of a connection without a network between them.
func (n *Network) pair() (net.Conn, net.Conn, error) {
	n.mu.Lock()
	n.pairs++
	name := fmt.Sprintf("pair-%d", n.pairs)
	n.mu.Unlock()
	l, err := n.pipe.Listen(name)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	a, err := n.pipe.Dial(context.Background(), name)
	if err != nil {
		return nil, nil, err
	}
	b, err := l.Accept()
	return a, b, err
}

// pump carries bytes over a link, and at last the end of the connection. It lives
// until the link lets that end through.
func (n *Network) pump(from, to net.Conn, over link) {
	buffer := make([]byte, 64<<10)
	for {
		size, err := from.Read(buffer)
		n.await(over, nil)
		if size > 0 && err == nil {
			_, err = to.Write(buffer[:size])
		}
		if err != nil {
			to.Close()
			from.Close()
			return
		}
	}
}

// between are all links from some hosts to others and back.
func between(some, others []string) []link {
	var all []link
	for _, a := range some {
		for _, b := range others {
			if a != b && !slices.Contains(some, b) {
				all = append(all, link{a, b}, link{b, a})
			}
		}
	}
	return all
}

var _ transport.Network = (*Host)(nil)
