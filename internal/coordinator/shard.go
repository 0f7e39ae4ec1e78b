package coordinator

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
)

// The states of a shard.
const (
	stateLoading int32 = iota
	stateActive
	stateOver
)

// shard is one machine over one leadership of one partition.
type shard struct {
	set       *Set
	index     int32
	partition *replica.Partition
	since     model.Epoch // the leadership
	watch     replica.Watch
	calls     chan *call
	poked     chan struct{} // has a value when there is something to look at
	state     atomic.Int32
	done      chan struct{} // closed when the shard has ended
	quit      chan struct{} // closed when it should
	stopOnce  sync.Once

	// What follows is the goroutine's.
	machine machine.Machine
	image   *metadata.Image
	next    model.Offset // the end of what is folded
	token   machine.Token
	waiting map[machine.Token]*call
	held    queue
	guard   commitlog.Guard // of the call that is being handled
	broken  error           // why the state is not the fold of the log any more
}

func newShard(s *Set, p *replica.Partition, l replica.Leadership) *shard {
	return &shard{
		set: s, index: p.Name().Index, partition: p, since: l.Since,
		calls: make(chan *call, queueLength), poked: make(chan struct{}, 1),
		done: make(chan struct{}), quit: make(chan struct{}),
		waiting: map[machine.Token]*call{},
	}
}

// stop makes the shard end soon; it may be stopped twice.
func (sh *shard) stop() { sh.stopOnce.Do(func() { close(sh.quit) }) }

// poke makes the goroutine look around.
func (sh *shard) poke() {
	select {
	case sh.poked <- struct{}{}:
	default:
	}
}

// Changed implements replica.Watcher.
func (sh *shard) Changed(c replica.Changes, _ int64) {
	if c&(replica.ChangedHighWatermark|replica.ChangedRole) != 0 {
		sh.poke()
	}
}

// leads reports whether the shard's leadership still is.
func (sh *shard) leads() bool {
	l, err := sh.partition.Leadership()
	return err == nil && l.Since == sh.since
}

// refusal is why the shard takes no calls, nil if it does.
func (sh *shard) refusal() error {
	switch sh.state.Load() {
	case stateLoading:
		return kerr.CoordinatorLoadInProgress
	case stateOver:
		return kerr.NotCoordinator
	}
	return nil
}

// run is the shard's life. Whoever waits for it afterwards hears NOT_COORDINATOR.
func (sh *shard) run(ctx context.Context) {
	defer close(sh.done)
	defer sh.state.Store(stateOver)
	sh.partition.Watch(&sh.watch, sh)
	defer sh.watch.Stop()
	if err := sh.load(ctx); err != nil {
		if ctx.Err() == nil && sh.leads() {
			sh.set.counters.failedLoads.Add(1)
			sh.set.o.Logger.Error("coordinator cannot load its partition, which is not coordinated until another leads", "partition", sh.partition, "err", err)
		}
		return
	}
	sh.image = sh.set.image.Load()
	sh.carryOut(sh.machine.Start(sh.set.o.Now(), sh.image))
	sh.state.Store(stateActive)
	sh.serve(ctx)
}

func (sh *shard) serve(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for sh.release() {
		sh.arm(timer)
		select {
		case c := <-sh.calls:
			sh.handle(c)
		case <-sh.poked:
			sh.update()
		case <-timer.C:
			sh.tick()
		case <-sh.quit:
			return
		case <-ctx.Done():
			return
		}
	}
}

// arm sets the timer to the next deadline: the machine's, or that of a reply.
func (sh *shard) arm(timer *time.Timer) {
	due := sh.machine.Due()
	if at := sh.held.deadline(); !at.IsZero() && (due.IsZero() || at.Before(due)) {
		due = at
	}
	if due.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(max(due.Sub(sh.set.o.Now()), 0))
}

func (sh *shard) tick() {
	now := sh.set.o.Now()
	sh.expire(now)
	if due := sh.machine.Due(); !due.IsZero() && !due.After(now) {
		sh.carryOut(sh.machine.Tick(now))
	}
}

func (sh *shard) update() {
	if img := sh.set.image.Load(); img != sh.image {
		sh.image = img
		sh.carryOut(sh.machine.Update(sh.set.o.Now(), img))
	}
}

func (sh *shard) handle(c *call) {
	sh.set.counters.calls.Add(1)
	var t machine.Token
	if c.reply != nil {
		if sh.held.full() {
			c.reply <- outcome{err: kerr.CoordinatorNotAvailable.With("too much waits to be committed")}
			return
		}
		sh.token++
		t = sh.token
		sh.waiting[t] = c
	}
	if c.marker != nil {
		sh.mark(t, c.marker)
		return
	}
	sh.guard = c.guard
	sh.carryOut(sh.machine.Handle(sh.set.o.Now(), t, c.request))
	sh.guard = 0
}
