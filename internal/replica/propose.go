package replica

import (
	"time"

	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// Proposal is an in-sync set that the leader of a partition asks the controller
// for (AlterPartition, KIP-497).
type Proposal struct {
	Topic model.TopicID
	Index int32
	isr.Proposal
}

// Decision is the controller's answer to a Proposal, if it made one. Err is the
// partition's error.
type Decision struct {
	Err            error
	LeaderEpoch    model.Epoch
	ISR            []model.NodeID
	PartitionEpoch int32
}

// reconsider proposes another in-sync set if there should be one. Needs mu.
func (p *Partition) reconsider(now time.Time) {
	if p.role != roleLeader || p.propose == nil {
		return
	}
	if proposal, ok := p.leader.Propose(now); ok {
		p.dir.logger.Info("proposing an in-sync set", "partition", p.name, "isr", proposal.ISR, "from", p.leader.ISR(), "leader epoch", p.epoch)
		p.propose(Proposal{Topic: p.topic, Index: p.name.Index, Proposal: proposal})
	}
}

// proposeAll looks at all partitions: at followers that do not fetch any more, and
// at ones that may join since their broker is back.
func (s *Set) proposeAll() {
	now := s.o.Now()
	for _, p := range s.Partitions() {
		p.lookAgain(now)
	}
}

// lookAgain is for when time passed or Options.Brokers tells otherwise. A broker
// that was fenced does not hold the high watermark back any more: when the change
// was applied it still looked as if it might join, and nobody may fetch or append
// until those who wait are released.
func (p *Partition) lookAgain(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	p.lifted()
	p.reconsider(now)
}

// Published looks again at who may be in sync after a change that Apply has
// followed: now Options.Brokers tells of it too. Asked before that, it would have
// leaders propose brokers that the change takes out.
func (s *Set) Published(c *metadata.Change) {
	if len(c.Brokers) > 0 {
		s.proposeAll()
		return
	}
	now := s.o.Now()
	for _, t := range c.Topics {
		for _, i := range t.Partitions {
			if p, err := s.Partition(t.ID, i); err == nil {
				p.lookAgain(now)
			}
		}
	}
}

// Decided takes the controller's decision on a proposal. It reports whether the
// controller has to be asked again: what is not known to be refused may have been
// agreed to, and the larger set holds until that is known.
func (s *Set) Decided(q Proposal, d Decision) (again bool) {
	p, err := s.Partition(q.Topic, q.Index)
	if err != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role != roleLeader || p.epoch != q.LeaderEpoch || !p.leader.Proposed(q.Proposal) {
		return false
	}
	now := p.now()
	if d.Err == nil {
		if d.LeaderEpoch == p.epoch {
			p.agreed(q, d, now)
		}
		return false
	}
	switch kerr.Code(d.Err) {
	case kerr.OperationNotAttempted.Code, kerr.IneligibleReplica.Code:
		// The controller has not done it and holds the same partition epoch.
		p.dir.logger.Info("in-sync set was refused", "partition", p.name, "isr", q.ISR, "error", d.Err)
		if p.leader.Refused(q.Proposal, now) {
			p.lift(ChangedHighWatermark)
		}
		p.release()
		return false
	case kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code, kerr.FencedLeaderEpoch.Code,
		kerr.InvalidUpdateVersion.Code, kerr.InvalidRequest.Code, kerr.NewLeaderElected.Code:
		// The controller is ahead of this broker: the metadata log brings what it
		// decided, and until then the larger set holds.
		p.dir.logger.Info("in-sync set was proposed too late", "partition", p.name, "isr", q.ISR, "error", d.Err)
		return false
	}
	return true
}

// agreed takes over the in-sync set that the controller decided. Needs mu.
func (p *Partition) agreed(q Proposal, d Decision, now time.Time) {
	advanced := false
	if d.PartitionEpoch == q.PartitionEpoch {
		advanced = p.leader.Refused(q.Proposal, now) // it was so already
	} else {
		advanced = p.leader.Agreed(d.ISR, d.PartitionEpoch, now)
	}
	if advanced {
		p.lift(ChangedHighWatermark)
	}
	p.release()
	p.reconsider(now)
}
