// Package commitlog is one partition's records on disk, in Apache Kafka's files
// (docs/formats/log-segments.md): segments, indexes, producer state, leader
// epochs, retention and recovery.
//
// Offsets of a log, always in this order:
//
//	Start <= RecoveryPoint <= Durable <= End    (once Start has not overtaken the others)
//
// End is after the last batch appended, Durable after the last one that a sync
// has put on disk, RecoveryPoint after the last one that a restart need not
// read. A log knows nothing of the high watermark; where one matters it is
// passed in.
//
// Errors: *kerr.Error for what a client or a leader sent; ErrOffline, which is
// KAFKA_STORAGE_ERROR, once a sync has failed or a file could not be put right
// after a failed write; other errors for the disk's.
package commitlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/journal"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// ErrOffline says that the log has failed for good: what it holds can only be
// told by opening it again.
var ErrOffline = kerr.KafkaStorageError.With("log is offline")

// ErrClosed says that the log was closed or deleted.
var ErrClosed = kerr.KafkaStorageError.With("log is closed")

// ErrOutOfRange is a read outside of the log.
var ErrOutOfRange = kerr.OffsetOutOfRange.With("offset is outside of the log")

// Options are what Open needs.
type Options struct {
	FS        vfs.FS
	Files     *Files // shared by the logs of a broker
	Dir       string // of this partition: topic-index
	Partition model.Partition
	TopicID   model.TopicID // written to partition.metadata unless zero
	Config    Config
	// RecoveryPoint, LogStart and CleanShutdown are what the log directory's
	// checkpoints say: below the first nothing needs checking, below the second
	// nothing is read, and after a clean shutdown nothing at all is checked.
	RecoveryPoint model.Offset
	LogStart      model.Offset
	CleanShutdown bool
	// Cleaned is how far cleanings have come: below it there may be gaps.
	Cleaned model.Offset
	// Made says that the caller has just made Dir: there is nothing in it to look for.
	Made bool
	// Unsynced leaves it to the caller to make a log that is made now durable, with
	// SyncNew or for many at once.
	Unsynced bool
	// Named says that the name of Dir is durable, if Dir is there: who opens many
	// logs of one directory syncs that once.
	Named  bool
	Now    func() time.Time
	Logger *slog.Logger
	// OnFailure is told, once and on a goroutine of a caller, why the log went
	// offline. It must not call the log. May be nil.
	OnFailure func(error)
	// Journal is the log directory's: under SetJournaling, what is appended becomes
	// durable by it. Nil, or a log without a topic id, is never journalled.
	Journal *journal.Journal
	// Jitter is a random number in [0, 1) that spreads the rolling of segments.
	// May be nil.
	Jitter func() float64
}

// Log is one partition's log. All methods may be called concurrently. An idle
// log has no goroutine, timer or buffer.
//
// There are four locks, taken in this order. compacting is held by a cleaning, and
// by what stops one; checkpointing keeps checkpoints, retention and
// the replacing of segments apart; append covers everything that changes the
// log, and in an append no more than the write(2); mu covers the fields below it
// and nothing that blocks. Fields of segments and producers
// change under the last two, so that either is enough to read them.
type Log struct {
	fs        vfs.FS
	files     *Files
	dir       string
	partition model.Partition
	topicID   model.TopicID
	now       func() time.Time
	logger    *slog.Logger
	onFailure func(error)
	jitter    func() float64
	config    atomic.Pointer[Config]

	compacting    sync.Mutex
	checkpointing sync.Mutex

	append    sync.Mutex
	producers *producers
	verifying verifications
	snapshots []model.Offset // ascending; of the producer snapshots on disk
	doomed    []doomed       // files that wait for their removal
	dooming   atomic.Int32   // how many; read without a lock

	mu       sync.Mutex
	segments []*segment // ascending, never empty; replaced, never changed in place
	start    model.Offset
	durable  model.Offset
	recovery model.Offset
	epochs   epochs
	recent   ring
	failure  error         // why the log is offline or closed
	syncing  chan struct{} // closed when the running sync ends; nil if none runs
	// What the next sync must cover besides the active segment.
	unsynced []*segment // sealed since
	// dirChanges counts files that came or went, dirSynced those that the
	// directory has been synced for.
	dirChanges, dirSynced int64
	// What the next Checkpoint must write.
	epochsChanged bool
	epochsFile    epochs     // what the file says, so far as it is known
	unindexed     []*segment // sealed since
	snapshotted   []model.Offset
	cuts          int64 // counts truncations
	// stopCompacting ends the newest cleaning; none begins while stopping.
	stopCompacting context.CancelCauseFunc
	stopping       int

	journalling // see journal.go
}

// Partition names the log.
func (l *Log) Partition() model.Partition { return l.partition }

// TopicID is the topic's id from partition.metadata; zero if it has none.
func (l *Log) TopicID() model.TopicID { return l.topicID }

// Dir is the log's directory.
func (l *Log) Dir() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dir
}

// Config is the configuration now.
func (l *Log) Config() Config { return *l.config.Load() }

// SetConfig replaces the configuration; it holds from the next append on.
func (l *Log) SetConfig(c Config) { l.config.Store(&c) }

// Start is the first offset that may be read.
func (l *Log) Start() model.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start
}

// End is the offset that the next record gets.
func (l *Log) End() model.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end()
}

// Durable is the end of what survives a power loss.
func (l *Log) Durable() model.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.durable
}

// Offsets are start, durable end and end at one moment.
func (l *Log) Offsets() (start, durable, end model.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start, l.durable, l.end()
}

// RecoveryPoint is the offset below which a restart need not check anything.
// Checkpoint raises it; a truncation lowers it, and then the directory's
// checkpoint must be written before the log is appended to again.
func (l *Log) RecoveryPoint() model.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recovery
}

// Size is how many bytes of records there are.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int64
	for _, s := range l.segments {
		n += s.size
	}
	return n
}

// Segments is how many segments there are.
func (l *Log) Segments() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.segments)
}

// Err is why the log takes nothing more; nil while it does.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// LatestEpoch is the newest leader epoch; NoEpoch if there is none.
func (l *Log) LatestEpoch() model.Epoch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.latest()
}

// Epochs are all leader epochs.
func (l *Log) Epochs() []EpochStart {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs
}

// EndOffsetForEpoch is the largest epoch of the log at or below epoch, and where
// it ended; NoEpoch and -1 if the log cannot tell (KIP-101, KIP-279).
func (l *Log) EndOffsetForEpoch(epoch model.Epoch) (model.Epoch, model.Offset) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.endOf(epoch, l.end())
}

// EpochAt is the leader epoch of the record at offset; NoEpoch if it is not known.
func (l *Log) EpochAt(offset model.Offset) model.Epoch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epochs.at(offset)
}

// AssignEpoch notes that the leader of epoch appends from start on: a leader
// does so before its first record. It is on disk with the next Checkpoint; a
// restart drops it if no record followed.
func (l *Log) AssignEpoch(epoch model.Epoch, start model.Offset) {
	assert.That(epoch >= 0 && start >= 0, "leader epoch %d at offset %d", epoch, start)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.assignEpoch(epoch, start)
}

func (l *Log) assignEpoch(epoch model.Epoch, start model.Offset) {
	next, changed := l.epochs.assign(epoch, start)
	l.epochs = next
	l.epochsChanged = l.epochsChanged || changed
}

// FirstUnstableOffset is the first offset of a transaction that is open, or
// whose marker is not below highWatermark; -1 if there is none. The last stable
// offset is the lesser of it and the high watermark. The high watermark must not
// go back from call to call.
func (l *Log) FirstUnstableOffset(highWatermark model.Offset) model.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.producers.firstUnstable(highWatermark)
	if first >= 0 {
		first = max(first, l.start)
	}
	return first
}

// OngoingTransaction reports whether the producer has a transaction open here.
func (l *Log) OngoingTransaction(id model.ProducerID, epoch int16) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.producers.byID[id]
	return ok && p.epoch == epoch && p.txnStart >= 0
}

func (l *Log) active() *segment  { return l.segments[len(l.segments)-1] }
func (l *Log) end() model.Offset { return l.active().next }

// fail takes the log offline for err and returns what callers are told. mu is not held.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	first := l.failure == nil
	if first {
		l.failure = ErrOffline.With("log %v is offline: %v", l.partition, err)
	}
	failure := l.failure
	l.mu.Unlock()
	if first && l.onFailure != nil {
		l.onFailure(fmt.Errorf("log %v in %s: %w", l.partition, l.dir, err))
	}
	return failure
}

// Close writes everything out, so that the next Open need check nothing, and
// closes the files. The caller then writes RecoveryPoint, which is End, to the
// directory's checkpoint. Closing a failed log only closes its files.
func (l *Log) Close() error {
	defer l.StopCompaction()()
	l.checkpointing.Lock()
	defer l.checkpointing.Unlock()
	l.append.Lock()
	defer l.append.Unlock()
	err := l.Err()
	if err == ErrClosed {
		return nil
	}
	if err == nil {
		err = l.seal()
	}
	l.mu.Lock()
	if l.failure == nil {
		l.failure = ErrClosed
	}
	l.mu.Unlock()
	return errors.Join(err, l.closeFiles())
}

// seal makes all of the log durable, with its indexes and producer state. The
// locks checkpointing and append are held.
func (l *Log) seal() error {
	l.mu.Lock()
	l.active().noteTime()
	l.mu.Unlock()
	c, err := l.prepareCheckpoint()
	if err != nil {
		return err
	}
	if c.unchanged {
		// A truncation down to the recovery point may have cut index files in the page
		// cache only. Nobody looks them through after a clean stop, so a power loss
		// would bring back what they said.
		if err := syncIndexes(c.segments); err != nil {
			return l.fail(err)
		}
		return nil
	}
	_, err = l.finishCheckpoint(c)
	return err
}

func (l *Log) closeFiles() error {
	var errs []error
	for _, s := range l.segments {
		for _, h := range s.handles() {
			errs = append(errs, h.close())
		}
	}
	errs = append(errs, l.reap(time.Time{}, true))
	return errors.Join(errs...)
}
