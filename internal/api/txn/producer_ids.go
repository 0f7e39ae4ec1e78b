package txn

import (
	"context"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Block is a run of producer ids that belong to this broker.
type Block struct {
	First model.ProducerID
	Len   int32
}

// Blocks gives out the producer ids of blocks that the controller allocates to
// this broker (KIP-730), one block at a time. An id is given once; those of a
// block that is left over at the end of the process are lost, as in Kafka.
type Blocks struct {
	allocate func(ctx context.Context) (Block, error)
	turn     chan struct{} // held by the one caller that takes an id
	block    Block         // what is left; only the holder touches it
}

// NewBlocks asks for blocks by allocate, one call at a time.
func NewBlocks(allocate func(ctx context.Context) (Block, error)) *Blocks {
	return &Blocks{allocate: allocate, turn: make(chan struct{}, 1)}
}

// Next implements ProducerIDs. It waits for a block when none is left; a failure
// to get one is COORDINATOR_LOAD_IN_PROGRESS, at which every client asks again.
func (b *Blocks) Next(ctx context.Context) (model.ProducerID, error) {
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-b.turn }()
	if b.block.Len == 0 {
		block, err := b.allocate(ctx)
		if err != nil || block.Len <= 0 {
			return 0, kerr.CoordinatorLoadInProgress.With("no producer ids from the controller: %v", err)
		}
		b.block = block
	}
	id := b.block.First
	b.block.First++
	b.block.Len--
	return id, nil
}
