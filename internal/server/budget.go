package server

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Budget is the memory for requests in flight. Frames reserve from it as their
// bytes arrive, never by the length they announce.
//
// It cannot lock up. When nothing fits, the oldest waiting frame gets what it
// asks for regardless (it is the express), until it has been handled and given
// everything back; so there is always one frame that can finish, and memory stays
// below the limit plus one frame. And while somebody waits, a frame that arrives
// too slowly loses its connection.
type Budget struct {
	limit int64
	grace time.Duration // how long a frame may take beyond what minRate allows
	now   func() time.Time

	mu      sync.Mutex
	used    int64
	peak    int64
	age     uint64 // counts leases
	waiting waiters
	express *lease
	arrives map[*lease]struct{} // frames of which bytes are missing
	patrol  *time.Timer         // looks for slow frames while somebody waits
}

// minRate, in bytes a second, is how fast a frame must arrive while others wait
// for memory.
const minRate = 64 << 10

// NewBudget holds limit bytes. grace is how long a frame may stall while others
// wait.
func NewBudget(limit int64, grace time.Duration) *Budget {
	return &Budget{limit: limit, grace: grace, now: time.Now, arrives: map[*lease]struct{}{}}
}

// Used is how much is reserved now.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Peak is the most that was ever reserved.
func (b *Budget) Peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak
}

// lease is what one frame, or the buffer it is read into, has reserved.
type lease struct {
	budget  *Budget
	held    int64         // guarded by budget.mu
	age     uint64        // since it first arrived or waited; 0 before
	began   time.Time     // when its first byte was there
	waited  time.Duration // of the time since, how long it waited for memory itself
	wait    *waiter       // nil unless it waits for memory
	arrived atomic.Int64  // bytes
	evict   func()        // closes the connection
}

// tryReserve reserves n if nobody waits and it fits.
func (l *lease) tryReserve(n int64) bool {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) > 0 || b.used+n > b.limit {
		return false
	}
	b.take(l, n)
	return true
}

func (b *Budget) take(l *lease, n int64) {
	l.held += n
	b.used += n
	b.peak = max(b.peak, b.used)
}

// reserve reserves n, and waits for it oldest frame first.
func (l *lease) reserve(ctx context.Context, n int64) error {
	if l.tryReserve(n) {
		return nil
	}
	b := l.budget
	w := &waiter{lease: l, n: n, granted: make(chan struct{})}
	b.mu.Lock()
	b.stamp(l)
	l.wait = w
	since := b.now()
	heap.Push(&b.waiting, w)
	b.grant()
	b.startPatrol()
	b.mu.Unlock()
	var err error
	select {
	case <-w.granted:
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l.waited += b.now().Sub(since)
	if err != nil && w.index >= 0 {
		heap.Remove(&b.waiting, w.index)
		l.wait = nil
		b.grant()
	}
	return err
}

// stamp gives a lease its age.
func (b *Budget) stamp(l *lease) {
	if l.age == 0 {
		b.age++
		l.age = b.age
	}
}

// arriving says that the rest of the frame is now waited for. From now on until
// complete or release the frame may lose its connection.
func (l *lease) arriving() {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.arrives[l]; ok {
		return
	}
	b.stamp(l)
	l.began, l.waited = b.now(), 0
	b.arrives[l] = struct{}{}
}

// complete says that the frame is all there.
func (l *lease) complete() {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.arrives, l)
	l.age = 0
	l.arrived.Store(0)
}

// give returns n of what is held.
func (l *lease) give(n int64) {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	l.held -= n
	b.used -= n
	if l.held == 0 && b.express == l {
		b.express = nil
	}
	b.grant()
}

// grant serves the express whatever it asks for, then the others, oldest first,
// while there is room. The oldest for whom there is none becomes the express, when
// nobody is.
func (b *Budget) grant() {
	for len(b.waiting) > 0 {
		next := b.waiting[0]
		switch {
		case b.express != nil && b.express.wait != nil:
			next = b.express.wait
		case b.used+next.n <= b.limit:
		case b.express == nil:
			b.express = next.lease
		default:
			return
		}
		heap.Remove(&b.waiting, next.index)
		next.lease.wait = nil
		b.take(next.lease, next.n)
		close(next.granted)
	}
}

// startPatrol looks again and again for slow frames while somebody waits.
func (b *Budget) startPatrol() {
	if len(b.waiting) == 0 || b.patrol != nil {
		return
	}
	b.patrol = time.AfterFunc(max(b.grace/4, time.Millisecond), func() {
		for _, evict := range b.slow() {
			evict()
		}
	})
}

func (b *Budget) slow() (evict []func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.patrol = nil
	if len(b.waiting) == 0 {
		return nil
	}
	now := b.now()
	for l := range b.arrives {
		allowed := b.grace + time.Duration(l.arrived.Load())*time.Second/minRate
		if l.wait == nil && l.held > 0 && now.Sub(l.began)-l.waited > allowed {
			evict = append(evict, l.evict)
		}
	}
	b.startPatrol()
	return evict
}

// waiter is a frame that waits for memory.
type waiter struct {
	lease   *lease
	n       int64
	granted chan struct{}
	index   int // in the heap, -1 once out of it
}

// waiters is a heap, the oldest frame first.
type waiters []*waiter

func (w waiters) Len() int           { return len(w) }
func (w waiters) Less(i, j int) bool { return w[i].lease.age < w[j].lease.age }
func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

// Push implements heap.Interface.
func (w *waiters) Push(x any) {
	last := x.(*waiter)
	last.index = len(*w)
	*w = append(*w, last)
}

// Pop implements heap.Interface.
func (w *waiters) Pop() any {
	last := (*w)[len(*w)-1]
	(*w)[len(*w)-1] = nil
	*w = (*w)[:len(*w)-1]
	last.index = -1
	return last
}
