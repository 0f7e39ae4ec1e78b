package coordinator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"unicode/utf16"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// PartitionFor is the partition that coordinates a key: a group id or a
// transactional id.
func (s *Set) PartitionFor(key string) int32 {
	if t := s.image.Load().Topic(s.o.Topic); t != nil {
		return PartitionFor(key, len(t.Partitions))
	}
	return PartitionFor(key, s.o.Count)
}

// PartitionFor is the one of count partitions that coordinates a key, as in Kafka:
// by the absolute value of Java's String.hashCode, 0 for the one that has none.
func PartitionFor(key string, count int) int32 {
	var hash int32
	for _, unit := range utf16.Encode([]rune(key)) {
		hash = 31*hash + int32(unit)
	}
	if hash < 0 {
		hash = max(-hash, 0) // the least int32 is its own negative
	}
	return hash % int32(count)
}

// call is one request on its way through a shard.
type call struct {
	request any
	guard   commitlog.Guard
	marker  *Marker
	reply   chan outcome // nil if nobody waits
}

func newCall(request any) *call { return &call{request: request, reply: make(chan outcome, 1)} }

type outcome struct {
	response any
	err      error
}

// Call gives a request to a partition's machine and returns the reply, once all
// that it shows is committed. The errors are protocol errors: NOT_COORDINATOR if
// this broker does not lead the partition or stops leading it meanwhile,
// COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, or the append's error
// as Kafka maps it. The context's error if that ends first: the request is carried
// out all the same.
func (s *Set) Call(ctx context.Context, partition int32, request any) (any, error) {
	sh := s.shard(partition)
	if sh == nil {
		return nil, kerr.NotCoordinator
	}
	return sh.call(ctx, newCall(request))
}

// CallVerified is Call for a request whose records are part of a transaction, which
// Verify began to verify and the transaction's coordinator has confirmed.
func (s *Set) CallVerified(ctx context.Context, partition int32, guard commitlog.Guard, request any) (any, error) {
	sh := s.shard(partition)
	if sh == nil {
		return nil, kerr.NotCoordinator
	}
	c := newCall(request)
	c.guard = guard
	return sh.call(ctx, c)
}

// Verify begins to verify that a partition of the topic is part of a producer's
// transaction (KIP-890); see commitlog.Log.Verify. Its errors are Call's.
func (s *Set) Verify(partition int32, v commitlog.Verification) (commitlog.Guard, error) {
	sh := s.shard(partition)
	if sh == nil {
		return 0, kerr.NotCoordinator
	}
	guard, err := sh.partition.Verify(v)
	return guard, machine.Refusal(err)
}

// Tell gives a machine the outcome of an event that it gave out in an epoch. It
// goes nowhere, without an error, if that leadership is over.
func (s *Set) Tell(ctx context.Context, partition int32, epoch model.Epoch, request any) error {
	sh := s.shard(partition)
	if sh == nil || epoch < sh.since {
		return nil
	}
	select {
	case sh.calls <- &call{request: request}:
	case <-sh.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// Each gives the request to every machine that serves here and returns the
// replies, in the order of the partitions. Loading tells that some partition led
// here does not serve yet. Partitions that stop being led meanwhile are left out.
func (s *Set) Each(ctx context.Context, request any) (responses []any, loading bool) {
	s.mu.RLock()
	shards := make([]*shard, 0, len(s.shards))
	for _, sh := range s.shards {
		shards = append(shards, sh)
	}
	s.mu.RUnlock()
	slices.SortFunc(shards, func(a, b *shard) int { return cmp.Compare(a.index, b.index) })
	calls := make([]*call, len(shards))
	for i, sh := range shards {
		c := newCall(request)
		switch err := sh.send(ctx, c); {
		case err == nil:
			calls[i] = c
		case errors.Is(err, kerr.CoordinatorLoadInProgress):
			loading = true
		}
	}
	for i, sh := range shards {
		if calls[i] == nil {
			continue
		}
		if response, err := sh.await(ctx, calls[i]); err == nil {
			responses = append(responses, response)
		}
	}
	return responses, loading
}

// Marker ends a producer's transaction in a partition of the topic.
type Marker struct {
	machine.Producer
	Committed bool
	// CoordinatorEpoch is that of the transaction's coordinator.
	CoordinatorEpoch model.Epoch
	// TransactionVersion is the feature level under which the marker is written.
	TransactionVersion int16
}

// Mark appends a marker and returns once it is committed and the machine has
// taken it in. Its errors are Call's.
func (s *Set) Mark(ctx context.Context, partition int32, m Marker) error {
	sh := s.shard(partition)
	if sh == nil {
		return kerr.NotCoordinator
	}
	_, err := sh.call(ctx, &call{marker: &m, reply: make(chan outcome, 1)})
	return err
}

// send passes a call to the shard's goroutine.
func (sh *shard) send(ctx context.Context, c *call) error {
	if err := sh.refusal(); err != nil {
		return err
	}
	select {
	case sh.calls <- c:
		return nil
	case <-sh.done:
		return kerr.NotCoordinator
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// await waits for the reply to a call.
func (sh *shard) await(ctx context.Context, c *call) (any, error) {
	select {
	case o := <-c.reply:
		return o.response, o.err
	case <-sh.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case o := <-c.reply: // in time
		return o.response, o.err
	default:
		return nil, kerr.NotCoordinator
	}
}

func (sh *shard) call(ctx context.Context, c *call) (any, error) {
	if err := sh.send(ctx, c); err != nil {
		return nil, err
	}
	return sh.await(ctx, c)
}
