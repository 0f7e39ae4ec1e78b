package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/quota"
	"github.com/stromkafka/strom/internal/wire"
)

// conn is one connection. Its goroutine reads a frame, decodes it, calls the
// handler and writes the answer, one request after the other; only the answers of
// Pipelined requests are written by another.
type conn struct {
	server   *Server
	listener *Listener
	net      net.Conn
	id       string
	number   uint64
	addr     netip.Addr
	host     string
	port     string
	log      *slog.Logger
	software Software

	ctx    context.Context
	cancel context.CancelFunc
	failed sync.Once

	in       *reader
	watch    watch
	answers  answers
	out      []byte    // responses that are written together, see write
	writable time.Time // the write deadline that is set
}

// together is up to how many bytes responses are collected into one write.
const together = 16 << 10

func (s *Server) newConn(l *Listener, nc net.Conn, addr netip.Addr, number uint64) *conn {
	c := &conn{server: s, listener: l, net: nc, addr: addr, host: nc.RemoteAddr().String(), log: s.options.Log}
	if addr.IsValid() {
		c.host = addr.String()
		c.port = port(nc.RemoteAddr())
	}
	c.id, c.number = fmt.Sprintf("%v-%v-%d", nc.LocalAddr(), nc.RemoteAddr(), number), number
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	memory := &lease{budget: s.memory, evict: func() { c.fail(errSlow) }}
	if l.Internal {
		memory.budget = s.internalMemory
	}
	c.in = newReader(nc, memory, s.options.MaxFrame, s.options.MaxIdle)
	c.watch = watch{in: c.in, gone: c.fail}
	c.answers.write, c.answers.flush = c.respond, c.flush
	c.answers.changed.L = &c.answers.mu
	return c
}

func port(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return strconv.Itoa(tcp.Port)
	}
	return ""
}

var errSlow = errors.New("arrives too slowly while others wait for memory")

// serve handles requests until the connection ends, and closes it.
func (c *conn) serve() {
	defer c.in.close()
	defer c.cancel()
	defer c.net.Close()
	for {
		if !c.in.hasNext() && c.answers.idle() {
			c.flush(false)
		}
		f, err := c.in.next(c.ctx)
		if err == nil {
			err = c.dispatch(&f)
			c.in.release(&f)
		}
		if err == nil && c.in.isStopping() {
			err = errStopping
		}
		if err == nil {
			err = c.ctx.Err()
		}
		if errors.Is(err, errStopping) {
			c.answers.drain()
		}
		if err != nil {
			if c.answers.idle() {
				c.flush(false)
			}
			c.fail(err)
			c.answers.drain()
			return
		}
	}
}

// fail ends the connection; the first reason is logged. It may be called from any
// goroutine.
func (c *conn) fail(why error) {
	c.failed.Do(func() {
		level := slog.LevelInfo
		switch {
		case errors.Is(why, io.EOF), errors.Is(why, net.ErrClosed), errors.Is(why, errIdle), errors.Is(why, errStopping),
			errors.Is(why, context.Canceled), isReset(why):
			level = slog.LevelDebug
		}
		c.log.Log(context.Background(), level, "connection closed", "listener", c.listener.Name, "connection", c.id, "reason", why)
		c.cancel()
		c.net.Close()
	})
}

// dispatch handles one request. An error closes the connection.
func (c *conn) dispatch(f *frame) error {
	if len(f.data) < 8 {
		return fmt.Errorf("%w: a request of %d bytes", wire.ErrMalformed, len(f.data))
	}
	key := int16(binary.BigEndian.Uint16(f.data))
	version := int16(binary.BigEndian.Uint16(f.data[2:]))
	route, err := c.listener.Routes.find(key, version)
	if errors.Is(err, wire.ErrUnsupportedVersion) && key == wire.KeyApiVersions {
		c.refuseApiVersions(f, route)
		return nil
	}
	if err != nil {
		return err
	}
	received := time.Unix(0, c.in.last.Load())
	if route.begin == nil {
		c.in.detach(f)
	}
	header, body, err := wire.DecodeRequest(f.data)
	if err != nil {
		return fmt.Errorf("API key %d version %d: %w", key, version, err)
	}
	if asks, ok := body.(*wire.ApiVersionsRequest); ok {
		c.learnSoftware(asks)
	}
	r := &Request{Header: header, Body: body, Frame: f.data, Listener: c.listener.Name, Internal: c.listener.Internal,
		Principal: auth.Anonymous, ClientAddr: c.addr, ClientHost: c.host, ClientPort: c.port, ConnectionID: c.id, ConnectionNumber: c.number, Software: c.software, ReceivedAt: received}
	if route.begin != nil {
		return c.begin(route.begin, r, f)
	}
	return c.handle(route.handler, r, f)
}

// begin starts a request that may overlap earlier ones of its kind.
func (c *conn) begin(h Pipelined, r *Request, f *frame) error {
	c.answers.room()
	size := len(f.data)
	pending := h.Begin(c.ctx, r)
	c.in.release(f)
	if pending != nil {
		c.answers.add(c.ctx, answer{pending, r.Header, size}, c.in.hasNext())
	}
	return c.hold(c.charge(r, size, 0))
}

// handle answers a request once all before it are answered.
func (c *conn) handle(h Handler, r *Request, f *frame) error {
	c.watch.begin()
	c.answers.drain()
	c.flush(false)
	response := h.Handle(c.ctx, r)
	c.watch.end()
	size := len(f.data)
	written := c.respond(r.Header, response, false)
	c.in.release(f)
	return c.hold(c.charge(r, size, written))
}

func (c *conn) charge(r *Request, request, response int) time.Duration {
	client := quota.Client{User: r.Principal.Name, ID: r.ClientID()}
	cost := quota.Cost{APIKey: r.Header.APIKey, RequestBytes: int64(request), ResponseBytes: int64(response)}
	return c.server.options.Throttle.Charge(client, cost, r.ReceivedAt)
}

// hold reads nothing for a while.
func (c *conn) hold(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if c.answers.idle() {
		c.flush(false)
	}
	c.watch.begin()
	defer c.watch.end()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.server.stopping:
		return errStopping
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// respond writes a response and returns its size. The caller is the only one who
// writes. With more it may be held back until the next.
func (c *conn) respond(header wire.RequestHeader, response wire.Response, more bool) int {
	if response == Close {
		c.flush(false)
		c.fail(errors.New("the request failed and has no answer"))
		return 0
	}
	if response == nil || c.ctx.Err() != nil {
		c.flush(more)
		return 0
	}
	encoded, err := wire.EncodeResponse(header.CorrelationID, header.APIVersion, response)
	if err != nil {
		c.log.Error("response cannot be encoded", "key", header.APIKey, "version", header.APIVersion, "error", err)
		c.fail(err)
		return 0
	}
	defer encoded.Release()
	c.allowWrite()
	size := encoded.Len()
	if more && size <= together || len(c.out) > 0 && len(c.out)+size <= together {
		err = c.collect(encoded)
		c.flush(more)
	} else {
		c.flush(false)
		_, err = encoded.WriteTo(c.net)
	}
	if err != nil {
		c.fail(fmt.Errorf("write: %w", err))
	}
	return size
}

// collect keeps a small response to be written with those that follow.
func (c *conn) collect(encoded *wire.Frame) error {
	if len(c.out)+encoded.Len() > together {
		c.flush(false)
	}
	if c.out == nil {
		c.out = takeBuffer(together)[:0]
	}
	_, err := encoded.WriteTo((*appender)(&c.out))
	return err
}

// flush writes what was held back, unless more follows.
func (c *conn) flush(more bool) {
	if more || len(c.out) == 0 {
		return
	}
	if _, err := c.net.Write(c.out); err != nil {
		c.fail(fmt.Errorf("write: %w", err))
	}
	giveBuffer(c.out[:cap(c.out)])
	c.out = nil
}

// allowWrite gives a client that does not read half the idle time at least. The
// deadline is moved once in that time, not with every response.
func (c *conn) allowWrite() {
	now := time.Unix(0, c.in.last.Load())
	if c.writable.Sub(now) > c.server.options.MaxIdle/2 {
		return
	}
	c.writable = time.Now().Add(c.server.options.MaxIdle)
	_ = c.net.SetWriteDeadline(c.writable) // fails on a closed connection, as the write will
}

// appender collects what is written.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// refuseApiVersions answers an ApiVersions of a version from the future: at
// version 0, with the versions that may be asked instead (KIP-511). It is read no
// further than its correlation id.
func (c *conn) refuseApiVersions(f *frame, route *Route) {
	c.answers.drain()
	var response wire.ApiVersionsResponse
	response.Reset()
	response.ErrorCode = kerr.UnsupportedVersion.Code
	response.APIKeys = []wire.ApiVersionsResponseAPIKey{{APIKey: route.Key, MinVersion: route.Min, MaxVersion: route.Max}}
	c.respond(wire.RequestHeader{
		APIKey:        wire.KeyApiVersions,
		CorrelationID: int32(binary.BigEndian.Uint32(f.data[4:])),
	}, &response, false)
}

var softwarePattern = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

func (c *conn) learnSoftware(asks *wire.ApiVersionsRequest) {
	if softwarePattern.MatchString(asks.ClientSoftwareName) && softwarePattern.MatchString(asks.ClientSoftwareVersion) {
		c.software = Software{asks.ClientSoftwareName, asks.ClientSoftwareVersion}
	}
}
