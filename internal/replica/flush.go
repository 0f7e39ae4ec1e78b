package replica

import (
	"context"
	"sync"

	"github.com/stromkafka/strom/internal/commitlog"
)

// flushers make one log directory's partitions durable. A partition is queued at
// most once: appends that arrive while it is queued or being synced share one later
// sync, which is what amortises it over producers. When nothing is going on a sync
// starts at once.
//
// All that is queued when a group begins goes to the journal together and is
// durable with one sync. Two groups run at once: while one is being synced the next
// is gathered. What is too large for the journal, or not in it by its topic's
// policy, is left to the slow pool, where each partition's own files are synced.
type flushers struct {
	groups, slow *pool
}

// A partition's place in the pools. It is read without their locks, so that an
// append behind a sync costs one atomic operation.
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

func newFlushers(slow int) *flushers {
	f := &flushers{}
	f.groups = newPool(2, 1<<20, f.group)
	f.slow = newPool(slow, 1, f.alone)
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
				f.groups.push(p)
				return
			}
		}
	}
}

// group syncs partitions together.
func (f *flushers) group(all []*Partition) {
	flushings := make([]flushing, 0, len(all))
	for _, p := range all {
		// The state changes before the log's end is read, so an append that finds
		// "queued" is covered by this sync.
		p.flush.Store(flushSyncing)
		b := p.log.Begin()
		if b.Slow() {
			f.slow.push(p)
			continue
		}
		flushings = append(flushings, flushing{p, b})
	}
	for i := range flushings {
		flushings[i].finish()
		f.finished(flushings[i].partition)
	}
}

// alone syncs one partition by itself.
func (f *flushers) alone(one []*Partition) {
	for _, p := range one {
		p.flush.Store(flushSyncing)
		b := flushing{p, p.log.Begin()}
		b.finish()
		f.finished(p)
	}
}

func (f *flushers) finished(p *Partition) {
	if !p.flush.CompareAndSwap(flushSyncing, flushIdle) {
		p.flush.Store(flushQueued)
		f.groups.push(p)
	}
}

// close syncs what is queued and stops the pools.
func (f *flushers) close() {
	f.groups.close()
	f.slow.close()
}

// flushing is a sync of a partition that has been begun.
type flushing struct {
	partition *Partition
	log       commitlog.Flushing
}

// finish waits until the log is durable and lets the high watermark follow. After a
// failed sync the log has told the directory, which is offline then; it is never
// retried.
func (f *flushing) finish() {
	if f.log.Wait(context.Background()) != nil {
		return
	}
	f.partition.mu.Lock()
	defer f.partition.mu.Unlock()
	f.partition.advance()
}

// pool is goroutines that serve partitions from a queue. One is started when there
// is work and none is free, up to most, and then stays parked until close: an idle
// partition costs nothing, an idle directory a few parked goroutines at most.
type pool struct {
	most  int // goroutines
	batch int // partitions served at once
	serve func([]*Partition)

	mu      sync.Mutex
	work    sync.Cond
	queue   []*Partition // FIFO from head
	head    int
	free    int // parked
	running int
	closed  bool
	done    sync.WaitGroup
}

func newPool(most, batch int, serve func([]*Partition)) *pool {
	p := &pool{most: most, batch: batch, serve: serve}
	p.work.L = &p.mu
	return p
}

func (p *pool) push(one *Partition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.queue = append(p.queue, one)
	switch {
	case p.free > 0:
		p.work.Signal()
	case p.running < p.most:
		p.running++
		p.done.Add(1)
		go p.run()
	}
}

func (p *pool) run() {
	defer p.done.Done()
	var batch []*Partition
	for {
		if batch = p.take(batch[:0]); len(batch) == 0 {
			return
		}
		p.serve(batch)
		clear(batch)
	}
}

// take adds to batch what is to be served next: nothing once the pool is closed.
func (p *pool) take(batch []*Partition) []*Partition {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
		if p.closed {
			return nil
		}
		p.free++
		p.work.Wait()
		p.free--
	}
	n := min(p.batch, len(p.queue)-p.head)
	batch = append(batch, p.queue[p.head:p.head+n]...)
	clear(p.queue[p.head : p.head+n])
	p.head += n
	return batch
}

// close serves what is queued and stops the pool.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.work.Broadcast()
	p.mu.Unlock()
	p.done.Wait()
}
