package replica

import (
	"slices"

	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// assign takes what the metadata says of the partition: who leads it, and with
// whom. An assignment older than the one known changes nothing.
func (p *Partition) assign(a *metadata.Partition) {
	p.appending.Lock()
	defer p.appending.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role == roleOffline || p.role == roleGone || a.LeaderEpoch < p.epoch {
		return
	}
	if a.Leader == p.self.Self {
		p.lead(a)
	} else {
		p.follow(a)
	}
}

// lead makes this broker the leader, or goes on leading. Needs both locks.
func (p *Partition) lead(a *metadata.Partition) {
	in := isr.Assignment{Replicas: a.Replicas, Directories: a.Directories, ISR: a.ISR, PartitionEpoch: a.PartitionEpoch}
	now := p.now()
	if p.role == roleLeader && a.LeaderEpoch == p.epoch {
		if p.leader.Assign(in, now) {
			p.lift(ChangedHighWatermark)
		}
		p.release()
		return
	}
	// Followers with records of later epochs than any of ours must learn where
	// to cut, so the epoch is in the log's epoch cache before its first record.
	p.log.AssignEpoch(a.LeaderEpoch, p.log.End())
	gapless := p.role == roleLeader && a.LeaderEpoch == p.epoch+1
	p.epoch, p.leaderID = a.LeaderEpoch, a.Leader
	if gapless {
		if p.leader.Lead(a.LeaderEpoch, in, now) {
			p.lift(ChangedRole | ChangedHighWatermark)
		} else {
			p.tell(ChangedRole)
		}
		return
	}
	// Between the epochs somebody else may have led and cut this log: who waits
	// for records of the earlier one cannot be told that they are committed.
	p.role = roleFollower
	p.failWaiters()
	p.role, p.ledSince = roleLeader, a.LeaderEpoch
	end, policyEnd := p.ends()
	p.leader = isr.NewLeader(p.self, a.LeaderEpoch, in, p.minISR, end, policyEnd, p.highWatermark, now)
	p.lift(ChangedRole | ChangedHighWatermark)
}

// follow makes this broker a follower, or goes on following. Needs both locks.
func (p *Partition) follow(a *metadata.Partition) {
	changed := p.role != roleFollower || p.epoch != a.LeaderEpoch || p.leaderID != a.Leader
	p.role, p.leader = roleFollower, nil
	p.epoch, p.leaderID = a.LeaderEpoch, a.Leader
	p.failWaiters()
	if changed {
		p.tell(ChangedRole)
	}
}

// leave ends the replica: as offline or gone. The second is for good.
func (p *Partition) leave(r role) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role == roleGone || p.role == r {
		return
	}
	p.role, p.leader, p.leaderID = r, nil, model.NoNode
	p.failWaiters()
	p.tell(ChangedRole)
}

// FollowerFetch is what a follower's fetch says about it.
type FollowerFetch = isr.Fetch

// Fetched takes a follower's fetch into account.
func (p *Partition) Fetched(f FollowerFetch) error {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkEpoch(model.NoEpoch, true); err != nil {
		return err
	}
	advanced, err := p.leader.Fetched(f, now)
	if advanced {
		p.lift(ChangedHighWatermark)
	}
	if err == nil {
		p.lifted()
		p.reconsider(now)
	}
	return err
}

// hosts reports whether a broker has a replica of the partition.
func hosts(a *metadata.Partition, self model.NodeID) bool {
	return slices.Contains(a.Replicas, self)
}
