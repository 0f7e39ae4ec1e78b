// Package replica is the partitions on this broker: appending to them as leader,
// waiting until what was appended is committed, and reading.
//
// A Set holds the partitions of all log directories and follows the metadata:
// Apply creates, leads, follows and deletes. A Partition binds a log to what isr
// decides about it. A record is visible and acknowledged once the high watermark
// passed it, and under policy fsync the high watermark never passes what is
// synced: durable before visible.
//
// An idle partition costs memory and nothing else. Syncs run in a bounded pool
// for each directory, checkpoints and retention on one timer for the Set.
package replica

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// TopicConfig is what a topic's configuration means for its partitions here.
type TopicConfig struct {
	Log    commitlog.Config
	MinISR int  // min.insync.replicas
	Synced bool // flush.policy is fsync
}

// Options are what a Set is built from.
type Options struct {
	Self   model.NodeID
	FS     vfs.FS
	Files  *commitlog.Files // open files, shared with the broker's other logs
	Dirs   []DirOptions
	Logger *slog.Logger
	Now    func() time.Time
	// Config resolves a topic's configuration in an image. The image is
	// metadata.Empty while logs are recovered before any metadata is known.
	Config func(img *metadata.Image, topic string) TopicConfig
	// CaughtUp tells whether an image is at least as new as this start of the
	// broker, such as one that shows its registration in this life; nil if every
	// image is. An older one may lack topics that are on disk, or know their
	// names by other ids: acted upon, it would set good partitions aside.
	CaughtUp func(img *metadata.Image) bool
	// Cleaner is what compaction may use according to an image; nil compacts
	// nothing.
	Cleaner func(img *metadata.Image) CleanerConfig
	// Cordoned are the directories that get no new replicas according to an image
	// (KIP-1066); nil cordons none.
	Cordoned func(img *metadata.Image) []model.DirectoryID
	// Brokers tells which brokers may join in-sync sets.
	Brokers isr.Brokers
	LagMax  time.Duration // replica.lag.time.max.ms
	// Propose takes an in-sync set to the controller, whose answer comes to
	// Set.Decided. It is called with a partition's lock held and must not block.
	// Nil proposes nothing.
	Propose func(Proposal)
	// Follow is how partitions that others lead are followed. Without Connect
	// they are not.
	Follow FollowOptions

	RecoveryThreads int // num.recovery.threads.per.data.dir
	Flushers        int // syncs of partitions' own files at once in one directory; 0 is 32
	// JournalSize is that of each of the two slots of a directory's journal, and
	// JournalStep by how much they grow at once; 0 are the journal's own.
	JournalSize, JournalStep int64
	Movers                   int // num.replica.alter.log.dirs.threads; 0 is one for each directory
	// MoveRate is replica.alter.log.dirs.io.max.bytes.per.second; nil is no limit.
	MoveRate func(img *metadata.Image) float64

	RecoveryPoints time.Duration // log.flush.offset.checkpoint.interval.ms
	LogStarts      time.Duration // log.flush.start.offset.checkpoint.interval.ms
	HighWatermarks time.Duration // replica.high.watermark.checkpoint.interval.ms
	Retention      time.Duration // log.retention.check.interval.ms
	FirstRetention time.Duration // how long after the start; Kafka's is 30 s
	ProducerCheck  time.Duration // producer.id.expiration.check.interval.ms; 0 is 10 min

	// DirFailed is told once of each directory that went offline, and how many
	// are left. Assigned is
	// told where a replica was put when the metadata did not know. Both may be
	// nil and must not call the Set.
	DirFailed func(id model.DirectoryID, err error, left int)
	Assigned  func(topic model.TopicID, partition int32, dir model.DirectoryID)
}

// DirOptions is one log directory.
type DirOptions struct {
	Path string
	ID   model.DirectoryID
}

// Set is the partitions on this broker.
type Set struct {
	o         Options
	dirs      []*Dir
	following *following
	cleaner   *cleaner
	mover     *mover
	futures   []future   // found at the start
	opening   sync.Mutex // held while a directory without room looks whether it is the last

	// applying is held by Apply, by housekeeping over the partitions it works
	// on, and by Close: partitions come and go under it only.
	applying sync.Mutex
	image    *metadata.Image
	met      bool // an image that has caught up was applied
	starved  bool // partitions could not be created for want of room

	mu         sync.RWMutex
	partitions map[partitionKey]*Partition
	doomed     []doomed
	more       chan struct{} // something was added to doomed since Run last looked

	complete atomic.Bool
}

// partitionKey names a partition for good: a topic that is created again under
// its old name has another id.
type partitionKey struct {
	topic model.TopicID
	index int32
}

// Partition is this broker's replica of a partition. The error is
// NOT_LEADER_OR_FOLLOWER when there is none: the caller has looked in the
// metadata whether the partition exists at all.
func (s *Set) Partition(topic model.TopicID, index int32) (*Partition, error) {
	s.mu.RLock()
	p := s.partitions[partitionKey{topic, index}]
	s.mu.RUnlock()
	if p == nil {
		return nil, kerr.NotLeaderOrFollower.With("this broker has no replica of the partition")
	}
	return p, nil
}

// Partitions are all partitions, in no order.
func (s *Set) Partitions() []*Partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*Partition, 0, len(s.partitions))
	for _, p := range s.partitions {
		all = append(all, p)
	}
	return all
}

// Dirs are the log directories, offline ones too.
func (s *Set) Dirs() []*Dir { return s.dirs }

// PreviousEpoch is the epoch of this broker's last life if all that it ever
// acknowledged is still here, although that life may not have ended cleanly:
// every directory was marked as synced by it, and nothing known to be committed
// is missing. Else it is -1. It is what the broker registers with.
func (s *Set) PreviousEpoch() model.BrokerEpoch {
	previous := s.dirs[0].previous
	for _, d := range s.dirs {
		if d.previous != previous {
			return -1
		}
	}
	if !s.complete.Load() {
		return -1
	}
	return previous
}

// Registered marks the directories as synced in the life that the epoch names.
// Until then a crash is one of the life before.
func (s *Set) Registered(epoch model.BrokerEpoch) {
	for _, d := range s.dirs {
		if err := d.vouch(epoch); err != nil {
			s.o.Logger.Warn("log directory cannot be marked as synced: a crash will count as unclean", "dir", d.path, "error", err)
		}
	}
}

func (s *Set) add(p *Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partitions[partitionKey{p.topic, p.name.Index}] = p
}

func (s *Set) remove(p *Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.partitions, partitionKey{p.topic, p.name.Index})
}

// in are the partitions of one directory.
func (s *Set) in(d *Dir) []*Partition {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*Partition
	for _, p := range s.partitions {
		if p.dir == d {
			all = append(all, p)
		}
	}
	return all
}

// dirFailed takes a failed directory's partitions offline.
func (s *Set) dirFailed(d *Dir, err error) {
	s.complete.Store(false)
	s.o.Logger.Error("log directory is offline until restart", "dir", d.path, "err", err)
	s.mover.dirFailed(d)
	for _, p := range s.in(d) {
		p.leave(roleOffline)
		s.following.look(p)
	}
	left := 0
	for _, other := range s.dirs {
		if err := other.distrust(); err != nil {
			other.fail(err)
		}
		if other.Err() == nil {
			left++
		}
	}
	if s.o.DirFailed != nil {
		s.o.DirFailed(d.id, err, left)
	}
}
