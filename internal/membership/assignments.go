package membership

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/wire"
)

// AssignmentOptions are what Assignments needs.
type AssignmentOptions struct {
	Broker  *Broker
	Channel *Channel
	Image   func() *metadata.Image
	Log     *slog.Logger
}

// Assignments tells the controller in which log directory each replica is, where
// it does not know (KIP-858): one request is in flight, what comes within a
// moment goes with it, and all is told again until the controller has taken it or
// the metadata shows it, or shows that it does not matter any more.
type Assignments struct {
	opts AssignmentOptions
	more notify.Signal

	mu    sync.Mutex
	queue map[Place]model.DirectoryID
}

// NewAssignments has nothing to tell yet.
func NewAssignments(o AssignmentOptions) *Assignments {
	return &Assignments{opts: o, queue: map[Place]model.DirectoryID{}}
}

// Assign queues where a replica is. It does not block.
func (a *Assignments) Assign(at Place, dir model.DirectoryID) {
	a.mu.Lock()
	a.queue[at] = dir
	a.mu.Unlock()
	a.more.Notify()
}

const (
	// maxAssignments is how many replicas one request tells of, as in Kafka.
	maxAssignments = 2250
	// assignmentLinger is how long the first waits for others.
	assignmentLinger = 100 * time.Millisecond
	// assignmentBackoff bounds the wait after a failure, which begins at a
	// hundredth of it.
	assignmentBackoff = 10 * time.Second
)

// Run tells until ctx ends.
func (a *Assignments) Run(ctx context.Context) error {
	for failures := 0; ; {
		more := a.more.Wait()
		if a.len() == 0 {
			select {
			case <-more:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := sleep(ctx, assignmentLinger); err != nil {
				return err
			}
		}
		batch := a.take()
		if len(batch) == 0 {
			continue
		}
		left, err := a.tell(ctx, batch)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			a.opts.Log.Warn("the controller has not taken where replicas are", "error", err)
		}
		if failures++; len(left) == 0 {
			failures = 0
			continue
		}
		a.again(left)
		if err := sleep(ctx, min(assignmentBackoff, assignmentBackoff/100<<min(failures-1, 10))); err != nil {
			return err
		}
	}
}

func (a *Assignments) len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.queue)
}

func (a *Assignments) again(left map[Place]model.DirectoryID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for at, dir := range left {
		if _, newer := a.queue[at]; !newer {
			a.queue[at] = dir
		}
	}
}

// take takes a batch of what still matters.
func (a *Assignments) take() map[Place]model.DirectoryID {
	img := a.opts.Image()
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := map[Place]model.DirectoryID{}
	for at, dir := range a.queue {
		if len(batch) == maxAssignments {
			break
		}
		delete(a.queue, at)
		if a.matters(img, at, dir) {
			batch[at] = dir
		}
	}
	return batch
}

// matters tells that the metadata, as this broker knows it, does not say so yet.
// A topic that it does not show at all may be newer than the image.
func (a *Assignments) matters(img *metadata.Image, at Place, dir model.DirectoryID) bool {
	p := img.Partition(at.Topic, at.Index)
	if p == nil {
		return true
	}
	now, replica := p.Directory(a.opts.Broker.opts.ID)
	return replica && now != dir
}

// tell sends one request and returns what the controller has not taken. A
// partition that it does not know, or of which this broker has no replica, is
// settled: the metadata says so too, or will.
func (a *Assignments) tell(ctx context.Context, batch map[Place]model.DirectoryID) (left map[Place]model.DirectoryID, err error) {
	r, err := a.opts.Channel.Do(ctx, a.request(batch))
	if err != nil {
		return batch, err
	}
	response, ok := r.(*wire.AssignReplicasToDirsResponse)
	if !ok {
		return batch, fmt.Errorf("the controller answered with %T", r)
	}
	if err := kerr.FromCode(response.ErrorCode); err != nil {
		return batch, err
	}
	left = batch
	for _, d := range response.Directories {
		for _, t := range d.Topics {
			for _, p := range t.Partitions {
				switch p.ErrorCode {
				case 0, kerr.UnknownTopicID.Code, kerr.UnknownTopicOrPartition.Code, kerr.NotLeaderOrFollower.Code:
					delete(left, Place{model.TopicID(t.TopicID), p.PartitionIndex})
				default:
					err = kerr.FromCode(p.ErrorCode)
				}
			}
		}
	}
	return left, err
}

func (a *Assignments) request(batch map[Place]model.DirectoryID) *wire.AssignReplicasToDirsRequest {
	r := &wire.AssignReplicasToDirsRequest{}
	r.Reset()
	r.BrokerID, r.BrokerEpoch = int32(a.opts.Broker.opts.ID), int64(a.opts.Broker.Epoch())
	type topicKey struct {
		dir   model.DirectoryID
		topic model.TopicID
	}
	dirs, topics := map[model.DirectoryID]int{}, map[topicKey]int{}
	for at, dir := range batch {
		i, ok := dirs[dir]
		if !ok {
			i = len(r.Directories)
			dirs[dir] = i
			r.Directories = append(r.Directories, wire.AssignReplicasToDirsRequestDirectory{ID: model.UUID(dir)})
		}
		d := &r.Directories[i]
		j, ok := topics[topicKey{dir, at.Topic}]
		if !ok {
			j = len(d.Topics)
			topics[topicKey{dir, at.Topic}] = j
			d.Topics = append(d.Topics, wire.AssignReplicasToDirsRequestTopic{TopicID: model.UUID(at.Topic)})
		}
		d.Topics[j].Partitions = append(d.Topics[j].Partitions, wire.AssignReplicasToDirsRequestPartition{PartitionIndex: at.Index})
	}
	return r
}
