package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/quota"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// slowAppend is a Produce that is done some time after it has begun.
type slowAppend struct{ done chan struct{} }

func (p slowAppend) Wait(ctx context.Context) wire.Response {
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	return produceAnswer()
}

func (p slowAppend) Ready() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// TestPipelinedConnectionsAgainstModel sends random interleavings of requests, in
// random pieces, that take random times. The model: every request has exactly one
// answer, in the order sent; a Produce may begin while others of its kind wait; no
// other request is handled before all earlier ones are answered.
func TestPipelinedConnectionsAgainstModel(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) { pipelinedRun(t, seed) })
	}
}

func pipelinedRun(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	const requests = 80
	delays := make([]time.Duration, requests)
	for i := range delays {
		if rng.IntN(2) == 0 {
			delays[i] = time.Duration(rng.IntN(60)) * time.Millisecond
		}
	}
	var begun, pending atomic.Int32 // pending: produce requests not yet done
	overlapped := false
	order := func(r *Request) time.Duration {
		if next := begun.Add(1) - 1; r.Header.CorrelationID != next {
			t.Errorf("seed %d: request %d begins before %d", seed, r.Header.CorrelationID, next)
		}
		return delays[r.Header.CorrelationID]
	}
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyProduce, pipelinedFunc(func(_ context.Context, r *Request) Pending {
		delay := order(r)
		if delay == 0 {
			return Done{produceAnswer()}
		}
		overlapped = pending.Add(1) > 1 || overlapped
		p := slowAppend{make(chan struct{})}
		time.AfterFunc(delay, func() {
			pending.Add(-1)
			close(p.done)
		})
		return p
	}))
	routes.Handle(wire.KeyMetadata, handlerFunc(func(_ context.Context, r *Request) wire.Response {
		time.Sleep(order(r))
		if n := pending.Load(); n > 0 {
			t.Errorf("seed %d: request %d is handled while %d before it wait", seed, r.Header.CorrelationID, n)
		}
		return metadataAnswer()
	}))
	s := serve(t, transport.NewPipe(), routes, nil)
	c := s.dial()
	var stream []byte
	for i := range int32(requests) {
		switch {
		case rng.IntN(4) == 0:
			stream = append(stream, metadata(t, i)...)
		case rng.IntN(10) == 0:
			stream = append(stream, produce(t, i, 200<<10)...)
		default:
			stream = append(stream, produce(t, i, rng.IntN(3000))...)
		}
	}
	go func() {
		for len(stream) > 0 {
			n := min(len(stream), 1+rng.IntN(40<<10))
			c.send(stream[:n])
			stream = stream[n:]
			if len(stream) > 0 && rng.IntN(3) == 0 {
				time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
			}
		}
	}()
	for want := range int32(requests) {
		if got := correlation(c.receive()); got != want {
			t.Fatalf("seed %d: answer to %d, want %d", seed, got, want)
		}
	}
	if !overlapped {
		t.Errorf("seed %d: no two produce requests overlapped", seed)
	}
	c.Close()
	s.stop()
}

// TestPendingIsBounded: a client that never stops producing is not read without
// bound while nothing is answered.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := 0
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyProduce, pipelinedFunc(func(context.Context, *Request) Pending {
			begun++
			return slowAppend{make(chan struct{})}
		}))
		s := serve(t, transport.NewPipe(), routes, nil)
		c := s.dial()
		go func() {
			for {
				if _, err := c.Write(produce(t, 0, 100)); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if begun != maxPending {
			t.Errorf("%d requests begun, bound %d", begun, maxPending)
		}
		c.Close()
		s.stop()
	})
}

func TestClientGoneCancelsItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, cancelled := make(chan struct{}), make(chan struct{})
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyMetadata, handlerFunc(func(ctx context.Context, _ *Request) wire.Response {
			close(started)
			<-ctx.Done()
			close(cancelled)
			return metadataAnswer()
		}))
		s := serve(t, transport.NewPipe(), routes, nil)
		c := s.dial()
		c.send(metadata(t, 1))
		<-started
		time.Sleep(25 * time.Minute) // longer than an idle connection may live
		c.Close()
		<-cancelled
		s.stop()
	})
}

// TestReadAheadKeepsBytes: what the watch reads while a request waits is the
// beginning of the next request.
func TestReadAheadKeepsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response {
			time.Sleep(time.Second)
			return metadataAnswer()
		}))
		s := serve(t, transport.NewPipe(), routes, nil)
		c := s.dial()
		c.send(metadata(t, 0))
		for i := range int32(20) {
			time.Sleep(500 * time.Millisecond)
			next := metadata(t, i+1)
			c.send(next[:1+i%5])
			time.Sleep(10 * time.Millisecond)
			c.send(next[1+i%5:])
			if got := correlation(c.receive()); got != i {
				t.Fatalf("answer to %d, want %d", got, i)
			}
		}
		c.receive()
		c.Close()
		s.stop()
	})
}

func TestMalformedFramesCloseTheConnection(t *testing.T) {
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
	good := metadata(t, 1)
	length := func(n uint32, rest ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, n), rest...) }
	unknown := append([]byte{}, good...)
	binary.BigEndian.PutUint16(unknown[4:], 77)
	version := append([]byte{}, good...)
	binary.BigEndian.PutUint16(version[6:], 99)
	for name, b := range map[string][]byte{
		"negative length":     length(0xffffffff),
		"length over the max": length(100<<20 + 1),
		"empty":               length(0),
		"half a header":       length(6, 0, 3, 0, 9, 0, 0),
		"cut short":           append(length(uint32(len(good)-6)), good[4:len(good)-2]...),
		"unknown key":         unknown,
		"negative key":        length(8, 0xff, 0xff, 0, 0, 0, 0, 0, 0),
		"key of another kind": length(12, 0, 52, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0),
		"unsupported version": version,
		"HTTP":                []byte("GET / HTTP/1.1\r\nHost: broker\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, transport.NewPipe(), routes, nil)
				c := s.dial()
				c.send(good)
				c.receive()
				c.send(b)
				c.closedByServer()
				s.stop()
			})
		})
	}
}

// TestApiVersionsFromTheFuture: KIP-511.
func TestApiVersionsFromTheFuture(t *testing.T) {
	routes := NewRoutes(Broker, false)
	var software Software
	routes.Handle(wire.KeyApiVersions, handlerFunc(func(context.Context, *Request) wire.Response {
		r := new(wire.ApiVersionsResponse)
		r.Reset()
		return r
	}))
	routes.Handle(wire.KeyMetadata, handlerFunc(func(_ context.Context, r *Request) wire.Response {
		software = r.Software
		return metadataAnswer()
	}))
	s := serve(t, transport.TCP(), routes, nil)
	c := s.dial()
	c.send([]byte{0, 0, 0, 10, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff})
	id, response, err := wire.DecodeResponse(wire.KeyApiVersions, 0, c.receive())
	if err != nil || id != 7 {
		t.Fatalf("correlation %d, %v", id, err)
	}
	got := response.(*wire.ApiVersionsResponse)
	if got.ErrorCode != 35 || len(got.APIKeys) != 1 || got.APIKeys[0] != (wire.ApiVersionsResponseAPIKey{APIKey: 18, MinVersion: 0, MaxVersion: 5}) {
		t.Fatalf("answered %+v", got)
	}
	for _, names := range [][2]string{{"-bad", "1"}, {"franz-go", "1.22.2"}, {"", ""}} {
		c.send(encode(t, 3, 8, &wire.ApiVersionsRequest{ClientSoftwareName: names[0], ClientSoftwareVersion: names[1]}))
		c.receive()
	}
	c.send(metadata(t, 9))
	c.receive()
	if software != (Software{"franz-go", "1.22.2"}) {
		t.Errorf("software %+v", software)
	}
}

func TestRoutesListWhatIsServed(t *testing.T) {
	never := handlerFunc(func(context.Context, *Request) wire.Response { return nil })
	for _, unstable := range []bool{false, true} {
		routes := NewRoutes(Broker, unstable)
		routes.Handle(wire.KeyInitProducerId, never)
		routes.Handle(wire.KeyProduce, never)
		served := routes.Served()
		want := int16(5)
		if unstable {
			want = 6
		}
		if len(served) != 2 || served[0].Key != 0 || served[1].Key != 22 || served[1].Max != want {
			t.Errorf("unstable %v: served %+v", unstable, served)
		}
	}
}

func TestRequestSaysWhoAsks(t *testing.T) {
	seen := make(chan *Request, 1)
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyMetadata, handlerFunc(func(_ context.Context, r *Request) wire.Response {
		seen <- r
		return metadataAnswer()
	}))
	s := serve(t, transport.TCP(), routes, nil)
	c := s.dial()
	c.send(metadata(t, 5))
	c.receive()
	r := <-seen
	if r.Principal != auth.Anonymous || r.ClientHost != "127.0.0.1" || r.ClientAddr != netip.MustParseAddr("127.0.0.1") ||
		r.ClientID() != "client" || r.Listener != "PLAINTEXT" || r.ConnectionID == "" || r.ReceivedAt.IsZero() {
		t.Fatalf("request %+v", r)
	}
}

// fileRange is records in a file.
type fileRange struct {
	f vfs.File
	n int64
}

func (r fileRange) Len() int                           { return int(r.n) }
func (r fileRange) WriteTo(w io.Writer) (int64, error) { return vfs.SendRange(w, r.f, 0, r.n) }

func TestResponsesSendFileRanges(t *testing.T) {
	f, err := vfs.OS().OpenFile(t.TempDir()+"/log", vfs.CreateNew, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i >> 6)
	}
	f.WriteAt(data, 0)
	announce := int64(len(data))
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyFetch, handlerFunc(func(context.Context, *Request) wire.Response {
		r := new(wire.FetchResponse)
		r.Reset()
		r.Responses = []wire.FetchResponseResponse{{Topic: "t", Partitions: []wire.FetchResponsePartition{
			{PartitionIndex: 3, Records: wire.RangeRecords(fileRange{f, announce})}}}}
		return r
	}))
	s := serve(t, transport.TCP(), routes, nil)
	c := s.dial()
	var ask wire.FetchRequest
	ask.Reset()
	c.send(encode(t, 11, 1, &ask))
	_, response, err := wire.DecodeResponse(wire.KeyFetch, 11, c.receive())
	if err != nil {
		t.Fatal(err)
	}
	got := response.(*wire.FetchResponse).Responses[0].Partitions[0]
	if got.PartitionIndex != 3 || string(got.Records.Bytes()) != string(data) {
		t.Fatalf("received %d bytes of records", got.Records.Len())
	}
	announce++ // more than the file has: the connection closes
	c.send(encode(t, 11, 2, &ask))
	if _, err := c.tryReceive(); err != io.ErrUnexpectedEOF {
		t.Fatalf("a response that cannot be finished: %v", err)
	}
}

func TestNoAnswerAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyProduce, pipelinedFunc(func(_ context.Context, r *Request) Pending {
			switch r.Header.CorrelationID {
			case 1:
				return nil
			case 2:
				return Done{nil}
			case 3:
				return Done{produceAnswer()}
			}
			return Done{Close}
		}))
		s := serve(t, transport.NewPipe(), routes, nil)
		c := s.dial()
		for i := range int32(4) {
			c.send(produce(t, i+1, 10))
		}
		if got := correlation(c.receive()); got != 3 {
			t.Fatalf("answer to %d", got)
		}
		c.closedByServer()
		s.stop()
	})
}

func TestIdleConnectionsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
		s := serve(t, transport.NewPipe(), routes, func(o *Options) { o.MaxIdle = time.Minute })
		c := s.dial()
		for range 5 {
			time.Sleep(50 * time.Second)
			c.send(metadata(t, 1))
			c.receive()
		}
		last := time.Now()
		c.closedByServer()
		if idle := time.Since(last); idle != time.Minute {
			t.Errorf("closed after %v", idle)
		}
		half := s.dial()
		half.send([]byte{0, 0})
		start := time.Now()
		half.closedByServer()
		if idle := time.Since(start); idle != time.Minute {
			t.Errorf("half a frame: closed after %v", idle)
		}
		s.stop()
	})
}

func TestClientThatDoesNotReadLosesItsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
		s := serve(t, transport.NewPipe(), routes, func(o *Options) { o.MaxIdle = time.Minute })
		c := s.dial()
		for {
			if _, err := c.Write(metadata(t, 1)); err != nil {
				break
			}
		}
		s.stop()
	})
}

func TestConnectionLimits(t *testing.T) {
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
	t.Run("per address", func(t *testing.T) {
		s := serve(t, transport.TCP(), routes, func(o *Options) { o.Limits.PerIP = 2 })
		for range 2 {
			c := s.dial()
			c.send(metadata(t, 1))
			c.receive()
		}
		s.dial().closedByServer()
	})
	t.Run("all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, transport.NewPipe(), routes, func(o *Options) { o.Limits.Connections = 1 })
			first, second := s.dial(), s.dial()
			first.send(metadata(t, 1))
			second.send(metadata(t, 2))
			first.receive()
			second.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := second.tryReceive(); !isTimeout(err) {
				t.Errorf("the second connection is served: %v", err)
			}
			second.SetReadDeadline(time.Time{})
			first.Close()
			second.receive()
			second.Close()
			s.stop()
		})
	})
}

type holdAll time.Duration

func (h holdAll) Charge(c quota.Client, cost quota.Cost, _ time.Time) time.Duration {
	if c != (quota.Client{User: "ANONYMOUS", ID: "client"}) || cost.RequestBytes == 0 {
		panic(fmt.Sprintf("charged %+v for %+v", cost, c))
	}
	return time.Duration(h)
}

// TestThrottleHoldsTheConnection: the answer comes at once (KIP-219), the next
// request waits.
func TestThrottleHoldsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
		routes.Handle(wire.KeyProduce, pipelinedFunc(func(context.Context, *Request) Pending { return Done{produceAnswer()} }))
		s := serve(t, transport.NewPipe(), routes, func(o *Options) { o.Throttle = holdAll(time.Minute) })
		c := s.dial()
		start := time.Now()
		for i := range int32(4) {
			c.send(metadata(t, 2*i))
			c.send(produce(t, 2*i+1, 10))
		}
		for i := range 8 {
			c.receive()
			if waited := time.Since(start); waited != time.Duration(i)*time.Minute {
				t.Errorf("answer %d after %v", i, waited)
			}
		}
		s.stop() // does not wait for the throttle
		if waited := time.Since(start); waited != 7*time.Minute {
			t.Errorf("stopped after %v", waited)
		}
	})
}

func TestStopFinishesRequestsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		begun := make(chan struct{}, 3)
		routes.Handle(wire.KeyMetadata, handlerFunc(func(ctx context.Context, _ *Request) wire.Response {
			begun <- struct{}{}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
			return metadataAnswer()
		}))
		routes.Handle(wire.KeyProduce, pipelinedFunc(func(context.Context, *Request) Pending {
			begun <- struct{}{}
			p := slowAppend{make(chan struct{})}
			time.AfterFunc(time.Second, func() { close(p.done) })
			return p
		}))
		routes.Handle(wire.KeyFetch, handlerFunc(func(ctx context.Context, _ *Request) wire.Response {
			begun <- struct{}{}
			<-ctx.Done()
			return nil
		}))
		s := serve(t, transport.NewPipe(), routes, func(o *Options) { o.Drain = 5 * time.Second })
		a, b, stuck, idle := s.dial(), s.dial(), s.dial(), s.dial()
		a.send(metadata(t, 1))
		b.send(produce(t, 2, 10))
		var ask wire.FetchRequest
		ask.Reset()
		stuck.send(encode(t, 11, 3, &ask))
		for range 3 {
			<-begun
		}
		start := time.Now()
		go s.stop()
		idle.closedByServer()
		if waited := time.Since(start); waited != 0 {
			t.Errorf("an idle connection was closed after %v", waited)
		}
		if got := correlation(a.receive()); got != 1 {
			t.Errorf("answer to %d", got)
		}
		if got := correlation(b.receive()); got != 2 {
			t.Errorf("answer to %d", got)
		}
		stuck.closedByServer()
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("stopped after %v", waited)
		}
		synctest.Wait()
	})
}

func TestEnvelope(t *testing.T) {
	routes := NewRoutes(Controller, false)
	var inner *Request
	var code int16
	routes.Handle(wire.KeyCreateTopics, handlerFunc(func(_ context.Context, r *Request) wire.Response {
		inner = r
		response := new(wire.CreateTopicsResponse)
		response.Reset()
		response.Topics = []wire.CreateTopicsResponseTopic{{Name: "t", ErrorCode: code}}
		return response
	}))
	routes.Handle(wire.KeyVote, handlerFunc(func(context.Context, *Request) wire.Response { return nil }))
	envelope := &Envelope{Routes: routes, Authorizer: auth.AllowAll{}}
	alice, err := EncodePrincipal(auth.Principal{Type: "User", Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	create := encode(t, 7, 42, &wire.CreateTopicsRequest{TimeoutMS: 9})[4:]
	ask := func(data, principal, addr []byte) *wire.EnvelopeResponse {
		return envelope.Handle(t.Context(), &Request{Principal: auth.Anonymous, ClientHost: "10.0.0.1",
			Body: &wire.EnvelopeRequest{RequestData: data, RequestPrincipal: principal, ClientHostAddress: addr}}).(*wire.EnvelopeResponse)
	}
	home := []byte{192, 168, 0, 7}
	answer := ask(create, alice, home)
	if answer.ErrorCode != 0 || !inner.Forwarded || inner.Principal.Name != "alice" || inner.ClientHost != "192.168.0.7" ||
		inner.ClientID() != "client" || inner.Body.(*wire.CreateTopicsRequest).TimeoutMS != 9 {
		t.Fatalf("answered %+v to %+v", answer, inner)
	}
	id, response, err := wire.DecodeResponse(wire.KeyCreateTopics, 7, answer.ResponseData)
	if err != nil || id != 42 || response.(*wire.CreateTopicsResponse).Topics[0].Name != "t" {
		t.Fatalf("inner response %d %+v, %v", id, response, err)
	}
	code = kerr.NotController.Code
	if got := ask(create, alice, home); got.ErrorCode != code || got.ResponseData != nil {
		t.Errorf("not controller: %+v", got)
	}
	nested := encode(t, 0, 1, &wire.EnvelopeRequest{})[4:]
	vote := encode(t, 0, 1, &wire.VoteRequest{})[4:]
	future := append([]byte{}, create...)
	future[3] = 99
	for name, c := range map[string]struct {
		got  *wire.EnvelopeResponse
		want *kerr.Error
	}{
		"no principal":        {ask(create, nil, home), kerr.PrincipalDeserializationFailure},
		"another principal":   {ask(create, []byte{0, 9, 1, 1, 0, 0}, home), kerr.PrincipalDeserializationFailure},
		"half an address":     {ask(create, alice, []byte{1, 2}), kerr.InvalidRequest},
		"nested":              {ask(nested, alice, home), kerr.InvalidRequest},
		"not forwardable":     {ask(vote, alice, home), kerr.InvalidRequest},
		"unsupported version": {ask(future, alice, home), kerr.UnsupportedVersion},
		"unknown key":         {ask([]byte{0, 120, 0, 0, 0, 0, 0, 0}, alice, home), kerr.UnsupportedVersion},
		"cut short":           {ask(create[:len(create)-4], alice, home), kerr.UnsupportedVersion},
		"nothing":             {ask(nil, alice, home), kerr.UnsupportedVersion},
	} {
		if c.got.ErrorCode != c.want.Code || c.got.ResponseData != nil {
			t.Errorf("%s: answered %d, want %v", name, c.got.ErrorCode, c.want)
		}
	}
	envelope.Authorizer = denyAll{}
	if got := ask(create, alice, home); got.ErrorCode != kerr.ClusterAuthorizationFailed.Code {
		t.Errorf("without CLUSTER_ACTION: %d", got.ErrorCode)
	}
}

type denyAll struct{}

func (denyAll) Allowed(auth.Principal, string, auth.Operation, auth.ResourceType, string) bool {
	return false
}

func TestAddressInUse(t *testing.T) {
	pipe := transport.NewPipe()
	l, err := pipe.Listen("b")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	routes := NewRoutes(Broker, false)
	_, err = New(Options{Network: pipe, Listeners: []Listener{{Name: "A", Address: "a", Routes: routes}, {Name: "B", Address: "b", Routes: routes}}})
	if err == nil {
		t.Fatal("listened twice")
	}
	if _, err := pipe.Dial(t.Context(), "a"); err == nil || errors.Is(err, context.Canceled) {
		t.Fatal("the first listener is still open")
	}
}
