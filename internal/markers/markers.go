// Package markers writes the markers that end transactions into their partitions,
// wherever those are led (WriteTxnMarkers, KIP-98).
//
// What a coordinator has decided is tried until each partition has its marker or
// is gone for good, or until this broker does not lead the coordinator's partition
// any more: then its successor sends the same. A partition is tried again at once
// when the metadata names another leader, and else after a growing while.
//
//	Send ──▶ waiting ──Run──▶ a broker's queue ──▶ one request at a time ──▶ Done
//	            ▲                                          │
//	            └──────────── not written ─────────────────┘
//
// Nothing here is more than the transactions that are being ended: of each only the
// last SendMarkers counts. A broker without markers costs no goroutine.
package markers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// Conn is a connection to another broker.
type Conn interface {
	Do(ctx context.Context, r wire.Request) (wire.Response, error)
	Close()
}

// Options are what a Sender is built from.
type Options struct {
	Self model.NodeID
	// Connect reaches another broker.
	Connect func(ctx context.Context, broker model.NodeID) (Conn, error)
	// Local writes markers into the partitions that this broker leads.
	Local func(ctx context.Context, r *wire.WriteTxnMarkersRequest) *wire.WriteTxnMarkersResponse
	// Done takes the outcome to the coordinator of a partition; it may block for
	// a moment. An outcome of an epoch that is over must go nowhere.
	Done func(ctx context.Context, partition int32, epoch model.Epoch, outcome txn.MarkersWritten)
	Log  *slog.Logger
}

// Bounds of a request, and of how long a partition waits to be tried again.
const (
	maxMarkers    = 500
	maxPartitions = 2000
	minBackoff    = 20 * time.Millisecond
	maxBackoff    = time.Second
	slowBackoff   = 30 * time.Second // where trying again is not expected to help
	// localRequests is how many requests this broker makes to itself at once, so
	// that markers share a sync. Another broker would handle them in turn.
	localRequests = 4
)

// Sender sends markers. Run must be running.
type Sender struct {
	o    Options
	wake notify.Signal
	work sync.WaitGroup

	mu      sync.Mutex
	image   *metadata.Image
	latest  map[place]*job
	waiting []entry
	brokers map[model.NodeID]*destination
	running context.Context // nil until Run
}

// place is a transactional id at its coordinator's partition.
type place struct {
	partition int32
	id        string
}

// job is one SendMarkers of a coordinator.
type job struct {
	place
	txn.SendMarkers
	epoch model.Epoch
	left  int // partitions without outcome; Sender.mu
}

// entry is some partitions of a job, none of which has its marker as far as is known.
type entry struct {
	*job
	partitions []model.Partition
	tries      int
	tried      model.NodeID // the last to be tried
	due        time.Time
}

// New is a Sender that has nothing to send and knows no broker.
func New(o Options) *Sender {
	return &Sender{o: o, image: metadata.Empty, latest: map[place]*job{}, brokers: map[model.NodeID]*destination{}}
}

// Send has the markers of a coordinator written. It does not block. An earlier
// Send for the same transactional id is given up.
func (s *Sender) Send(partition int32, epoch model.Epoch, m txn.SendMarkers) {
	j := &job{place: place{partition, m.TransactionalID}, SendMarkers: m, epoch: epoch, left: len(m.Partitions)}
	s.mu.Lock()
	s.latest[j.place] = j
	s.waiting = append(s.waiting, entry{job: j, partitions: m.Partitions, tried: model.NoNode})
	s.mu.Unlock()
	s.wake.Notify()
}

// Publish follows the metadata. It must see an image before the coordinators do:
// who leads one knows of every partition that a transaction can have, so that a
// partition which the image does not have is gone.
func (s *Sender) Publish(img *metadata.Image) {
	s.mu.Lock()
	s.image = img
	for at := range s.latest {
		if !s.coordinates(at.partition) {
			delete(s.latest, at)
		}
	}
	busy := len(s.waiting) > 0
	for i := range s.waiting {
		e := &s.waiting[i]
		if s.moved(*e) {
			e.due = time.Time{}
		}
	}
	s.mu.Unlock()
	if busy {
		s.wake.Notify()
	}
}

// leader is the broker that leads a partition, NoNode if there is none. Needs mu.
func (s *Sender) leader(p model.Partition) model.NodeID {
	t := s.image.Topic(p.Topic)
	if t == nil || int(p.Index) >= len(t.Partitions) {
		return model.NoNode
	}
	leader := t.Partitions[p.Index].Leader
	if b := s.image.Broker(leader); b == nil || b.Fenced {
		return model.NoNode
	}
	return leader
}

// moved reports that there is no use in waiting: somebody else leads, or the
// partition does not exist any more. Needs mu.
func (s *Sender) moved(e entry) bool {
	return s.gone(e.partitions[0]) || s.leader(e.partitions[0]) != e.tried
}

// gone reports that a partition does not exist. Needs mu.
func (s *Sender) gone(p model.Partition) bool {
	t := s.image.Topic(p.Topic)
	return t == nil || int(p.Index) >= len(t.Partitions)
}

// coordinates reports whether this broker still leads a coordinator's partition.
// Needs mu.
func (s *Sender) coordinates(partition int32) bool {
	t := s.image.Topic(model.TransactionsTopic)
	return t != nil && int(partition) < len(t.Partitions) && t.Partitions[partition].Leader == s.o.Self
}

// current reports whether a job still counts: it is not over, no newer one has
// taken its place, and this broker leads. Needs mu.
func (s *Sender) current(j *job) bool { return s.latest[j.place] == j }

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	s.mu.Lock()
	s.running = ctx
	s.mu.Unlock()
	defer s.close()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wake := s.wake.Wait()
		gone, next := s.route(time.Now())
		for _, e := range gone {
			s.done(ctx, e.job, e.partitions)
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(time.Until(next), 0))
		}
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Sender) close() {
	s.work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.brokers {
		d.close()
	}
}

// route gives what is due to the queues of the leaders. It returns what is gone,
// and when to look again.
func (s *Sender) route(now time.Time) (gone []entry, next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := s.waiting
	s.waiting = nil
	for _, e := range waiting {
		switch {
		case !s.current(e.job):
		case e.due.After(now):
			s.wait(e, &next)
		default:
			gone = append(gone, s.split(e, now, &next)...)
		}
	}
	return gone, next
}

// wait keeps an entry for later. Needs mu.
func (s *Sender) wait(e entry, next *time.Time) {
	s.waiting = append(s.waiting, e)
	if next.IsZero() || e.due.Before(*next) {
		*next = e.due
	}
}

// split gives each leader its partitions of an entry, and returns those that are
// gone. Needs mu.
func (s *Sender) split(e entry, now time.Time, next *time.Time) (gone []entry) {
	by := map[model.NodeID][]model.Partition{}
	var leaders []model.NodeID
	var lost []model.Partition
	for _, p := range e.partitions {
		if s.gone(p) {
			lost = append(lost, p)
			continue
		}
		l := s.leader(p)
		if by[l] == nil {
			leaders = append(leaders, l)
		}
		by[l] = append(by[l], p)
	}
	for _, l := range leaders {
		for rest := by[l]; len(rest) > 0; {
			n := min(len(rest), maxPartitions)
			part := entry{job: e.job, partitions: rest[:n:n], tries: e.tries, tried: l}
			rest = rest[n:]
			if l == model.NoNode { // until the metadata names one
				part.due = now.Add(maxBackoff)
				s.wait(part, next)
				continue
			}
			s.queue(l, part)
		}
	}
	if len(lost) > 0 {
		s.o.Log.Info("transaction ends in partitions that do not exist any more", "transactional_id", e.id, "partitions", lost)
		gone = append(gone, entry{job: e.job, partitions: lost})
	}
	return gone
}

// done tells the coordinator.
func (s *Sender) done(ctx context.Context, j *job, partitions []model.Partition) {
	s.mu.Lock()
	j.left -= len(partitions)
	if j.left == 0 && s.current(j) {
		delete(s.latest, j.place)
	}
	s.mu.Unlock()
	s.o.Done(ctx, j.place.partition, j.epoch, txn.MarkersWritten{TransactionalID: j.id, Round: j.Round, Partitions: partitions})
}

// retry has partitions tried again after a while.
func (s *Sender) retry(e entry, after time.Duration) {
	e.tries++
	e.due = time.Now().Add(after)
	s.mu.Lock()
	if s.moved(e) {
		e.due = time.Time{}
	}
	s.waiting = append(s.waiting, e)
	s.mu.Unlock()
	s.wake.Notify()
}

// backoff grows with the tries.
func (e entry) backoff() time.Duration {
	return min(minBackoff<<min(e.tries, 10), maxBackoff)
}
