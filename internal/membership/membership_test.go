package membership

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// controller answers what the test tells it to; an answer of nil breaks the
// connection.
type controller struct {
	listener net.Listener
	mu       sync.Mutex
	asked    []wire.Request
	answer   func(r wire.Request) wire.Response
}

func listen(t *testing.T, network transport.Network, address string, answer func(wire.Request) wire.Response) *controller {
	t.Helper()
	listener, err := network.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	c := &controller{listener: listener, answer: answer}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go c.serve(t, conn)
		}
	}()
	return c
}

func (c *controller) serve(t *testing.T, conn net.Conn) {
	defer conn.Close()
	for {
		var length [4]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		h, body, err := wire.DecodeRequest(frame)
		if err != nil {
			t.Error(err)
			return
		}
		response := c.respond(body)
		if response == nil {
			return
		}
		out, err := wire.EncodeResponse(h.CorrelationID, h.APIVersion, response)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := out.WriteTo(conn); err != nil {
			return
		}
	}
}

func (c *controller) respond(body wire.Request) wire.Response {
	if body.Key() == wire.KeyApiVersions {
		r := &wire.ApiVersionsResponse{}
		r.Reset()
		for _, a := range wire.APIs {
			if a.Controller {
				r.APIKeys = append(r.APIKeys, wire.ApiVersionsResponseAPIKey{APIKey: a.Key, MinVersion: a.Min, MaxVersion: a.Max})
			}
		}
		return r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, body)
	return c.answer(body)
}

// log is what was asked so far, shortened.
func (c *controller) log() []wire.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func registered(epoch int64, code int16) *wire.BrokerRegistrationResponse {
	return &wire.BrokerRegistrationResponse{BrokerEpoch: epoch, ErrorCode: code}
}

// cluster is a broker under test in a bubble, and the metadata log it follows.
type cluster struct {
	*Broker
	network *transport.Pipe
	ended   chan error
	told    []model.BrokerEpoch // epochs registered, for who waited for the broker's end

	mu     sync.Mutex
	offset model.Offset
	moved  notify.Signal
}

func (c *cluster) apply(offset model.Offset) {
	c.mu.Lock()
	c.offset = offset
	c.mu.Unlock()
	c.moved.Notify()
}

func (c *cluster) applied() model.Offset {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func channel(network transport.Network, addresses ...string) *Channel {
	next := 0
	find := func(context.Context) (Controller, error) {
		address := addresses[min(next, len(addresses)-1)]
		next++
		return Controller{Network: network, Address: address}, nil
	}
	return NewChannel(ChannelOptions{Find: find, ClientID: "1", Timeout: time.Minute, Log: quiet()})
}

func start(t *testing.T, addresses ...string) *cluster {
	t.Helper()
	c := &cluster{network: transport.NewPipe(), ended: make(chan error, 1), offset: -1}
	c.Broker = NewBroker(Options{ID: 1, ClusterID: "c", Incarnation: model.UUID{1},
		Endpoints: []metadata.Endpoint{{Name: "PLAINTEXT", Host: "h", Port: 9092}}, Features: metadata.SupportedFeatures(false),
		LogDirs: []model.DirectoryID{{9}, {8}}, Channel: channel(c.network, addresses...), MetadataOffset: c.applied, MetadataMoved: &c.moved,
		HeartbeatInterval: 2 * time.Second, SessionTimeout: 9 * time.Second, RegistrationTimeout: time.Minute, Log: quiet(),
		Registered: func(epoch model.BrokerEpoch) { c.told = append(c.told, epoch) }})
	c.Vouch(7)
	return c
}

func (c *cluster) run(ctx context.Context) { go func() { c.ended <- c.Run(ctx) }() }

// honest answers as the controller of a healthy cluster: the registration is
// at offset 5 of the metadata log.
func honest(r wire.Request) wire.Response {
	switch r := r.(type) {
	case *wire.BrokerRegistrationRequest:
		return registered(5, 0)
	case *wire.BrokerHeartbeatRequest:
		caughtUp := r.CurrentMetadataOffset >= 5
		return &wire.BrokerHeartbeatResponse{IsCaughtUp: caughtUp, IsFenced: r.WantFence || !caughtUp, ShouldShutDown: r.WantShutDown && r.CurrentMetadataOffset >= 9}
	}
	return nil
}

// A lone node spends no time waiting: each step follows from the one before.
func TestWholeLifeWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, "a")
		server := listen(t, c.network, "a", honest)
		began := time.Now()
		c.run(t.Context())
		synctest.Wait()
		if c.State() != Starting || c.Epoch() != 5 || len(server.log()) != 1 {
			t.Fatalf("%s, epoch %d, %d requests", c.State(), c.Epoch(), len(server.log()))
		}
		c.apply(5) // the registration comes back through the log
		if err := c.Await(t.Context(), Recovery); err != nil {
			t.Fatal(err)
		}
		c.Ready()
		if err := c.Await(t.Context(), Running); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("running after %v", took)
		}
		c.checkRegistration(t, server.log()[0].(*wire.BrokerRegistrationRequest))

		left := make(chan error, 1)
		go func() { left <- c.Shutdown(t.Context()) }()
		synctest.Wait()
		if c.State() != PendingControlledShutdown {
			t.Errorf("%s", c.State())
		}
		c.apply(9)
		if err := <-left; err != nil {
			t.Error(err)
		}
		if err := <-c.ended; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("stopped after %v", took)
		}
		if !slices.Equal(c.told, []model.BrokerEpoch{5}) {
			t.Errorf("told of registrations at %v", c.told)
		}
		server.listener.Close()
		c.opts.Channel.Close()
	})
}

func (c *cluster) checkRegistration(t *testing.T, r *wire.BrokerRegistrationRequest) {
	t.Helper()
	if r.BrokerID != 1 || r.ClusterID != "c" || r.PreviousBrokerEpoch != 7 || len(r.Features) != len(metadata.SupportedFeatures(false)) ||
		len(r.Listeners) != 1 || !slices.Equal(r.LogDirs, []model.UUID{{8}, {9}}) {
		t.Errorf("%+v", r)
	}
}

// A running broker heartbeats at the interval, however the log moves.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, "a")
		server := listen(t, c.network, "a", honest)
		c.apply(5)
		c.Ready()
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx)
		if err := c.Await(t.Context(), Running); err != nil {
			t.Fatal(err)
		}
		before := len(server.log())
		for i := range 100 {
			c.apply(model.Offset(6 + i))
			time.Sleep(100 * time.Millisecond)
		}
		if got := len(server.log()) - before; got < 4 || got > 5 {
			t.Errorf("%d heartbeats in 10 s", got)
		}
		cancel()
		if err := <-c.ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		server.listener.Close()
		c.opts.Channel.Close()
	})
}

// A broker that is not caught up and whose log does not move asks less and less
// often, never more rarely than the interval.
func TestEagerBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, "a")
		server := listen(t, c.network, "a", honest)
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx)
		time.Sleep(60 * time.Second)
		if got := len(server.log()); got < 30 || got > 45 {
			t.Errorf("%d requests in a minute", got)
		}
		cancel()
		<-c.ended
		server.listener.Close()
		c.opts.Channel.Close()
	})
}

// The controller moves: the node that was asked says so or breaks the
// connection, and the broker looks again after 100 ms.
func TestControllerMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, "nobody", "old", "broken", "new")
		old := listen(t, c.network, "old", func(wire.Request) wire.Response { return registered(-1, kerr.NotController.Code) })
		broken := listen(t, c.network, "broken", func(wire.Request) wire.Response { return nil })
		server := listen(t, c.network, "new", honest)
		began := time.Now()
		c.apply(5)
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx)
		if err := c.Await(t.Context(), Recovery); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*retryBackoff {
			t.Errorf("took %v", took)
		}
		cancel()
		<-c.ended
		for _, s := range []*controller{old, broken, server} {
			s.listener.Close()
		}
		c.opts.Channel.Close()
	})
}

func TestRegistrationGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		code int16
		took time.Duration
		want error
	}{
		"another broker has the id": {kerr.DuplicateBrokerRegistration.Code, time.Minute, kerr.DuplicateBrokerRegistration},
		"other cluster":             {kerr.InconsistentClusterID.Code, 0, kerr.InconsistentClusterID},
		"no controller":             {kerr.NotController.Code, time.Minute, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, "a")
				server := listen(t, b.network, "a", func(wire.Request) wire.Response { return registered(-1, c.code) })
				began := time.Now()
				b.run(t.Context())
				if err := <-b.ended; !errors.Is(err, c.want) {
					t.Error(err)
				}
				if took := time.Since(began); took > c.took || took < c.took-2*b.opts.HeartbeatInterval {
					t.Errorf("took %v", took)
				}
				server.listener.Close()
				b.opts.Channel.Close()
			})
		})
	}
}

// A controller that does not answer costs half a session, not a place in the
// queue of requests.
func TestSilentController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, "a")
		hang := make(chan struct{})
		silent := true
		server := listen(t, c.network, "a", func(r wire.Request) wire.Response {
			if _, ok := r.(*wire.BrokerHeartbeatRequest); ok && silent {
				silent = false
				<-hang
				return nil
			}
			return honest(r)
		})
		c.apply(5)
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx)
		time.AfterFunc(5*time.Second, func() { close(hang) })
		if err := c.Await(t.Context(), Recovery); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 7*time.Second {
			t.Errorf("took %v", took)
		}
		cancel()
		<-c.ended
		server.listener.Close()
		c.opts.Channel.Close()
	})
}

func TestDirectories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, "a")
		server := listen(t, c.network, "a", honest)
		c.apply(5)
		c.Ready()
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx)
		if err := c.Await(t.Context(), Running); err != nil {
			t.Fatal(err)
		}
		c.DirectoryFailed(model.DirectoryID{9})
		c.Cordon(nil)
		if c.DirectoryFailureTold() {
			t.Error("told before it was")
		}
		synctest.Wait()
		asked := server.log()
		last := asked[len(asked)-1].(*wire.BrokerHeartbeatRequest)
		if !slices.Equal(last.OfflineLogDirs, []model.UUID{{9}}) || last.CordonedLogDirs == nil || !c.DirectoryFailureTold() {
			t.Errorf("%+v", last)
		}
		c.Register()
		synctest.Wait()
		asked = server.log()
		if _, ok := asked[len(asked)-2].(*wire.BrokerRegistrationRequest); !ok {
			t.Errorf("%T", asked[len(asked)-2])
		}
		cancel()
		<-c.ended
		server.listener.Close()
		c.opts.Channel.Close()
	})
}

// The last node of a cluster that stops as a whole finds nobody to ask: it asks for
// half a session and then leaves all the same.
func TestShutdownWithoutController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, "a")
		silent := false
		server := listen(t, c.network, "a", func(r wire.Request) wire.Response {
			if silent {
				return &wire.BrokerHeartbeatResponse{ErrorCode: kerr.NotController.Code}
			}
			return honest(r)
		})
		c.apply(5)
		c.Ready()
		ctx, cancel := context.WithCancel(t.Context())
		c.run(ctx)
		if err := c.Await(t.Context(), Running); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		silent = true
		began := time.Now()
		err := c.Shutdown(t.Context())
		if err == nil {
			t.Error("the controller has let it go")
		}
		if took := time.Since(began); took < c.patience() || took > 2*c.patience() {
			t.Errorf("gave up after %v: %v", took, err)
		}
		cancel()
		<-c.ended
		server.listener.Close()
		c.opts.Channel.Close()
	})
}

func TestShutdownBeforeRunning(t *testing.T) {
	c := start(t, "a")
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestForward(t *testing.T) {
	network := transport.NewPipe()
	var envelope *wire.EnvelopeRequest
	code := int16(0)
	server := listen(t, network, "a", func(r wire.Request) wire.Response {
		envelope = r.(*wire.EnvelopeRequest)
		out := &wire.EnvelopeResponse{ErrorCode: code}
		h, body, err := wire.DecodeRequest(envelope.RequestData)
		if err != nil {
			t.Error(err)
			return nil
		}
		inner := &wire.CreateTopicsResponse{}
		inner.Topics = append(inner.Topics, wire.CreateTopicsResponseTopic{Name: body.(*wire.CreateTopicsRequest).Topics[0].Name})
		frame, err := wire.EncodeResponse(h.CorrelationID, h.APIVersion, inner)
		if err != nil {
			t.Error(err)
			return nil
		}
		var b bytes.Buffer
		if _, err := frame.WriteTo(&b); err != nil {
			t.Error(err)
		}
		out.ResponseData = b.Bytes()[4:]
		return out
	})
	defer server.listener.Close()
	ch := channel(network, "a")
	defer ch.Close()
	f := NewForwarder(ch)
	client := "cli"
	h := wire.RequestHeader{APIKey: wire.KeyCreateTopics, APIVersion: 7, CorrelationID: 42, ClientID: &client}
	request := &wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: "t"}}}
	caller := Caller{PrincipalType: "User", PrincipalName: "alice", Host: netip.MustParseAddr("::ffff:10.0.0.1")}
	response, err := f.Forward(t.Context(), h, request, caller)
	if err != nil || response.(*wire.CreateTopicsResponse).Topics[0].Name != "t" {
		t.Fatal(response, err)
	}
	if !bytes.Equal(envelope.ClientHostAddress, []byte{10, 0, 0, 1}) {
		t.Errorf("% x", envelope.ClientHostAddress)
	}
	var principal wire.DefaultPrincipalData
	if err := wire.Decode(envelope.RequestPrincipal[2:], 0, &principal); err != nil || principal.Name != "alice" || principal.Type != "User" {
		t.Errorf("%+v %v", principal, err)
	}
	for sent, want := range map[int16]error{kerr.UnsupportedVersion.Code: kerr.UnsupportedVersion, kerr.ClusterAuthorizationFailed.Code: kerr.UnknownServerError} {
		code = sent
		if _, err := f.Forward(t.Context(), h, request, caller); !errors.Is(err, want) {
			t.Error(err)
		}
	}
}

// No id comes twice, the next block is there before the first is used up, and
// nothing is asked for before somebody wants an id.
func TestProducerIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, blocks := transport.NewPipe(), int64(0)
		server := listen(t, network, "a", func(r wire.Request) wire.Response {
			if r.(*wire.AllocateProducerIdsRequest).BrokerID != 1 {
				t.Errorf("%+v", r)
			}
			blocks++
			if blocks == 2 {
				return &wire.AllocateProducerIdsResponse{ErrorCode: kerr.StaleBrokerEpoch.Code}
			}
			return &wire.AllocateProducerIdsResponse{ProducerIDStart: blocks * 1000, ProducerIDLen: 100}
		})
		ch := channel(network, "a")
		ids := NewProducerIDs(ch, NewBroker(Options{ID: 1}), quiet())
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ids.Run(ctx) }()
		synctest.Wait()
		if blocks != 0 {
			t.Error("a block was fetched that nobody wants")
		}
		seen := map[model.ProducerID]bool{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range 25 {
					id, err := ids.Next(t.Context())
					mu.Lock()
					if err != nil || seen[id] {
						t.Errorf("%d %v", id, err)
					}
					seen[id] = true
					mu.Unlock()
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if len(seen) != 250 || blocks != 4 {
			t.Errorf("%d ids from %d requests", len(seen), blocks)
		}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := ids.Next(ctx); err != nil {
			t.Error(err) // there is still a block
		}
		server.listener.Close()
		ch.Close()
	})
}

// Who cannot wait asks whether an id is at hand; somebody who can waits for it.
func TestProducerIDsWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := transport.NewPipe()
		server := listen(t, network, "a", func(wire.Request) wire.Response {
			return &wire.AllocateProducerIdsResponse{ProducerIDStart: 1000, ProducerIDLen: 100}
		})
		ch := channel(network, "a")
		ids := NewProducerIDs(ch, NewBroker(Options{ID: 1}), quiet())
		if id, ok := ids.TryNext(); ok {
			t.Errorf("id %d out of nothing", id)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- ids.Run(ctx) }()
		if err := ids.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if id, ok := ids.TryNext(); !ok || id != 1000 {
			t.Errorf("%d %v", id, ok)
		}
		cancel()
		<-ended
		server.listener.Close()
		ch.Close()
	})
}

func TestProducerIDsWaitsNoLongerThanItsCaller(t *testing.T) {
	ids := NewProducerIDs(channel(transport.NewPipe(), "a"), NewBroker(Options{ID: 1}), quiet())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ids.Next(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "producer ids") {
		t.Error(err)
	}
	if err := ids.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
