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
	// flush writes what was held back, unless more follows.
	flush func(more bool)

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

// add answers in turn: now if it is the only one and ready, else later. more says
// that another request is there already.
func (a *answers) add(ctx context.Context, next answer, more bool) {
	now := ready(next.pending)
	if a.idle() {
		if now {
			a.write(next.header, next.pending.Wait(ctx), more)
			return
		}
		a.flush(false)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, next)
	a.bytes += next.bytes
	if !a.running {
		a.running = true
		go a.run(ctx)
	}
}

// idle reports whether nothing is pending. Then nothing will be, and the caller may
// write, until it adds something.
func (a *answers) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.running
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
