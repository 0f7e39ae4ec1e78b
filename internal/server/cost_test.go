package server

import (
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

func heapAndStacks() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// What connections may cost that have been used and are idle now: a goroutine
// each and no buffer, both ends of the pipe that stands for TCP included.
func TestIdleConnectionsCostLittle(t *testing.T) {
	connections := 1000
	if os.Getenv("STROM_COST") == "all" {
		connections = 10_000
	}
	routes := NewRoutes(Broker, false)
	routes.Handle(wire.KeyMetadata, handlerFunc(func(context.Context, *Request) wire.Response { return metadataAnswer() }))
	s := serve(t, transport.NewPipe(), routes, nil)
	goroutines, memory := runtime.NumGoroutine(), heapAndStacks()
	clients := make([]*client, connections)
	for i := range clients {
		clients[i] = s.dial()
		clients[i].send(metadata(t, 1))
		clients[i].receive()
	}
	if got := runtime.NumGoroutine() - goroutines; got > connections+50 {
		t.Errorf("%d goroutines for %d connections", got, connections)
	}
	if got := (heapAndStacks() - memory) / int64(connections); got > 12<<10 {
		t.Errorf("%d bytes for each connection", got)
	}
	if used := s.Memory().Used(); used != 0 {
		t.Errorf("%d bytes of request memory are held by idle connections", used)
	}
	for _, c := range clients {
		c.Close()
	}
}
