package server

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handlerFunc and pipelinedFunc are handlers made of one function.
type handlerFunc func(ctx context.Context, r *Request) wire.Response

func (f handlerFunc) Handle(ctx context.Context, r *Request) wire.Response { return f(ctx, r) }

type pipelinedFunc func(ctx context.Context, r *Request) Pending

func (f pipelinedFunc) Begin(ctx context.Context, r *Request) Pending { return f(ctx, r) }

// running is a server on a network, with one listener named by its kind.
type running struct {
	*Server
	t       testing.TB
	network transport.Network
	stop    func() // and wait until it has stopped
}

// serve runs a server with the routes on its broker listener, until stopped or
// the test ends.
func serve(t testing.TB, network transport.Network, routes *Routes, change func(*Options)) *running {
	t.Helper()
	options := Options{Network: network, Listeners: []Listener{{Name: "PLAINTEXT", Address: "127.0.0.1:0", Routes: routes}}}
	if change != nil {
		change(&options)
	}
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	r := &running{Server: s, t: t, network: network}
	r.stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
			if used := s.Memory().Used(); used != 0 {
				t.Errorf("%d bytes of memory are still reserved", used)
			}
		}
	}
	t.Cleanup(r.stop)
	return r
}

// client is one connection of a client.
type client struct {
	net.Conn
	t testing.TB
}

func (r *running) dial() *client {
	r.t.Helper()
	conn, err := r.network.Dial(context.Background(), r.bound[0].Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return &client{conn, r.t}
}

// encode is a request as it is sent, length first.
func encode(t testing.TB, version int16, correlation int32, request wire.Request) []byte {
	t.Helper()
	id := "client"
	f, err := wire.EncodeRequest(&wire.RequestHeader{APIKey: request.Key(), APIVersion: version, CorrelationID: correlation, ClientID: &id}, request)
	if err != nil {
		t.Fatal(err)
	}
	var out appender
	if _, err := f.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// receive is the next frame, without its length.
func (c *client) receive() []byte {
	c.t.Helper()
	b, err := c.tryReceive()
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

func (c *client) tryReceive() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(c, b)
	return b, err
}

// closedByServer fails unless the connection ends without another byte.
func (c *client) closedByServer() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Hour))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
		c.t.Fatalf("read %d bytes, %v from a connection that should be closed", n, err)
	}
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}

func correlation(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }

// produce is a request of about size bytes.
func produce(t testing.TB, correlation int32, size int) []byte {
	var r wire.ProduceRequest
	r.Reset()
	r.Acks = -1
	r.TopicData = []wire.ProduceRequestTopicData{{Name: "t", PartitionData: []wire.ProduceRequestPartitionData{
		{Index: 0, Records: wire.BytesRecords(make([]byte, size))}}}}
	return encode(t, 9, correlation, &r)
}

func metadata(t testing.TB, correlation int32) []byte {
	var r wire.MetadataRequest
	r.Reset()
	return encode(t, 9, correlation, &r)
}

func metadataAnswer() wire.Response {
	r := new(wire.MetadataResponse)
	r.Reset()
	return r
}

func produceAnswer() wire.Response {
	r := new(wire.ProduceResponse)
	r.Reset()
	return r
}
