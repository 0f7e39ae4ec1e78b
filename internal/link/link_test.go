package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// node is a peer that greets and then hands its requests to the test.
type node struct {
	listener net.Listener
	versions []wire.ApiVersionsResponseAPIKey
	old      bool // speaks ApiVersions up to 0 only
	requests chan request
}

type request struct {
	wire.RequestHeader
	body wire.Request
	conn net.Conn
}

func (r request) answer(t *testing.T, response wire.Response) {
	t.Helper()
	r.answerAs(t, r.CorrelationID, response)
}

func (r request) answerAs(t *testing.T, correlationID int32, response wire.Response) {
	t.Helper()
	frame, err := wire.EncodeResponse(correlationID, r.APIVersion, response)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := frame.WriteTo(r.conn); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, network transport.Network, address string) *node {
	t.Helper()
	listener, err := network.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	n := &node{listener: listener, requests: make(chan request, 100), versions: []wire.ApiVersionsResponseAPIKey{
		{APIKey: wire.KeyApiVersions, MaxVersion: 4}, {APIKey: wire.KeyBrokerHeartbeat, MaxVersion: 1}, {APIKey: wire.KeyInitProducerId, MaxVersion: 9}, {APIKey: wire.KeyFetch, MinVersion: 90, MaxVersion: 91},
	}}
	go n.accept(t)
	return n
}

func (n *node) accept(t *testing.T) {
	for {
		conn, err := n.listener.Accept()
		if err != nil {
			return
		}
		go n.serve(t, conn)
	}
}

func (n *node) serve(t *testing.T, conn net.Conn) {
	defer conn.Close()
	for {
		frame, err := readFrame(conn, 1<<20)
		if err != nil {
			return
		}
		header, body, err := wire.DecodeRequest(frame)
		if err != nil {
			t.Error(err)
			return
		}
		r := request{header, body, conn}
		if header.APIKey != wire.KeyApiVersions {
			n.requests <- r
			continue
		}
		response := &wire.ApiVersionsResponse{}
		response.Reset()
		response.APIKeys = n.versions
		if n.old && header.APIVersion > 0 {
			response.ErrorCode = kerr.UnsupportedVersion.Code
			response.APIKeys = []wire.ApiVersionsResponseAPIKey{{APIKey: wire.KeyApiVersions}}
			r.APIVersion = 0
		} else if header.APIVersion >= 3 {
			response.SupportedFeatures = []wire.ApiVersionsResponseSupportedFeature{{Name: "kraft.version", MaxVersion: 1}}
		}
		r.answer(t, response)
	}
}

func heartbeat(id int32) *wire.BrokerHeartbeatRequest {
	r := &wire.BrokerHeartbeatRequest{}
	r.Reset()
	r.BrokerID = id
	return r
}

func heard(code int16) *wire.BrokerHeartbeatResponse {
	r := &wire.BrokerHeartbeatResponse{}
	r.Reset()
	r.ErrorCode = code
	return r
}

func dial(t *testing.T, o Options) *Link {
	t.Helper()
	o.ClientID = "test"
	l, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestPipelineOverTCP(t *testing.T) {
	n := start(t, transport.TCP(), "127.0.0.1:0")
	l := dial(t, Options{Network: transport.TCP(), Address: n.listener.Addr().String()})
	var calls []*Call
	for id := range int32(3) {
		call, err := l.Send(t.Context(), heartbeat(id))
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	for id := range int32(3) {
		r := <-n.requests
		if r.body.(*wire.BrokerHeartbeatRequest).BrokerID != id || r.APIVersion != 1 || *r.ClientID != "test" {
			t.Errorf("%+v", r)
		}
		r.answer(t, heard(int16(id)))
	}
	for id, call := range calls {
		response, err := call.Wait(t.Context())
		if err != nil || response.(*wire.BrokerHeartbeatResponse).ErrorCode != int16(id) {
			t.Errorf("%v %v", response, err)
		}
	}
}

func TestVersions(t *testing.T) {
	network := transport.NewPipe()
	start(t, network, "node")
	l := dial(t, Options{Network: network, Address: "node"})
	if v, err := l.Version(wire.KeyInitProducerId); v != 5 || err != nil { // 6 is not stable
		t.Error(v, err)
	}
	for key, want := range map[int16]string{wire.KeyFetch: "serves versions 90 to 91", wire.KeyVote: "does not serve Vote", 999: "not known here"} {
		if _, err := l.Version(key); !errors.Is(err, kerr.UnsupportedVersion) || !strings.Contains(err.Error(), want) {
			t.Error(err)
		}
	}
	if r, ok := l.Feature("kraft.version"); !ok || r != (VersionRange{0, 1}) {
		t.Error(r, ok)
	}
}

// KIP-511: a node that does not know the version of ApiVersions answers at
// version 0 and tells which it knows.
func TestOldNode(t *testing.T) {
	network := transport.NewPipe()
	start(t, network, "node").old = true
	l := dial(t, Options{Network: network, Address: "node"})
	if v, err := l.Version(wire.KeyBrokerHeartbeat); v != 1 || err != nil {
		t.Error(v, err)
	}
}

func TestWrongOrderEndsTheLink(t *testing.T) {
	network := transport.NewPipe()
	n := start(t, network, "node")
	l := dial(t, Options{Network: network, Address: "node"})
	call, err := l.Send(t.Context(), heartbeat(1))
	if err != nil {
		t.Fatal(err)
	}
	later, err := l.Send(t.Context(), heartbeat(2))
	if err != nil {
		t.Fatal(err)
	}
	r := <-n.requests
	r.answerAs(t, r.CorrelationID+1, heard(0))
	if _, err := call.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "correlation id") {
		t.Error(err)
	}
	<-l.Done()
	if _, err := later.Wait(t.Context()); err == nil {
		t.Error("a request on an ended link was answered")
	}
	if _, err := l.Send(t.Context(), heartbeat(3)); err == nil {
		t.Error("sent on an ended link")
	}
}

// A caller that gives up does not disturb the others.
func TestGivingUp(t *testing.T) {
	network := transport.NewPipe()
	n := start(t, network, "node")
	l := dial(t, Options{Network: network, Address: "node"})
	call, err := l.Send(t.Context(), heartbeat(1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := call.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	second, err := l.Send(t.Context(), heartbeat(2))
	if err != nil {
		t.Fatal(err)
	}
	(<-n.requests).answer(t, heard(1))
	(<-n.requests).answer(t, heard(2))
	if r, err := second.Wait(t.Context()); err != nil || r.(*wire.BrokerHeartbeatResponse).ErrorCode != 2 {
		t.Error(r, err)
	}
}

func TestBoundedInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transport.NewPipe()
		n := start(t, network, "node")
		l := dial(t, Options{Network: network, Address: "node", MaxInFlight: 2})
		for id := range int32(2) {
			if _, err := l.Send(t.Context(), heartbeat(id)); err != nil {
				t.Fatal(err)
			}
		}
		third := make(chan error, 1)
		go func() {
			_, err := l.Do(t.Context(), heartbeat(3))
			third <- err
		}()
		synctest.Wait()
		if len(n.requests) != 2 {
			t.Errorf("%d requests in flight, want 2", len(n.requests))
		}
		for range 3 {
			(<-n.requests).answer(t, heard(0))
		}
		if err := <-third; err != nil {
			t.Error(err)
		}
		l.Close()
		n.listener.Close()
	})
}

// An answer that does not come ends the link, counted from its own request.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transport.NewPipe()
		n := start(t, network, "node")
		l := dial(t, Options{Network: network, Address: "node", Timeout: 10 * time.Second})
		time.Sleep(time.Hour) // idle links do not time out
		first, err := l.Send(t.Context(), heartbeat(1))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		second, err := l.Send(t.Context(), heartbeat(2))
		if err != nil {
			t.Fatal(err)
		}
		(<-n.requests).answer(t, heard(0))
		if _, err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		began := time.Now()
		if _, err := second.Wait(t.Context()); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		l.Close()
		n.listener.Close()
	})
}

func TestSilentPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transport.NewPipe()
		listener, err := network.Listen("node")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Dial(ctx, Options{Network: network, Address: "node"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := Dial(t.Context(), Options{Network: network, Address: "node", Timeout: time.Second}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestTooLargeAnswer(t *testing.T) {
	network := transport.NewPipe()
	n := start(t, network, "node")
	l := dial(t, Options{Network: network, Address: "node", MaxResponse: 1000})
	call, err := l.Send(t.Context(), heartbeat(1))
	if err != nil {
		t.Fatal(err)
	}
	r := <-n.requests
	if _, err := r.conn.Write([]byte{0, 0, 4, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := call.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "frame of 1024 bytes, more than 1000") {
		t.Error(err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 7})
	f.Add([]byte{127, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := readFrame(bytes.NewReader(data), 1<<30)
		if err != nil {
			return
		}
		if int(binary.BigEndian.Uint32(data)) != len(frame) || !bytes.Equal(frame, data[4:4+len(frame)]) {
			t.Errorf("% x", frame)
		}
	})
}
