// Package link is one connection to another node: frames, requests sent without
// waiting for the answers before them, and the versions both sides speak.
//
// A Link is made by Dial and lives until an error or Close; whoever owns it
// makes the next one. Answers come in the order of the requests, as Apache Kafka
// gives them; each is checked to carry the correlation id of its request.
package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// ErrClosed is the error of a link that its owner has closed.
var ErrClosed = errors.New("connection is closed")

// Options say how to connect. The zero value of a bound is its default.
type Options struct {
	Network  transport.Network
	Address  string
	ClientID string
	// MaxInFlight is how many requests may wait for their answer; a further one
	// waits to be sent. Default 5.
	MaxInFlight int
	// MaxResponse bounds the size of an answer. Default 100 MiB.
	MaxResponse int
	// Timeout is how long an answer may take before the connection counts as
	// dead. It must be longer than any answer may be held back. Default 30 s.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxInFlight == 0 {
		o.MaxInFlight = 5
	}
	if o.MaxResponse == 0 {
		o.MaxResponse = 100 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	return o
}

// Link is a connection in use. All methods may be called concurrently.
type Link struct {
	opts Options
	conn net.Conn
	peer peer

	slots   chan struct{} // one element for each request in flight
	writing chan struct{} // one element while a request is written

	done chan struct{} // closed with err set

	mu      sync.Mutex
	next    int32   // correlation id
	pending []*Call // in the order of their requests
	err     error
}

// Dial connects and asks the node what it speaks.
func Dial(ctx context.Context, o Options) (*Link, error) {
	o = o.withDefaults()
	conn, err := o.Network.Dial(ctx, o.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Address, err)
	}
	l := &Link{opts: o, conn: conn, done: make(chan struct{}),
		slots: make(chan struct{}, o.MaxInFlight), writing: make(chan struct{}, 1)}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // wakes the handshake
	err = l.handshake(time.Now().Add(o.Timeout))
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet %s: %w", o.Address, err)
	}
	go l.read()
	return l, nil
}

// Call is a request that was sent.
type Call struct {
	key, version  int16
	correlationID int32
	sent          time.Time
	answered      chan struct{} // closed with response or err set
	response      wire.Response
	err           error
	link          *Link
}

// Wait is the answer, once it is there. A caller that gives up leaves the
// request in flight: its answer is thrown away when it comes.
func (c *Call) Wait(ctx context.Context) (wire.Response, error) {
	select {
	case <-c.answered:
		return c.response, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("request to %s: %w", c.link.opts.Address, ctx.Err())
	}
}

// Answered is closed once the answer, or the link's end, is there: Wait does not
// block then.
func (c *Call) Answered() <-chan struct{} { return c.answered }

// Do sends a request at the highest version both sides speak and waits for its
// answer.
func (l *Link) Do(ctx context.Context, r wire.Request) (wire.Response, error) {
	call, err := l.Send(ctx, r)
	if err != nil {
		return nil, err
	}
	return call.Wait(ctx)
}

// Send sends a request at the highest version both sides speak. Requests of one
// goroutine are sent, and answered, in order.
func (l *Link) Send(ctx context.Context, r wire.Request) (*Call, error) {
	version, err := l.peer.version(r.Key())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.opts.Address, err)
	}
	return l.SendVersion(ctx, version, r)
}

// SendVersion sends a request at a version that the caller has chosen.
//
// Cancelling ctx while the request is being written breaks the link, since half
// a request cannot be taken back.
func (l *Link) SendVersion(ctx context.Context, version int16, r wire.Request) (*Call, error) {
	if err := l.acquire(ctx, l.slots); err != nil {
		return nil, err
	}
	if err := l.acquire(ctx, l.writing); err != nil {
		<-l.slots
		return nil, err
	}
	defer func() { <-l.writing }()
	call, frame, err := l.enqueue(version, r)
	if err != nil {
		<-l.slots
		return nil, err
	}
	defer frame.Release()
	stop := context.AfterFunc(ctx, func() { l.fail(fmt.Errorf("request cut short: %w", ctx.Err())) })
	_, err = frame.WriteTo(l.conn)
	stop()
	if err != nil {
		l.fail(fmt.Errorf("send to %s: %w", l.opts.Address, err))
		return nil, l.Err()
	}
	return call, nil
}

// acquire puts an element into a semaphore, unless the link or ctx ends first.
func (l *Link) acquire(ctx context.Context, semaphore chan struct{}) error {
	select {
	case <-l.done: // an ended link is told even if there is room
		return l.Err()
	default:
	}
	select {
	case semaphore <- struct{}{}:
		return nil
	case <-l.done:
		return l.Err()
	case <-ctx.Done():
		return fmt.Errorf("request to %s: %w", l.opts.Address, ctx.Err())
	}
}

// enqueue gives a request its place among the pending ones. The caller holds
// the writing semaphore, so requests are written in the order of the queue.
func (l *Link) enqueue(version int16, r wire.Request) (*Call, *wire.Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, nil, l.err
	}
	call := &Call{key: r.Key(), version: version, correlationID: l.next, sent: time.Now(), answered: make(chan struct{}), link: l}
	frame, err := wire.EncodeRequest(l.header(call.key, version, call.correlationID), r)
	if err != nil {
		return nil, nil, fmt.Errorf("encode request %d to %s: %w", call.key, l.opts.Address, err)
	}
	l.next++
	l.pending = append(l.pending, call)
	if len(l.pending) == 1 {
		_ = l.conn.SetReadDeadline(call.sent.Add(l.opts.Timeout)) // fails on a closed connection only, which the reader notices
	}
	return call, frame, nil
}

func (l *Link) header(key, version int16, correlationID int32) *wire.RequestHeader {
	return &wire.RequestHeader{APIKey: key, APIVersion: version, CorrelationID: correlationID, ClientID: &l.opts.ClientID}
}

// read takes answers until the link ends.
func (l *Link) read() {
	for {
		frame, err := readFrame(l.conn, l.opts.MaxResponse)
		if err != nil {
			l.fail(fmt.Errorf("receive from %s: %w", l.opts.Address, err))
			return
		}
		if err := l.answer(frame); err != nil {
			l.fail(fmt.Errorf("answer of %s: %w", l.opts.Address, err))
			return
		}
	}
}

// answer gives a frame to the oldest pending request. An answer that cannot be
// decoded ends the link, since it is not known what else the peer gets wrong.
func (l *Link) answer(frame []byte) error {
	call := l.dequeue()
	if call == nil {
		return errors.New("there is no request for it")
	}
	correlationID, response, err := wire.DecodeResponse(call.key, call.version, frame)
	if err == nil && correlationID != call.correlationID {
		err = fmt.Errorf("correlation id %d, want %d", correlationID, call.correlationID)
	}
	call.response, call.err = response, err
	close(call.answered)
	<-l.slots
	return err
}

func (l *Link) dequeue() *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		return nil
	}
	call := l.pending[0]
	l.pending[0] = nil
	l.pending = l.pending[1:]
	var deadline time.Time
	if len(l.pending) > 0 {
		deadline = l.pending[0].sent.Add(l.opts.Timeout)
	}
	_ = l.conn.SetReadDeadline(deadline) // as in enqueue
	return call
}

// fail ends the link; the first reason counts. Every pending request gets it.
func (l *Link) fail(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	pending := l.pending
	l.pending = nil
	l.mu.Unlock()
	close(l.done)
	l.conn.Close()
	for _, call := range pending {
		call.err = err
		close(call.answered)
	}
}

// Close ends the link. Pending requests get ErrClosed.
func (l *Link) Close() { l.fail(ErrClosed) }

// Done is closed when the link has ended.
func (l *Link) Done() <-chan struct{} { return l.done }

// Err is why the link has ended; nil while it lives.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// RemoteAddr is where the link goes, as the network names it.
func (l *Link) RemoteAddr() net.Addr { return l.conn.RemoteAddr() }

// firstRead is how much of a frame gets memory before any of it has arrived.
const firstRead = 64 << 10

// readFrame reads a frame without its length. Memory grows with what arrives,
// not with what the length announces.
func readFrame(r io.Reader, limit int) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(length[:])))
	if size < 0 || size > limit {
		return nil, fmt.Errorf("frame of %d bytes, more than %d", size, limit)
	}
	frame := make([]byte, 0, min(size, firstRead))
	for len(frame) < size {
		if len(frame) == cap(frame) {
			grown := make([]byte, len(frame), min(size, 2*cap(frame)))
			copy(grown, frame)
			frame = grown
		}
		n, err := io.ReadFull(r, frame[len(frame):min(size, cap(frame))])
		frame = frame[:len(frame)+n]
		if err != nil {
			return nil, err
		}
	}
	return frame, nil
}
