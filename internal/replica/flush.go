package replica

import (
	"sync"
)

// flushers is one log directory's pool of goroutines that sync. A partition is
// queued at most once: appends that arrive while it is queued or being synced
// share one later sync, which is what amortises it over producers. When nothing
// is going on a sync starts at once.
//
// A flusher goroutine is started when there is work and none is free, up to most,
// and then stays parked until close: an idle partition costs nothing, an idle
// directory a few parked goroutines at most.
type flushers struct {
	most int // goroutines

	mu      sync.Mutex
	work    sync.Cond
	queue   []*Partition // FIFO from head
	head    int
	free    int // parked
	running int
	closed  bool
	done    sync.WaitGroup
}

// A partition's place in the pool. It is read without the pool's lock, so that
// an append behind a sync costs one atomic operation.
//
//	          schedule           flusher takes it       sync ends
//	idle ────────────────▶ queued ─────────────▶ syncing ─────────▶ idle
//	                          ▲                     │ schedule
//	                          └──── sync ends ──── again
const (
	flushIdle int32 = iota
	flushQueued
	flushSyncing
	flushAgain
)

func newFlushers(most int) *flushers {
	f := &flushers{most: most}
	f.work.L = &f.mu
	return f
}

// schedule makes sure that a sync begins after this call. It never blocks.
func (f *flushers) schedule(p *Partition) {
	for {
		switch state := p.flush.Load(); state {
		case flushQueued, flushAgain:
			return
		case flushSyncing:
			if p.flush.CompareAndSwap(state, flushAgain) {
				return
			}
		default:
			if p.flush.CompareAndSwap(state, flushQueued) {
				f.push(p)
				return
			}
		}
	}
}

func (f *flushers) push(p *Partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.queue = append(f.queue, p)
	switch {
	case f.free > 0:
		f.work.Signal()
	case f.running < f.most:
		f.running++
		f.done.Add(1)
		go f.run()
	}
}

func (f *flushers) run() {
	defer f.done.Done()
	for {
		p := f.take()
		if p == nil {
			return
		}
		// The state changes before the sync reads the log's end, so an append
		// that finds "queued" is covered by this sync.
		p.flush.Store(flushSyncing)
		p.sync()
		if !p.flush.CompareAndSwap(flushSyncing, flushIdle) {
			p.flush.Store(flushQueued)
			f.push(p)
		}
	}
}

func (f *flushers) take() *Partition {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.head == len(f.queue) {
		f.queue, f.head = f.queue[:0], 0
		if f.closed {
			return nil
		}
		f.free++
		f.work.Wait()
		f.free--
	}
	p := f.queue[f.head]
	f.queue[f.head] = nil
	f.head++
	return p
}

// close syncs what is queued and stops the pool.
func (f *flushers) close() {
	f.mu.Lock()
	f.closed = true
	f.work.Broadcast()
	f.mu.Unlock()
	f.done.Wait()
}
