// Package isr decides, for one partition that this broker leads, what may be
// called committed, who is in sync and which in-sync set to propose to the
// controller. It is pure: time and facts about other brokers are passed in, and
// the shell that owns a Leader serialises calls to it.
//
// Two ends matter here. A replica's log end is where its next record goes; its
// policy end is the part of that which counts as kept (synced, under policy
// fsync). A follower fetches at its policy end, so its fetch offset is its word
// that it has what is below. The high watermark is the least policy end over the
// maximal in-sync set, the leader's own included, and never goes back:
//
//	last stable offset <= high watermark <= policy end <= log end
//
// The maximal in-sync set is the committed one, plus the replica that a proposal
// in flight would add; a proposal to drop one keeps it until the controller
// agreed (KIP-497). The high watermark stands still while the committed in-sync
// set is smaller than min.insync.replicas (KIP-966).
package isr

import (
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Unknown is the end of a follower that has not fetched in this leadership.
const Unknown model.Offset = -1

// Assignment is what the metadata says about the partition.
type Assignment struct {
	Replicas       []model.NodeID
	Directories    []model.DirectoryID // parallel to Replicas; nil where they are not told
	ISR            []model.NodeID
	PartitionEpoch int32
}

// Brokers tells whether a broker, in the life named by epoch, may join an
// in-sync set with a replica in a log directory: alive, not fenced, not shutting
// down, the directory not offline, and epoch its current one or -1. What a
// follower once fetched says nothing of a directory that it has lost since. Current is that current epoch, and false for a broker nobody knows.
type Brokers interface {
	Eligible(id model.NodeID, epoch model.BrokerEpoch, dir model.DirectoryID) bool
	Current(id model.NodeID) (model.BrokerEpoch, bool)
}

// Config is what a Leader is told once per leadership.
type Config struct {
	Self    model.NodeID
	LagMax  time.Duration // replica.lag.time.max.ms
	Brokers Brokers       // may be nil while the partition has one replica
}

// Leader is one uninterrupted leadership of one partition. The leader epoch may
// rise within it, through Lead.
type Leader struct {
	config     Config
	epoch      model.Epoch
	epochStart model.Offset // log end when epoch began
	assigned   Assignment
	minISR     int

	end, policyEnd, highWatermark model.Offset
	followers                     []follower
	pending                       *Proposal
}

// follower is what the leader knows of one other replica, all of it from the
// follower's fetches.
type follower struct {
	id            model.NodeID
	dir           model.DirectoryID
	brokerEpoch   model.BrokerEpoch
	start, end    model.Offset
	caughtUp      time.Time // when it last had all that the leader had
	lastFetch     time.Time
	lastLeaderEnd model.Offset // the leader's log end at lastFetch
}

// Proposal is an in-sync set for the controller to agree to (AlterPartition).
type Proposal struct {
	ISR            []model.NodeID
	BrokerEpochs   []model.BrokerEpoch // parallel to ISR; -1 where not known
	LeaderEpoch    model.Epoch
	PartitionEpoch int32 // the epoch the proposal builds on
	maximal        []model.NodeID
}

// NewLeader begins a leadership. The high watermark is the highest this replica
// knew before, so it never goes back by leading.
func NewLeader(c Config, epoch model.Epoch, a Assignment, minISR int, end, policyEnd, highWatermark model.Offset, now time.Time) *Leader {
	assert.That(highWatermark <= policyEnd && policyEnd <= end, "high watermark %d, policy end %d, log end %d", highWatermark, policyEnd, end)
	l := &Leader{
		config: c, epoch: epoch, epochStart: end, minISR: minISR,
		end: end, policyEnd: policyEnd, highWatermark: highWatermark,
	}
	l.assign(a, now)
	l.advance(now)
	return l
}

// Lead moves to a later leader epoch without a gap. A proposal of the old epoch
// is void: the controller refuses it.
func (l *Leader) Lead(epoch model.Epoch, a Assignment, now time.Time) (advanced bool) {
	assert.That(epoch > l.epoch, "leader epoch %d after %d", epoch, l.epoch)
	l.epoch, l.epochStart, l.pending = epoch, l.end, nil
	for i := range l.followers {
		f := &l.followers[i]
		f.lastLeaderEnd, f.lastFetch, f.caughtUp = l.epochStart, time.Time{}, time.Time{}
		if slices.Contains(a.ISR, f.id) {
			f.lastFetch, f.caughtUp = now, now
		}
	}
	l.assign(a, now)
	return l.advance(now)
}

// Assign takes a new assignment or in-sync set within the same leader epoch. An
// assignment older than the one known is ignored: the controller's answer to a
// proposal may overtake the metadata log.
func (l *Leader) Assign(a Assignment, now time.Time) (advanced bool) {
	if a.PartitionEpoch < l.assigned.PartitionEpoch {
		return false
	}
	if a.PartitionEpoch > l.assigned.PartitionEpoch {
		l.pending = nil
	}
	l.assign(a, now)
	return l.advance(now)
}

func (l *Leader) assign(a Assignment, now time.Time) {
	l.assigned = a
	var followers []follower
	for n, id := range a.Replicas {
		if id == l.config.Self {
			continue
		}
		f := follower{id: id, brokerEpoch: -1, start: Unknown, end: Unknown, lastLeaderEnd: Unknown}
		if i := slices.IndexFunc(l.followers, func(f follower) bool { return f.id == id }); i >= 0 {
			f = l.followers[i]
		} else if slices.Contains(a.ISR, id) {
			f.caughtUp = now
		}
		if n < len(a.Directories) {
			f.dir = a.Directories[n]
		}
		followers = append(followers, f)
	}
	l.followers = followers
}

// SetMinISR takes a new min.insync.replicas.
func (l *Leader) SetMinISR(n int, now time.Time) (advanced bool) {
	l.minISR = n
	return l.advance(now)
}

// Local takes the leader's own ends after an append or a sync, and reports
// whether the high watermark moved.
func (l *Leader) Local(end, policyEnd model.Offset, now time.Time) (advanced bool) {
	if policyEnd > end || policyEnd < l.policyEnd || end < l.end { // asked first: the arguments would be allocated
		assert.That(false, "policy end %d after %d, log end %d after %d", policyEnd, l.policyEnd, end, l.end)
	}
	if end > l.end {
		// A follower that had all is asked for the partition only when there is
		// more of it, so its fetches do not say that it was caught up until now.
		for i := range l.followers {
			if f := &l.followers[i]; f.end == l.end {
				f.caughtUp = later(f.caughtUp, now)
			}
		}
	}
	l.end, l.policyEnd = end, policyEnd
	return l.advance(now)
}

// Fetch is one follower's fetch of the partition.
type Fetch struct {
	Follower    model.NodeID
	BrokerEpoch model.BrokerEpoch // -1 from brokers that do not tell
	Offset      model.Offset
	LogStart    model.Offset
	LeaderEnd   model.Offset // the log end read before the records were
	HasEpoch    bool         // the request named the current leader epoch
}

// Fetched takes a follower's fetch. The errors are those of Kafka's Partition
// for a follower that is not assigned, or that speaks for an earlier life.
func (l *Leader) Fetched(f Fetch, now time.Time) (advanced bool, err error) {
	i := slices.IndexFunc(l.followers, func(k follower) bool { return k.id == f.Follower })
	if i < 0 {
		return false, l.unassigned(f)
	}
	k := &l.followers[i]
	if f.BrokerEpoch != -1 {
		if current, ok := l.config.Brokers.Current(f.Follower); ok && f.BrokerEpoch < current {
			return false, kerr.NotLeaderOrFollower.With("broker %d fetches with epoch %d, before its current %d", f.Follower, f.BrokerEpoch, current)
		}
	}
	switch {
	case f.Offset >= f.LeaderEnd:
		k.caughtUp = later(k.caughtUp, now)
	case f.Offset >= k.lastLeaderEnd:
		k.caughtUp = later(k.caughtUp, k.lastFetch)
	}
	k.start, k.end, k.brokerEpoch = f.LogStart, f.Offset, f.BrokerEpoch
	k.lastLeaderEnd, k.lastFetch = f.LeaderEnd, now
	return l.advance(now), nil
}

// LowWatermark is the least log start of the replicas whose brokers live, this
// one's own included; Unknown while one of them has not fetched.
func (l *Leader) LowWatermark(own model.Offset) model.Offset {
	low := own
	for i := range l.followers {
		f := &l.followers[i]
		if f.start < low && l.config.Brokers.Eligible(f.id, -1, f.dir) {
			low = f.start
		}
	}
	return low
}

// unassigned is the error for a fetch by a broker outside the replica set. With
// a leader epoch that matches, the follower knows of a reassignment before this
// leader does, and is told to retry.
func (l *Leader) unassigned(f Fetch) error {
	if f.HasEpoch {
		return kerr.UnknownLeaderEpoch.With("broker %d is not a replica in leader epoch %d", f.Follower, l.epoch)
	}
	return kerr.NotLeaderOrFollower.With("broker %d is not a replica", f.Follower)
}

// advance raises the high watermark to the least policy end over the maximal
// in-sync set. A replica outside the set that is caught up and may join holds it
// back too: else it could chase a moving high watermark for ever.
func (l *Leader) advance(now time.Time) bool {
	if len(l.assigned.ISR) < l.effectiveMinISR() {
		return false
	}
	least := l.policyEnd
	for i := range l.followers {
		f := &l.followers[i]
		if f.end < least && (l.inMaximal(f.id) || l.mayJoinSoon(f, now)) {
			least = f.end
		}
	}
	if least <= l.highWatermark {
		return false
	}
	l.highWatermark = least
	return true
}

func (l *Leader) inMaximal(id model.NodeID) bool {
	return slices.Contains(l.maximal(), id)
}

func (l *Leader) maximal() []model.NodeID {
	if l.pending != nil {
		return l.pending.maximal
	}
	return l.assigned.ISR
}

func (l *Leader) mayJoinSoon(f *follower, now time.Time) bool {
	return l.isCaughtUp(f, now) && l.config.Brokers.Eligible(f.id, f.brokerEpoch, f.dir)
}

func (l *Leader) isCaughtUp(f *follower, now time.Time) bool {
	return f.end == l.end || now.Sub(f.caughtUp) <= l.config.LagMax
}

func (l *Leader) effectiveMinISR() int {
	return min(l.minISR, len(l.followers)+1)
}

// Propose names the in-sync set to ask the controller for, if it should change:
// a follower that reached the high watermark and this epoch's start is added,
// ones that lag are dropped. While a proposal is in flight there is no other.
func (l *Leader) Propose(now time.Time) (Proposal, bool) {
	if l.pending != nil {
		return Proposal{}, false
	}
	if id, ok := l.joining(); ok {
		next := append(slices.Clone(l.assigned.ISR), id)
		return l.propose(next, next), true
	}
	if next := l.remaining(now); len(next) < len(l.assigned.ISR) {
		return l.propose(next, l.assigned.ISR), true
	}
	return Proposal{}, false
}

func (l *Leader) joining() (model.NodeID, bool) {
	for i := range l.followers {
		f := &l.followers[i]
		if !slices.Contains(l.assigned.ISR, f.id) && f.end >= l.highWatermark && f.end >= l.epochStart &&
			l.config.Brokers.Eligible(f.id, f.brokerEpoch, f.dir) {
			return f.id, true
		}
	}
	return model.NoNode, false
}

func (l *Leader) remaining(now time.Time) []model.NodeID {
	return slices.DeleteFunc(slices.Clone(l.assigned.ISR), func(id model.NodeID) bool {
		if id == l.config.Self {
			return false
		}
		i := slices.IndexFunc(l.followers, func(f follower) bool { return f.id == id })
		return i < 0 || !l.isCaughtUp(&l.followers[i], now)
	})
}

func (l *Leader) propose(next, maximal []model.NodeID) Proposal {
	p := Proposal{ISR: next, LeaderEpoch: l.epoch, PartitionEpoch: l.assigned.PartitionEpoch, maximal: maximal}
	for _, id := range next {
		epoch := model.BrokerEpoch(-1)
		if i := slices.IndexFunc(l.followers, func(f follower) bool { return f.id == id }); i >= 0 {
			epoch = l.followers[i].brokerEpoch
		} else if l.config.Brokers != nil {
			if current, ok := l.config.Brokers.Current(id); ok {
				epoch = current
			}
		}
		p.BrokerEpochs = append(p.BrokerEpochs, epoch)
	}
	l.pending = &p
	return p
}

// Proposed reports whether that proposal is the one in flight.
func (l *Leader) Proposed(p Proposal) bool {
	return l.pending != nil && l.pending.PartitionEpoch == p.PartitionEpoch && l.pending.LeaderEpoch == p.LeaderEpoch
}

// Agreed takes the in-sync set that the controller decided on, which the answer
// to a proposal tells before the metadata log does.
func (l *Leader) Agreed(set []model.NodeID, partitionEpoch int32, now time.Time) (advanced bool) {
	return l.Assign(Assignment{Replicas: l.assigned.Replicas, Directories: l.assigned.Directories, ISR: set, PartitionEpoch: partitionEpoch}, now)
}

// Replica is what the leader knows of a replica that a consumer may read from.
type Replica struct {
	ID       model.NodeID
	End      model.Offset // of the log, as far as known
	CaughtUp time.Time
}

// Readable are the in-sync followers that have an offset (KIP-392). A follower out
// of sync may be so far behind that a consumer sent there falls behind for good.
func (l *Leader) Readable(offset model.Offset) []Replica {
	var all []Replica
	for i := range l.followers {
		f := &l.followers[i]
		if slices.Contains(l.assigned.ISR, f.id) && f.end >= offset && f.start <= offset && f.end != Unknown {
			all = append(all, Replica{f.id, f.end, f.caughtUp})
		}
	}
	return all
}

// Refused ends a proposal that the controller did not and will not accept. A
// request whose fate is unknown must be asked again instead: until the answer,
// the maximal set has to hold.
func (l *Leader) Refused(p Proposal, now time.Time) (advanced bool) {
	if !l.Proposed(p) {
		return false
	}
	l.pending = nil
	return l.advance(now)
}

// HighWatermark is the end of what is committed.
func (l *Leader) HighWatermark() model.Offset { return l.highWatermark }

// Epoch is the leader epoch, EpochStart the log end at which it began.
func (l *Leader) Epoch() model.Epoch { return l.epoch }

// EpochStart is the log end at which the leader epoch began. While the high
// watermark is below it, the latest offset is not known to be right.
func (l *Leader) EpochStart() model.Offset { return l.epochStart }

// ISR is the committed in-sync set. The caller must not change it.
func (l *Leader) ISR() []model.NodeID { return l.assigned.ISR }

// MinISR is min.insync.replicas, bounded by the number of replicas.
func (l *Leader) MinISR() int { return l.effectiveMinISR() }

// MayAppend tells whether an append with acks=all is accepted.
func (l *Leader) MayAppend() bool { return len(l.assigned.ISR) >= l.effectiveMinISR() }

// Enough tells whether a record below the high watermark may be acknowledged to
// acks=all: the set may have shrunk since the append.
func (l *Leader) Enough() bool { return len(l.maximal()) >= l.effectiveMinISR() }

// FollowerHighWatermark is a follower's own high watermark after it heard of the
// leader's: never beyond what it keeps itself, never back.
func FollowerHighWatermark(own, leaders, policyEnd model.Offset) model.Offset {
	return max(own, min(leaders, policyEnd))
}

// LastStable is the last stable offset: the high watermark, or the first offset
// of a transaction that is not decided below it.
func LastStable(highWatermark, firstUnstable model.Offset) model.Offset {
	return min(highWatermark, firstUnstable)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
