package replica

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/follow"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// errOvertaken says that the partition is not followed in that leader epoch any
// more. What was to be done for it is void.
var errOvertaken = errors.New("the partition is not followed in this leader epoch any more")

// following tells whom this broker follows, in which leader epoch; NoNode if
// nobody. Needs mu.
func (p *Partition) following() (model.NodeID, model.Epoch) {
	if p.role != roleFollower || p.leaderID == p.self.Self {
		return model.NoNode, p.epoch
	}
	return p.leaderID, p.epoch
}

// errNoWholeBatch is an answer that does not move the log: the leader sends the
// first batch whole, whatever its size (KIP-74).
var errNoWholeBatch = kerr.CorruptMessage.With("there is no whole batch to append")

func (p *Partition) key() follow.Key { return follow.Key{Topic: p.topic, Index: p.name.Index} }

// whileFollowing does what changes the log of a follower. The role cannot change
// meanwhile.
func (p *Partition) whileFollowing(epoch model.Epoch, do func() error) error {
	p.appending.Lock()
	defer p.appending.Unlock()
	p.mu.Lock()
	leader, now := p.following()
	p.mu.Unlock()
	if leader == model.NoNode || now != epoch {
		return errOvertaken
	}
	return do()
}

// prepare makes the log ready to follow in an epoch: what this broker noted of
// epochs that it led without appending anything goes, so that the last epoch is
// that of the last record; and what is not durable yet becomes so.
func (p *Partition) prepare(epoch model.Epoch) error {
	return p.whileFollowing(epoch, p.log.DropEpochs)
}

// appendFetched appends what the leader of an epoch sent, as it is.
func (p *Partition) appendFetched(epoch model.Epoch, records []byte) error {
	return p.whileFollowing(epoch, func() error {
		before := p.log.End()
		_, err := p.log.AppendFollower(records, epoch)
		if p.log.End() == before {
			return cmp.Or(err, error(errNoWholeBatch))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.appended += int64(len(records))
		p.tell(ChangedEnd)
		return err
	})
}

// keep begins to bring all of the log to its policy end.
func (p *Partition) keep() commitlog.Flushing {
	if !p.mustSync() {
		return commitlog.Flushing{}
	}
	return p.log.Begin()
}

// mustSync tells that what is appended counts only once it is on disk.
func (p *Partition) mustSync() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.synced
}

// position is where the log is to be fetched from. All of it has reached its
// policy end.
func (p *Partition) position() follow.Position {
	start, _, end := p.log.Offsets()
	return follow.Position{End: end, Start: start, LastEpoch: p.log.LatestEpoch()}
}

// hear takes the leader's high watermark and log start over. Records have been
// appended and kept before: the leader's high watermark says nothing of a log
// that parts from the leader's, and one beyond what is kept here would lie.
func (p *Partition) hear(epoch model.Epoch, highWatermark, logStart model.Offset) error {
	p.mu.Lock()
	if leader, now := p.following(); leader == model.NoNode || now != epoch {
		p.mu.Unlock()
		return errOvertaken
	}
	_, policyEnd := p.ends()
	next := isr.FollowerHighWatermark(p.highWatermark, highWatermark, policyEnd)
	if next > p.highWatermark {
		p.highWatermark = next
		p.raise(ChangedHighWatermark)
	}
	p.mu.Unlock()
	if start := min(logStart, next); start > p.log.Start() {
		if err := p.log.AdvanceStart(start); err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tell(ChangedStart)
	}
	return nil
}

// cutTo cuts the log of a follower, or lets it begin anew. A high watermark above
// the cut goes down with it: what was committed here is not in the leader's log,
// because the leader was elected uncleanly or has lost its disk. Readers must not
// wait for offsets that will be other records. The cut is on disk when the result
// says so: nobody holds a lock over a sync.
func (p *Partition) cutTo(epoch model.Epoch, to follow.Placement) (cut commitlog.Flushing, err error) {
	defer p.log.StopCompaction()()
	if err := p.dir.lowerCleaned(p.name, to.Offset); err != nil {
		return cut, err
	}
	err = p.whileFollowing(epoch, func() error {
		end := to.Offset
		if to.Restart {
			cut, err = p.log.BeginTruncateFullyTo(end)
		} else {
			end, cut, err = p.log.BeginTruncateTo(end)
		}
		if err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if end < p.highWatermark {
			p.dir.logger.Warn("records that were committed are cut, because the leader does not have them: it was elected uncleanly or has lost records",
				"partition", p.name, "leader", p.leaderID, "epoch", epoch, "high watermark", p.highWatermark, "cut to", end)
		}
		p.counted = min(p.counted, end)
		p.known = mark{end, p.appended}
		p.cutting = noCut
		if p.move != nil {
			p.move.cutTo(to)
		}
		p.highWatermark = max(min(p.highWatermark, end), p.log.Start())
		p.lastStable = p.stable()
		p.dir.moved.Store(true)
		p.tell(ChangedHighWatermark | ChangedLastStable | ChangedStart)
		return nil
	})
	return cut, err
}

// noCut is Partition.cutting while the log is not about to be cut.
const noCut model.Offset = 1<<63 - 1

// announceCut lowers what the directory's checkpoint will say before the log is
// cut: should the power fail after records were appended in place of the ones
// cut, recovery must not take them for checked. It returns false if the
// checkpoint says so little already.
func (p *Partition) announceCut(to follow.Placement) bool {
	if to.Restart {
		to.Offset = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutting = to.Offset
	return p.log.RecoveryPoint() > to.Offset
}

func (p *Partition) withdrawCut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutting = noCut
}

// parting is where the log is cut when the leader says that it parts from its
// own.
func (p *Partition) parting(leaders follow.EpochEnd) follow.Placement {
	epoch, local := p.log.EndOffsetForEpoch(leaders.Epoch)
	return follow.Placement{Offset: follow.CutAt(leaders, follow.EpochEnd{Epoch: epoch, End: local}, p.log.End())}
}

// followFailed sorts an error of following: what the leader sent goes to the log
// and is asked for again, the disk's is the directory's, and a contradiction in
// the partition's data takes the partition offline.
func (p *Partition) followFailed(err error) {
	var protocol *kerr.Error
	switch {
	case errors.Is(err, errOvertaken), errors.Is(err, commitlog.ErrClosed):
	case errors.Is(err, kerr.KafkaStorageError): // the next try may succeed, or the log has told the directory
		p.dir.logger.Error("what was fetched could not be kept", "partition", p.name, "error", err)
	case vfs.IsNoSpace(err):
		p.dir.logger.Error("there is no room to follow the leader", "partition", p.name, "error", err)
	case isDisk(err):
		p.dir.fail(fmt.Errorf("follow %s: %w", p, err))
	case errors.As(err, &protocol), errors.Is(err, commitlog.ErrUnexpectedOffset):
		p.dir.logger.Error("the leader sent what cannot be appended; it is fetched again", "partition", p.name, "error", err)
	default:
		p.dir.logger.Error("partition is offline until restart", "partition", p.name, "dir", p.dir.path, "error", err)
		p.leave(roleOffline)
	}
}
