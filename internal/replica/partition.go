package replica

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// role is what this broker is for a partition.
//
//	           Apply: leader is this broker
//	follower ─────────────────────────────▶ leader
//	         ◀─────────────────────────────
//	           Apply: leader is another or nobody
//
//	either ──▶ offline   its directory failed; until restart
//	either ──▶ gone      deleted, or reassigned away
type role uint8

const (
	roleFollower role = iota
	roleLeader
	roleOffline
	roleGone
)

// Partition is one partition's replica on this broker.
//
// Locks, in the order they are taken: appending, mu. Appending is held over the
// write(2) of an append and by what must not overlap one: a change of role or of
// config. Mu guards the state below it and nothing blocks while it is held.
// Neither is held over a sync or a read of the log.
type Partition struct {
	name  model.Partition
	topic model.TopicID
	dir   *Dir
	log   *commitlog.Log
	now   func() time.Time
	self  isr.Config
	// propose is Options.Propose.
	propose func(Proposal)
	flush   atomic.Int32 // its place in the directory's flushers

	appending sync.Mutex

	mu       sync.Mutex
	role     role
	epoch    model.Epoch  // of the current leader, whoever it is
	leaderID model.NodeID // -1 while there is none
	leader   *isr.Leader  // while role is roleLeader
	ledSince model.Epoch  // the first epoch of the leadership without a gap
	// highWatermark and lastStable are the pair that reads are bounded by; they
	// are set together (KAFKA-9807). The high watermark outlives roles.
	highWatermark model.Offset
	lastStable    model.Offset
	// synced is the policy: true if only synced records count as kept. What
	// counted before a change to fsync goes on to count: counted.
	synced  bool
	minISR  int
	counted model.Offset
	waiters waiters
	lows    []*lowWait
	watches []*Watch
	move    *move        // into another directory, nil if there is none
	cutting model.Offset // where a follower is about to cut its log; else noCut

	// appended counts the bytes ever appended through this Partition. known is
	// a recent pair of log end and count; committed is the count at the last
	// known end that the high watermark reached: a lower bound for the bytes
	// that are committed.
	appended  int64
	known     mark
	committed int64
}

// mark is the count of appended bytes at a log end.
type mark struct {
	end   model.Offset
	bytes int64
}

// String is the partition's directory name.
func (p *Partition) String() string { return p.name.String() }

// Name is the partition's topic name and index.
func (p *Partition) Name() model.Partition { return p.name }

// TopicID is the topic this partition belongs to.
func (p *Partition) TopicID() model.TopicID { return p.topic }

// Dir is the log directory that holds the partition.
func (p *Partition) Dir() *Dir { return p.dir }

// Size is how many bytes the partition's log takes on disk.
func (p *Partition) Size() int64 { return p.log.Size() }

// Lag is by how many offsets the log ends below the high watermark.
func (p *Partition) Lag() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, int64(p.highWatermark-p.log.End()))
}

// Status is a consistent look at a partition.
type Status struct {
	Leading       bool
	LeaderID      model.NodeID
	Epoch         model.Epoch
	EpochStart    model.Offset // log end when the epoch began; only while leading
	ISR           []model.NodeID
	LogStart      model.Offset
	LastStable    model.Offset
	HighWatermark model.Offset
	LogEnd        model.Offset
}

// Status looks at the partition: LogStart <= LastStable <= HighWatermark <=
// LogEnd, except that the log start may have moved past the rest.
func (p *Partition) Status() (Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.usable(); err != nil {
		return Status{}, err
	}
	s := Status{
		Leading: p.role == roleLeader, LeaderID: p.leaderID, Epoch: p.epoch,
		LogStart: p.log.Start(), LastStable: p.lastStable, HighWatermark: p.highWatermark, LogEnd: p.log.End(),
	}
	if s.Leading {
		s.EpochStart, s.ISR = p.leader.EpochStart(), p.leader.ISR()
	}
	return s, nil
}

// usable is nil while the partition's log may be used. Needs mu.
func (p *Partition) usable() error {
	switch p.role {
	case roleOffline:
		return kerr.KafkaStorageError.With("the log directory is offline")
	case roleGone:
		return kerr.NotLeaderOrFollower.With("this broker has no replica of the partition any more")
	}
	return nil
}

// checkEpoch compares the leader epoch a request names, if it does, with the
// current one (KIP-320), and the role with the one needed. Needs mu.
func (p *Partition) checkEpoch(named model.Epoch, leaderOnly bool) error {
	if err := p.usable(); err != nil {
		return err
	}
	switch {
	case named != model.NoEpoch && named < p.epoch:
		return kerr.FencedLeaderEpoch.With("the leader epoch is %d, after %d", p.epoch, named)
	case named != model.NoEpoch && named > p.epoch:
		return kerr.UnknownLeaderEpoch.With("the leader epoch here is still %d, before %d", p.epoch, named)
	case leaderOnly && p.role != roleLeader:
		return kerr.NotLeaderOrFollower.With("the leader is broker %d", p.leaderID)
	}
	return nil
}

// ends are the log's end and how far it counts as kept. Needs mu.
func (p *Partition) ends() (end, policyEnd model.Offset) {
	_, durable, end := p.log.Offsets()
	if !p.synced {
		return end, end
	}
	return end, max(durable, p.counted)
}

// advance looks at the log's ends again and lets the high watermark follow,
// with everything that waits for it. Needs mu.
func (p *Partition) advance() {
	if p.role != roleLeader {
		return
	}
	end, policyEnd := p.ends()
	if p.leader.Local(end, policyEnd, p.now()) {
		p.lift(ChangedHighWatermark)
	}
}

// lift takes over the high watermark that the leadership decided. Needs mu.
func (p *Partition) lift(also Changes) {
	p.highWatermark = p.leader.HighWatermark()
	p.raise(also)
}

// raise tells everybody of a new high watermark, and of the other changes. Needs
// mu.
func (p *Partition) raise(also Changes) {
	if p.highWatermark >= p.known.end {
		p.committed = p.known.bytes
		p.known = mark{p.log.End(), p.appended}
	}
	if stable := p.stable(); stable != p.lastStable {
		p.lastStable = stable
		also |= ChangedLastStable
	}
	p.dir.moved.Store(true)
	// Sessions are told before producers: who has been acknowledged and then
	// fetches finds the records.
	p.tell(also)
	p.release()
}

func (p *Partition) stable() model.Offset {
	if first := p.log.FirstUnstableOffset(p.highWatermark); first >= 0 {
		return isr.LastStable(p.highWatermark, first)
	}
	return p.highWatermark
}
