// Package server is the way in: it listens, reads requests, calls their handlers
// in the order that Kafka's clients rely on, and writes the answers.
//
// Of one connection one request is handled at a time. Only a request whose handler
// is Pipelined (Produce) may overlap earlier ones of that kind; their answers are
// still written in order. Memory for requests comes from a Budget.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/quota"
	"github.com/stromkafka/strom/internal/transport"
)

// Options say what to serve and within which bounds. Zero bounds become Kafka's
// defaults, or Strom's where Kafka has none.
type Options struct {
	Listeners []Listener
	Network   transport.Network
	Log       *slog.Logger
	Throttle  quota.Throttle // nil never holds back

	MaxFrame       int32         // socket.request.max.bytes
	MaxIdle        time.Duration // connections.max.idle.ms
	Limits         Limits        // of connections; see Server.Limit
	Memory         int64         // for requests of clients, queued.max.request.bytes
	InternalMemory int64         // for requests of nodes
	Stall          time.Duration // how long a frame may stall while others wait for memory
	Drain          time.Duration // how long a stop waits for requests in flight
}

func (o Options) withDefaults() Options {
	def(&o.Log, slog.New(slog.DiscardHandler))
	def(&o.MaxFrame, 100<<20)
	def(&o.MaxIdle, 10*time.Minute)
	def(&o.Memory, 256<<20)
	def(&o.InternalMemory, 64<<20)
	def(&o.Stall, 10*time.Second)
	def(&o.Drain, 5*time.Second)
	if o.Throttle == nil {
		o.Throttle = quota.Unlimited{}
	}
	return o
}

func def[T comparable](v *T, value T) {
	if *v == *new(T) {
		*v = value
	}
}

// Server accepts and serves connections.
type Server struct {
	options        Options
	bound          []net.Listener // one for each of options.Listeners
	memory         *Budget
	internalMemory *Budget
	limits         *connections

	ctx      context.Context // of all requests; done at the end of a stop
	cancel   context.CancelFunc
	stopping chan struct{} // closed when a stop begins

	mu      sync.Mutex
	conns   map[*conn]struct{}
	numbers uint64
	serving sync.WaitGroup
}

// New listens on all addresses; clients can connect and wait. Run serves them.
func New(options Options) (*Server, error) {
	s := &Server{options: options.withDefaults(), stopping: make(chan struct{}), conns: map[*conn]struct{}{}}
	s.memory = NewBudget(s.options.Memory, s.options.Stall)
	s.internalMemory = NewBudget(s.options.InternalMemory, s.options.Stall)
	s.limits = newConnections(s.options.Limits)
	for _, l := range s.options.Listeners {
		bound, err := s.options.Network.Listen(l.Address)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("listener %s: %w", l.Name, err)
		}
		s.bound = append(s.bound, bound)
	}
	return s, nil
}

// Addr is the address that the listener of that name is bound to; nil if there is
// none.
func (s *Server) Addr(name string) net.Addr {
	for i, l := range s.options.Listeners {
		if l.Name == name {
			return s.bound[i].Addr()
		}
	}
	return nil
}

// Limit sets other limits of connections than those that the server was made with.
func (s *Server) Limit(limits Limits) { s.limits.change(limits) }

// Memory is the budget of clients' requests.
func (s *Server) Memory() *Budget { return s.memory }

// Close stops listening. Use it when Run was never called.
func (s *Server) Close() {
	for _, l := range s.bound {
		l.Close()
	}
}

// Run serves until ctx is done. Then it stops: no new connections, no new
// requests; those in flight may finish within Options.Drain; all connections are
// closed. It returns when every handler has returned.
func (s *Server) Run(ctx context.Context) error {
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer s.cancel()
	var accepting sync.WaitGroup
	accepts, stopAccepting := context.WithCancel(ctx)
	defer stopAccepting()
	failed := make(chan error, len(s.bound))
	for i := range s.bound {
		accepting.Go(func() {
			if err := s.accept(accepts, s.bound[i], &s.options.Listeners[i]); err != nil {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stopAccepting()
	s.Close()
	accepting.Wait()
	s.drain()
	return err
}

// drain lets requests in flight finish, for a while.
func (s *Server) drain() {
	close(s.stopping)
	s.each(func(c *conn) { c.in.stop() })
	done := make(chan struct{})
	go func() {
		s.serving.Wait()
		close(done)
	}()
	timer := time.NewTimer(s.options.Drain)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	s.cancel()
	s.each(func(c *conn) { c.fail(errStopping) })
	<-done
}

func (s *Server) each(do func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		do(c)
	}
}

// accept takes connections until the listener is closed.
func (s *Server) accept(ctx context.Context, bound net.Listener, l *Listener) error {
	const patience = time.Second
	wait := 5 * time.Millisecond
	for {
		nc, err := bound.Accept()
		if errors.Is(err, net.ErrClosed) && ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
		if err != nil {
			// No descriptors left, or a client that was gone already. Both pass.
			s.options.Log.Error("cannot accept", "listener", l.Name, "error", err)
			if !sleep(ctx, wait) {
				return nil
			}
			wait = min(2*wait, patience)
			continue
		}
		wait = 5 * time.Millisecond
		s.admit(ctx, nc, l)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// admit serves a connection, or closes it when there are too many.
func (s *Server) admit(ctx context.Context, nc net.Conn, l *Listener) {
	var addr netip.Addr
	if tcp, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		addr = tcp.AddrPort().Addr().Unmap()
	}
	if err := s.limits.enter(ctx, addr, l); err != nil {
		if ctx.Err() == nil {
			s.options.Log.Info("connection refused", "listener", l.Name, "remote", nc.RemoteAddr().String(), "reason", err)
		}
		nc.Close()
		return
	}
	s.mu.Lock()
	s.numbers++
	c := s.newConn(l, nc, addr, s.numbers)
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.serving.Go(func() {
		defer s.limits.leave(addr, l)
		defer s.forget(c)
		c.serve()
	})
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}
