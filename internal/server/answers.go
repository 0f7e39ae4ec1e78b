package server

import (
	"context"
	"sync"

	"github.com/stromkafka/strom/internal/wire"
)

// Bounds of what one connection may have appended and not yet answered.
const (
	maxPending      = 256
	maxPendingBytes = 64 << 20
)

// answer is a response to come and what is needed to write it.
type answer struct {
	pending Pending
	header  wire.RequestHeader
	bytes   int // of the request
}

// answers are the pending responses of a connection, in order. The reader puts
// them in; a goroutine that lives while there are any writes them.
//
// Invariant: while it lives, nobody else writes to the connection.
type answers struct {
	// write writes a response; when more follow at once it may hold it back.
	write func(h wire.RequestHeader, r wire.Response, more bool) int

	mu      sync.Mutex
	changed sync.Cond // on mu: the queue got shorter
	queue   []answer
	bytes   int
	running bool
}

// room waits until another request may be begun.
func (a *answers) room() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) >= maxPending || a.bytes >= maxPendingBytes {
		a.changed.Wait()
	}
}

// drain waits until all that was pending is answered.
func (a *answers) drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.running {
		a.changed.Wait()
	}
}

// add answers in turn: now if it is the only one and ready, else later.
func (a *answers) add(ctx context.Context, next answer) {
	a.mu.Lock()
	if !a.running && ready(next.pending) {
		a.mu.Unlock()
		a.write(next.header, next.pending.Wait(ctx), false)
		return
	}
	a.queue = append(a.queue, next)
	a.bytes += next.bytes
	start := !a.running
	a.running = true
	a.mu.Unlock()
	if start {
		go a.run(ctx)
	}
}

// run answers until nothing is pending.
func (a *answers) run(ctx context.Context) {
	for {
		a.mu.Lock()
		if len(a.queue) == 0 {
			a.queue, a.running = nil, false
			a.changed.Broadcast()
			a.mu.Unlock()
			return
		}
		next := a.queue[0]
		a.mu.Unlock()
		response := next.pending.Wait(ctx)
		a.write(next.header, response, a.nextIsReady())
		a.mu.Lock()
		a.queue[0] = answer{}
		a.queue = a.queue[1:]
		a.bytes -= next.bytes
		a.changed.Broadcast()
		a.mu.Unlock()
	}
}

func (a *answers) nextIsReady() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.queue) > 1 && ready(a.queue[1].pending)
}
