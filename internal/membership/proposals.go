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

// Place names a partition.
type Place struct {
	Topic model.TopicID
	Index int32
}

// Proposal is an in-sync set that this broker, as the leader, asks for.
type Proposal struct {
	Place
	LeaderEpoch    model.Epoch
	PartitionEpoch int32
	ISR            []model.NodeID
	BrokerEpochs   []model.BrokerEpoch // parallel to ISR
}

// Decision is the controller's answer for one partition.
type Decision struct {
	Err            error
	LeaderEpoch    model.Epoch
	ISR            []model.NodeID
	PartitionEpoch int32
}

// ProposalOptions are what Proposals needs.
type ProposalOptions struct {
	Broker  *Broker
	Channel *Channel // its own, without a time-out: a decision is waited for
	// Decided is told each decision, and says whether to ask again.
	Decided func(Proposal, Decision) (again bool)
	Log     *slog.Logger
}

// Proposals takes in-sync sets to the controller (AlterPartition): one request is
// in flight, and what comes meanwhile goes with the next. What was not decided is
// asked again, because it may have been agreed to without the answer coming back.
type Proposals struct {
	opts ProposalOptions
	more notify.Signal

	mu    sync.Mutex
	queue map[Place]Proposal
}

// NewProposals has nothing to propose yet.
func NewProposals(o ProposalOptions) *Proposals {
	return &Proposals{opts: o, queue: map[Place]Proposal{}}
}

// Propose queues a proposal, in place of an older one for the partition. It does
// not block.
func (p *Proposals) Propose(one Proposal) {
	p.mu.Lock()
	p.queue[one.Place] = one
	p.mu.Unlock()
	p.more.Notify()
}

// again queues what has to be asked again, unless a newer proposal came.
func (p *Proposals) again(batch []Proposal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range batch {
		if _, newer := p.queue[one.Place]; !newer {
			p.queue[one.Place] = one
		}
	}
}

// maxProposals bounds the partitions of one request.
const maxProposals = 10000

func (p *Proposals) take() []Proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	var batch []Proposal
	for place, one := range p.queue {
		if len(batch) == maxProposals {
			break
		}
		batch = append(batch, one)
		delete(p.queue, place)
	}
	return batch
}

// proposalRetry is the wait before undecided proposals are asked again; Kafka's.
const proposalRetry = 50 * time.Millisecond

// Run asks until ctx ends.
func (p *Proposals) Run(ctx context.Context) error {
	for {
		more := p.more.Wait()
		batch := p.take()
		if len(batch) == 0 {
			select {
			case <-more:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		undecided, err := p.ask(ctx, batch)
		if err != nil {
			return err
		}
		if len(undecided) > 0 {
			p.again(undecided)
			if err := sleep(ctx, proposalRetry); err != nil {
				return err
			}
		}
	}
}

// ask sends one request and tells what was decided. The error is ctx's, or an
// answer that makes no sense.
func (p *Proposals) ask(ctx context.Context, batch []Proposal) (undecided []Proposal, err error) {
	r, err := p.opts.Channel.Do(ctx, p.request(batch))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		p.opts.Log.Warn("in-sync sets cannot be proposed", "error", err)
		return batch, nil
	}
	response, ok := r.(*wire.AlterPartitionResponse)
	if !ok {
		return nil, fmt.Errorf("propose in-sync sets: the controller answered with %T", r)
	}
	if err := kerr.FromCode(response.ErrorCode); err != nil {
		p.opts.Log.Warn("the controller has not taken in-sync sets", "error", err)
		return batch, nil
	}
	decided := map[Place]Decision{}
	for _, t := range response.Topics {
		for _, one := range t.Partitions {
			d := Decision{Err: kerr.FromCode(one.ErrorCode), LeaderEpoch: model.Epoch(one.LeaderEpoch), PartitionEpoch: one.PartitionEpoch}
			for _, id := range one.ISR {
				d.ISR = append(d.ISR, model.NodeID(id))
			}
			decided[Place{model.TopicID(t.TopicID), one.PartitionIndex}] = d
		}
	}
	for _, one := range batch {
		d, ok := decided[one.Place]
		if !ok || p.opts.Decided(one, d) {
			undecided = append(undecided, one)
		}
	}
	return undecided, nil
}

func (p *Proposals) request(batch []Proposal) *wire.AlterPartitionRequest {
	r := &wire.AlterPartitionRequest{}
	r.Reset()
	r.BrokerID, r.BrokerEpoch = int32(p.opts.Broker.opts.ID), int64(p.opts.Broker.Epoch())
	topics := map[model.TopicID]int{}
	for _, one := range batch {
		i, ok := topics[one.Topic]
		if !ok {
			i = len(r.Topics)
			topics[one.Topic] = i
			r.Topics = append(r.Topics, wire.AlterPartitionRequestTopic{TopicID: model.UUID(one.Topic)})
		}
		q := wire.AlterPartitionRequestPartition{PartitionIndex: one.Index, LeaderEpoch: int32(one.LeaderEpoch), PartitionEpoch: one.PartitionEpoch}
		for j, id := range one.ISR {
			q.NewISR = append(q.NewISR, int32(id)) // version 2; the rest is for later ones
			q.NewISRWithEpochs = append(q.NewISRWithEpochs, wire.AlterPartitionRequestNewISRWithEpoch{BrokerID: int32(id), BrokerEpoch: int64(one.BrokerEpochs[j])})
		}
		r.Topics[i].Partitions = append(r.Topics[i].Partitions, q)
	}
	return r
}
