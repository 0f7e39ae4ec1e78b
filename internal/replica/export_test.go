package replica

import (
	"context"

	"github.com/stromkafka/strom/internal/follow"
	"github.com/stromkafka/strom/internal/model"
)

// Rebound is a token as if waits were not bound to the epoch of the append.
func Rebound(t Token) Token {
	t.partition.mu.Lock()
	defer t.partition.mu.Unlock()
	t.epoch = t.partition.epoch
	return t
}

// Cut truncates the log of a follower as a fetcher does.
func Cut(p *Partition, end model.Offset) error {
	p.mu.Lock()
	epoch := p.epoch
	p.mu.Unlock()
	cut, err := p.cutTo(epoch, follow.Placement{Offset: end})
	if err != nil {
		return err
	}
	return cut.Wait(context.Background())
}

// Waiting counts the waits of a partition whose lock is held.
func Waiting(p *Partition) (n int) {
	for w := p.waiters.first; w != nil; w = w.next {
		n++
	}
	return n
}

// Follow does with what a leader sent what a fetcher does with it.
func Follow(p *Partition, epoch model.Epoch, records []byte, highWatermark model.Offset) error {
	if err := p.appendFetched(epoch, records); err != nil {
		return err
	}
	kept := p.keep()
	if err := kept.Wait(context.Background()); err != nil {
		return err
	}
	return p.hear(epoch, highWatermark, 0)
}

// CutAsFollower cuts the log of a partition that is followed in an epoch.
func CutAsFollower(p *Partition, epoch model.Epoch, end model.Offset) error {
	cut, err := p.cutTo(epoch, follow.Placement{Offset: end})
	if err != nil {
		return err
	}
	return cut.Wait(context.Background())
}
