package membership

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/wire"
)

// ProducerIDs hands out producer ids from blocks that the controller gives to
// this broker; no id is handed out twice in the cluster (KIP-730). The next
// block is fetched when nine tenths of one are used. Run must be running.
type ProducerIDs struct {
	channel *Channel
	broker  *Broker
	log     *slog.Logger
	arrived notify.Signal // tells Next of a block
	needed  notify.Signal // tells Run that a block is wanted

	mu      sync.Mutex
	current idBlock
	next    idBlock
	asked   bool // somebody has asked: nothing is fetched before that
}

// idBlock is the ids in [first, end), of which size there were at first.
type idBlock struct {
	first, end model.ProducerID
	size       int64
}

func (b idBlock) left() int64 { return int64(b.end - b.first) }

// NewProducerIDs hands out ids to the broker's producers. The channel may be
// shared with a Forwarder.
func NewProducerIDs(c *Channel, b *Broker, log *slog.Logger) *ProducerIDs {
	return &ProducerIDs{channel: c, broker: b, log: log}
}

// Next is an id that nobody had before; it waits for the controller if need be.
func (p *ProducerIDs) Next(ctx context.Context) (model.ProducerID, error) {
	for {
		arrived := p.arrived.Wait()
		if id, ok := p.take(); ok {
			return id, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return -1, fmt.Errorf("wait for producer ids: %w", ctx.Err())
		}
	}
}

// Ready waits until an id is at hand, which somebody else may then take.
func (p *ProducerIDs) Ready(ctx context.Context) error {
	for {
		arrived := p.arrived.Wait()
		p.mu.Lock()
		ready := p.current.left()+p.next.left() > 0
		p.asked = true
		p.mu.Unlock()
		if ready {
			return nil
		}
		p.needed.Notify()
		select {
		case <-arrived:
		case <-ctx.Done():
			return fmt.Errorf("wait for producer ids: %w", ctx.Err())
		}
	}
}

// TryNext is Next without waiting; false if no id is at hand. One is asked for.
func (p *ProducerIDs) TryNext() (model.ProducerID, bool) { return p.take() }

func (p *ProducerIDs) take() (model.ProducerID, bool) {
	p.mu.Lock()
	if p.current.left() == 0 {
		p.current, p.next = p.next, idBlock{}
	}
	id, ok := p.current.first, p.current.left() > 0
	if ok {
		p.current.first++
	}
	p.asked = true
	wanted := p.wanted()
	p.mu.Unlock()
	if wanted {
		p.needed.Notify()
	}
	return id, ok
}

// wanted reports that another block should be fetched. The caller holds mu.
func (p *ProducerIDs) wanted() bool {
	return p.asked && p.next.left() == 0 && p.current.left() <= p.current.size/10
}

// Run fetches blocks when they are wanted, until ctx ends.
func (p *ProducerIDs) Run(ctx context.Context) error {
	for {
		needed := p.needed.Wait()
		p.mu.Lock()
		wanted := p.wanted()
		p.mu.Unlock()
		if !wanted {
			select {
			case <-needed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		block, err := p.fetch(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.log.Warn("the controller has given no producer ids", "error", err)
			if err := sleep(ctx, retryBackoff); err != nil {
				return err
			}
			continue
		}
		p.mu.Lock()
		p.next = block
		p.mu.Unlock()
		p.arrived.Notify()
	}
}

// fetchTimeout is how long one request for a block goes on trying, so that a
// broker that has registered again asks with its new epoch.
const fetchTimeout = 10 * time.Second

func (p *ProducerIDs) fetch(ctx context.Context) (idBlock, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	r := &wire.AllocateProducerIdsRequest{}
	r.Reset()
	r.BrokerID, r.BrokerEpoch = int32(p.broker.opts.ID), int64(p.broker.Epoch())
	response, err := p.channel.Do(ctx, r)
	if err != nil {
		return idBlock{}, err
	}
	a, ok := response.(*wire.AllocateProducerIdsResponse)
	if !ok {
		return idBlock{}, fmt.Errorf("the controller answered with %T", response)
	}
	if err := kerr.FromCode(a.ErrorCode); err != nil {
		return idBlock{}, err
	}
	if a.ProducerIDStart < 0 || a.ProducerIDLen <= 0 {
		return idBlock{}, fmt.Errorf("the controller gave %d ids from %d", a.ProducerIDLen, a.ProducerIDStart)
	}
	first := model.ProducerID(a.ProducerIDStart)
	return idBlock{first: first, end: first + model.ProducerID(a.ProducerIDLen), size: int64(a.ProducerIDLen)}, nil
}
