package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

func TestBudgetServesTheOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100, time.Second)
		newLease := func() *lease { return &lease{budget: b, evict: func() { t.Error("evicted") }} }
		holder, small, large, late := newLease(), newLease(), newLease(), newLease()
		if !holder.tryReserve(90) {
			t.Fatal("an empty budget refused")
		}
		var mu sync.Mutex
		var order []string
		ask := func(l *lease, n int64, name string) {
			go func() {
				if err := l.reserve(t.Context(), n); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			}()
			synctest.Wait()
		}
		ask(large, 200, "large") // the express: granted beyond the limit
		ask(small, 20, "small")
		ask(late, 60, "late")
		if len(order) != 1 || b.Used() != 290 {
			t.Fatalf("granted %v, used %d", order, b.Used())
		}
		if newLease().tryReserve(1) {
			t.Error("somebody overtook those who wait")
		}
		holder.give(90)
		synctest.Wait()
		if len(order) != 1 {
			t.Fatalf("granted %v beside the express", order)
		}
		large.give(200)
		synctest.Wait()
		if len(order) != 3 || b.Used() != 80 || b.Peak() != 290 {
			t.Fatalf("granted %v, used %d, peak %d", order, b.Used(), b.Peak())
		}
		small.give(20)
		late.give(60)
	})
}

func TestBudgetWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(10, time.Second)
		holder, express, waiter := &lease{budget: b}, &lease{budget: b}, &lease{budget: b}
		holder.tryReserve(10)
		if err := express.reserve(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := waiter.reserve(ctx, 5); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("reserve: %v", err)
		}
		express.give(5)
		holder.give(10)
		if b.Used() != 0 || len(b.waiting) != 0 || b.express != nil {
			t.Fatalf("left %d used, %d waiting", b.Used(), len(b.waiting))
		}
	})
}

// TestBudgetCannotLockUp: many connections send large frames at once into little
// memory. Some send slowly, some stop in the middle for ever. All who go on are
// answered, and memory stays bounded.
func TestBudgetCannotLockUp(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) { floodedRun(t, seed) })
	}
}

func floodedRun(t *testing.T, seed uint64) {
	const (
		limit    = 512 << 10
		largest  = 1 << 20
		clients  = 40
		requests = 3
	)
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyProduce, pipelinedFunc(func(context.Context, *Request) Pending { return Done{produceAnswer()} }))
	routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response {
		time.Sleep(10 * time.Millisecond)
		return metadataAnswer()
	}))
	s := serve(t, transport.NewPipe(), routes, func(o *Options) {
		o.Memory, o.MaxFrame, o.Stall = limit, largest, time.Second
	})
	start := time.Now()
	done := make(chan error, clients)
	for i := range uint64(clients) {
		c := s.dial()
		rng := rand.New(rand.NewPCG(seed, i))
		stalls := i%4 == 0
		go func() { done <- sendSlowly(t, c, rng, requests, stalls) }()
	}
	for range clients {
		if err := <-done; err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	if peak := s.Memory().Peak(); peak > limit+2*largest {
		t.Errorf("seed %d: %d bytes were reserved, limit %d", seed, peak, limit)
	}
	if took := time.Since(start); took > 5*time.Minute {
		t.Errorf("seed %d: took %v", seed, took)
	}
	s.stop()
}

// sendSlowly sends requests in pieces and reads the answers. A client that stalls
// stops in the middle and expects to lose its connection, when the others need the
// memory, or to be left alone.
func sendSlowly(t *testing.T, c *client, rng *rand.Rand, requests int, stalls bool) error {
	defer c.Close()
	for i := range int32(requests) {
		b := produce(t, i, rng.IntN(900<<10))
		if rng.IntN(3) == 0 {
			b = metadata(t, i)
		}
		if stalls {
			c.Write(b[:len(b)/2])
			c.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := c.tryReceive(); err == nil {
				return errors.New("half a request was answered")
			}
			return nil
		}
		for len(b) > 0 {
			n := min(len(b), 1+rng.IntN(256<<10))
			if _, err := c.Write(b[:n]); err != nil {
				return err
			}
			b = b[n:]
			if rng.IntN(2) == 0 {
				time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			}
		}
		answer, err := c.tryReceive()
		if err != nil {
			return err
		}
		if correlation(answer) != i {
			return errors.New("answers are out of order")
		}
	}
	return nil
}

// TestTricklingFrameIsEvictedOnlyWhenOthersWait: slowness alone is no crime.
func TestTricklingFrameIsEvictedOnlyWhenOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		release := make(chan struct{})
		routes.Handle(wire.KeyProduce, pipelinedFunc(func(context.Context, *Request) Pending { return Done{produceAnswer()} }))
		routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response {
			<-release
			return metadataAnswer()
		}))
		s := serve(t, transport.NewPipe(), routes, func(o *Options) { o.Memory, o.Stall = 200<<10, time.Second })
		slow := s.dial()
		frame := produce(t, 1, 1000)
		for _, b := range frame[:900] {
			slow.send([]byte{b})
			time.Sleep(100 * time.Millisecond)
		}
		if used := s.Memory().Used(); used != readBuffer {
			t.Fatalf("a slow frame holds %d bytes", used)
		}
		// The first of these fits, the second is the express, the third waits.
		for range 3 {
			c := s.dial()
			c.send(produce(t, 1, 190<<10)[:150<<10])
			synctest.Wait()
		}
		time.Sleep(3 * time.Second)
		slow.closedByServer()
		close(release)
		s.stop()
	})
}

// TestInternalListenersHaveTheirOwnMemory: clients that hold all memory do not
// keep the nodes from talking.
func TestInternalListenersHaveTheirOwnMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		routes := NewRoutes(Broker, false)
		routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
		pipe := transport.NewPipe()
		s := serve(t, pipe, routes, func(o *Options) {
			o.Memory, o.Stall = 100<<10, time.Hour
			o.Listeners = append(o.Listeners, Listener{Name: "NODES", Address: "nodes", Internal: true, Routes: routes})
		})
		for range 5 {
			s.dial().send(produce(t, 1, 150<<10)[:130<<10])
		}
		synctest.Wait()
		waits := s.dial()
		waits.send(metadata(t, 1))
		waits.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := waits.tryReceive(); !isTimeout(err) {
			t.Fatalf("a client was served beyond the memory: %v", err)
		}
		conn, err := pipe.Dial(t.Context(), "nodes")
		if err != nil {
			t.Fatal(err)
		}
		node := &client{conn, t}
		node.send(metadata(t, 2))
		if got := correlation(node.receive()); got != 2 {
			t.Fatalf("answer to %d", got)
		}
		conn.Close()
		s.stop()
	})
}
