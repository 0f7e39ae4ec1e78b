// Package coordinator runs coordinators: one machine (package machine) over each
// partition of an internal topic that this broker leads.
//
// A shard is one machine and the goroutine that owns it. It begins when the
// broker becomes leader of the partition, folds the local log up to its end, then
// serves, and ends with the leadership. What it appends is folded at once; replies
// and events leave once all that was folded before them is committed. A leadership
// that came back is another one, with another shard: state that outlived a
// leadership could hold what the next leader has cut.
//
//	           Publish: this broker leads
//	nothing ──────────────────────────────▶ loading ──▶ active
//	   ▲                                       │           │
//	   └────────── the leadership ends, or the log cannot be read
//
// A call costs the goroutine of its caller and an entry in a list, never a
// goroutine of its own.
package coordinator

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
)

// Partitions are the replicas on this broker.
type Partitions interface {
	Partition(topic model.TopicID, index int32) (*replica.Partition, error)
}

// Options are what a Set is built from.
type Options struct {
	Topic string // the internal topic's name
	// New makes the machine of a partition, which the shard's goroutine alone
	// will use.
	New func(partition int32) machine.Machine
	// Events is given each event of a machine, in order, on the shard's
	// goroutine: it must not block and must not call the Set. Its outcome comes
	// back by Tell. The epoch is the partition's leader epoch. Nil if the
	// machine has no events.
	Events func(partition int32, epoch model.Epoch, event any)

	Self       model.NodeID
	Partitions Partitions
	Count      int            // partitions of the topic, until it exists
	Codec      compress.Codec // of the batches written
	// Patience is how long a reply waits for what was appended to be committed;
	// then the caller hears COORDINATOR_NOT_AVAILABLE. 0 is for ever.
	Patience time.Duration
	Now      func() time.Time
	Logger   *slog.Logger
}

// Bounds of a Set. Callers wait while a queue is full.
const (
	queueLength = 256
	maxLoading  = 4
)

// Set is the shards of one internal topic on this broker.
type Set struct {
	o       Options
	image   atomic.Pointer[metadata.Image]
	loading chan struct{} // holds a value for each shard that reads its log

	mu      sync.RWMutex
	shards  map[int32]*shard
	running context.Context // nil until Run
	wait    sync.WaitGroup

	counters counters
}

// New makes a Set that leads nothing yet.
func New(o Options) *Set {
	s := &Set{o: o, loading: make(chan struct{}, maxLoading), shards: map[int32]*shard{}}
	s.image.Store(metadata.Empty)
	return s
}

// Run runs the shards until the context ends.
func (s *Set) Run(ctx context.Context) error {
	s.mu.Lock()
	s.running = ctx
	for _, sh := range s.shards {
		s.start(sh)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	for _, sh := range s.shards {
		sh.stop()
	}
	s.shards = map[int32]*shard{}
	s.mu.Unlock()
	s.wait.Wait()
	return nil
}

// start needs mu.
func (s *Set) start(sh *shard) {
	ctx := s.running
	s.wait.Go(func() { sh.run(ctx) })
}

// Publish follows an image that the partitions have acted on already. When it
// returns, every partition that the image says this broker leads has a shard,
// which loads.
func (s *Set) Publish(img *metadata.Image) {
	s.image.Store(img)
	topic := img.Topic(s.o.Topic)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil && s.running.Err() != nil {
		return
	}
	for index, sh := range s.shards {
		if topic == nil || topic.ID != sh.partition.TopicID() || !sh.leads() {
			sh.stop()
			delete(s.shards, index)
			continue
		}
		sh.poke()
	}
	if topic == nil {
		return
	}
	for i := range topic.Partitions {
		if index := int32(i); topic.Partitions[i].Leader == s.o.Self && s.shards[index] == nil {
			s.lead(topic.ID, index)
		}
	}
}

// lead begins a shard. Needs mu.
func (s *Set) lead(topic model.TopicID, index int32) {
	p, err := s.o.Partitions.Partition(topic, index)
	if err != nil {
		return
	}
	l, err := p.Leadership()
	if err != nil {
		return // lost again, or its directory is offline
	}
	sh := newShard(s, p, l)
	s.shards[index] = sh
	if s.running != nil {
		s.start(sh)
	}
}

// shard is the one of a partition, nil if there is none.
func (s *Set) shard(partition int32) *shard {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.shards[partition]
}
