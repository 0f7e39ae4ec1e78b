package replica

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/follow"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// fetcher fetches the partitions of one log directory from one leader, on a
// goroutine of its own: a follow.Session with a connection and the logs.
type fetcher struct {
	*following
	key  fetcherKey
	poke chan struct{}

	mu     sync.Mutex
	wanted map[*Partition]wish // since the goroutine last looked

	// The rest is the goroutine's own.
	session    *follow.Session
	partitions map[follow.Key]*Partition
	link       *link.Link
	failures   int
	hurried    time.Time // when a fetch was last cut short
}

// wish is what became of a partition: followed in an epoch, or not any more.
type wish struct {
	epoch  model.Epoch
	follow bool
}

// want has the fetcher follow a partition in an epoch.
func (f *fetcher) want(p *Partition, epoch model.Epoch) { f.wish(p, wish{epoch, true}) }

// notice has the fetcher let go of a partition.
func (f *fetcher) notice(p *Partition) { f.wish(p, wish{}) }

func (f *fetcher) wish(p *Partition, w wish) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted[p] = w
	select {
	case f.poke <- struct{}{}:
	default:
	}
}

// run fetches until nothing is left to follow or ctx ends.
func (f *fetcher) run(ctx context.Context) {
	defer f.running.Done()
	defer f.disconnect()
	for ctx.Err() == nil {
		f.take()
		if f.session.Len() == 0 && f.retire(f) {
			return
		}
		f.round(ctx)
	}
}

// take takes over what is wanted, and prepares what is new.
func (f *fetcher) take() {
	f.mu.Lock()
	wanted := f.wanted
	f.wanted = map[*Partition]wish{}
	select {
	case <-f.poke: // it was for these
	default:
	}
	f.mu.Unlock()
	var fresh []follow.Step
	for p, w := range wanted {
		k := p.key()
		switch {
		case w.follow:
			f.partitions[k] = p
			if f.session.Follow(k, w.epoch) {
				fresh = append(fresh, follow.Step{Key: k, Epoch: w.epoch})
			}
		case f.partitions[k] == p:
			f.session.Unfollow(k)
			delete(f.partitions, k)
		}
	}
	f.settle(fresh, func(p *Partition, s *follow.Step) error { return p.prepare(s.Epoch) })
}

// round is one fetch and all that it brings.
func (f *fetcher) round(ctx context.Context) {
	now := f.set.o.Now()
	if err := f.connect(ctx); err != nil {
		f.set.o.Logger.Debug("leader is not reached", "leader", f.key.leader, "error", err)
		f.pause(ctx)
		return
	}
	request := f.session.Request(f.o.Epoch(), now)
	if request == nil {
		f.rest(ctx, now)
		return
	}
	response, err := f.fetch(ctx, request)
	if err != nil {
		f.session.Lost()
		f.disconnect()
		if !errors.Is(err, errHurry) {
			if f.o.Silent != nil && ctx.Err() == nil {
				f.o.Silent(f.key.leader)
			}
			f.set.o.Logger.Info("fetch from the leader failed", "leader", f.key.leader, "error", err)
			f.pause(ctx)
		}
		return
	}
	steps, err := f.session.Answered(response, f.set.o.Now())
	if err != nil {
		f.set.o.Logger.Info("fetch session begins anew", "leader", f.key.leader, "error", err)
		f.pause(ctx)
		return
	}
	f.failures = 0
	f.carryOut(ctx, steps)
}

// connect makes a connection if there is none.
func (f *fetcher) connect(ctx context.Context) error {
	if f.link != nil && f.link.Err() == nil {
		return nil
	}
	if f.o.Epoch() < 0 {
		return errors.New("this broker has not registered yet")
	}
	f.session.Lost()
	f.link = nil
	bounded, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	l, err := f.o.Connect(bounded, f.key.leader, slices.Index(f.set.dirs, f.key.dir))
	if err == nil {
		f.link = l
	}
	return err
}

// connectPatience bounds one attempt to reach a leader.
const connectPatience = 10 * time.Second

func (f *fetcher) disconnect() {
	if f.link != nil {
		f.link.Close()
		f.link = nil
	}
}

// errHurry ends a fetch that waits at the leader while there is news.
var errHurry = errors.New("fetch is cut short: there is more to fetch")

// The connection is closed with it. The leader hears a fetcher's newest connection
// only, see package fetch: what is under way on the old one is never news again.

// hurry is how often a waiting fetch may be cut short. Partitions that come to a
// leader in an election need not wait until the leader answers a fetch without
// them, which it may hold for replica.fetch.wait.max.ms.
const hurry = 250 * time.Millisecond

func (f *fetcher) fetch(ctx context.Context, r *wire.FetchRequest) (*wire.FetchResponse, error) {
	version, err := f.version(wire.KeyFetch, f.o.Version().FetchVersion())
	if err != nil {
		return nil, err
	}
	if version < follow.MinVersion {
		return nil, kerr.UnsupportedVersion.With("the leader fetches without topic ids")
	}
	call, err := f.link.SendVersion(ctx, version, r)
	if err != nil {
		return nil, err
	}
	poke := f.poke
	for {
		select {
		case <-call.Answered():
			response, err := call.Wait(ctx)
			if err != nil {
				return nil, err
			}
			return response.(*wire.FetchResponse), nil
		case <-poke:
			// What is there now is looked at after the fetch in any case.
			now := f.set.o.Now()
			if !f.hurried.IsZero() && now.Sub(f.hurried) < hurry {
				poke = nil
				continue
			}
			f.hurried = now
			return nil, errHurry
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (f *fetcher) version(key, finalised int16) (int16, error) {
	theirs, err := f.link.Version(key)
	return min(theirs, finalised), err
}

// pause waits after a failure, longer with each, or until there is news.
func (f *fetcher) pause(ctx context.Context) {
	c := f.o.Session
	wait := min(c.Backoff<<min(f.failures, 20), c.MaxBackoff)
	f.failures++
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.poke:
	case <-ctx.Done():
	}
}

// rest waits until a delayed partition is due or there is news.
func (f *fetcher) rest(ctx context.Context, now time.Time) {
	var due <-chan time.Time
	if at, ok := f.session.Wake(); ok {
		timer := time.NewTimer(at.Sub(now))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
	case <-f.poke:
	case <-ctx.Done():
	}
}

// carryOut does what the leader's answers ask for.
func (f *fetcher) carryOut(ctx context.Context, steps []follow.Step) {
	var appends, cuts, lost []follow.Step
	for _, s := range steps {
		switch s.Action {
		case follow.Append:
			appends = append(appends, s)
		case follow.Truncate:
			cuts = append(cuts, s)
		case follow.Relocate:
			lost = append(lost, s)
		}
	}
	places := map[follow.Key]follow.Placement{}
	for _, s := range cuts {
		places[s.Key] = f.partitions[s.Key].parting(s.Diverging)
	}
	cuts = append(cuts, f.locate(ctx, lost, places)...)
	f.cut(cuts, places)
	f.settle(appends, func(p *Partition, s *follow.Step) error {
		if len(s.Records) == 0 {
			return nil
		}
		return p.appendFetched(s.Epoch, s.Records)
	})
}

// settle does a step's work for each of its partitions, then brings all of them
// to their policy ends at once, and tells the session where they are.
func (f *fetcher) settle(steps []follow.Step, do func(*Partition, *follow.Step) error) {
	errs := make([]error, len(steps))
	kept := make([]commitlog.Flushing, len(steps))
	for i := range steps {
		p := f.partitions[steps[i].Key]
		if errs[i] = do(p, &steps[i]); errs[i] != nil {
			continue
		}
		if kept[i] = p.keep(); kept[i].Slow() && len(steps) > 1 {
			p.dir.flushers.schedule(p) // so that these run at once
		}
	}
	for i := range steps {
		s := &steps[i]
		p := f.partitions[s.Key]
		err := errs[i]
		if err == nil {
			err = kept[i].Wait(context.Background())
		}
		if err == nil {
			err = p.hear(s.Epoch, s.HighWatermark, s.LogStart)
		}
		f.end(p, err)
	}
}

// end ends a step.
func (f *fetcher) end(p *Partition, err error) {
	if err == nil {
		f.session.Ready(p.key(), p.position())
		return
	}
	p.followFailed(err)
	f.session.Failed(p.key(), p.position(), f.set.o.Now())
}

// cut cuts logs where they part from the leader's.
func (f *fetcher) cut(steps []follow.Step, places map[follow.Key]follow.Placement) {
	lower := false
	for _, s := range steps {
		lower = f.partitions[s.Key].announceCut(places[s.Key]) || lower
	}
	var err error
	if lower {
		err = f.set.checkpointRecovery(f.key.dir)
	}
	errs := make([]error, len(steps))
	cuts := make([]commitlog.Flushing, len(steps))
	for i, s := range steps {
		p, to := f.partitions[s.Key], places[s.Key]
		if errs[i] = err; err == nil {
			f.set.o.Logger.Info("log is cut where it parts from the leader's", "partition", p.name, "leader", f.key.leader, "epoch", s.Epoch, "end", p.log.End(), "cut to", to.Offset)
			cuts[i], errs[i] = p.cutTo(s.Epoch, to)
		}
	}
	for i, s := range steps {
		p := f.partitions[s.Key]
		if errs[i] == nil {
			errs[i] = cuts[i].Wait(context.Background())
		}
		f.end(p, errs[i])
		p.withdrawCut()
	}
}

// locate asks the leader where its logs begin and end, and returns the steps for
// which it could tell.
func (f *fetcher) locate(ctx context.Context, steps []follow.Step, places map[follow.Key]follow.Placement) (located []follow.Step) {
	if len(steps) == 0 {
		return nil
	}
	starts, err := f.offsets(ctx, steps, Earliest)
	var ends map[follow.Key]model.Offset
	if err == nil {
		ends, err = f.offsets(ctx, steps, Latest)
	}
	for _, s := range steps {
		start, known := starts[s.Key]
		end, also := ends[s.Key]
		p := f.partitions[s.Key]
		if err != nil || !known || !also {
			f.set.o.Logger.Info("the leader does not tell where its log is", "partition", p.name, "leader", f.key.leader, "error", err)
			f.session.Failed(s.Key, p.position(), f.set.o.Now())
			continue
		}
		f.set.o.Logger.Warn("log is out of the leader's range", "partition", p.name, "leader", f.key.leader, "end", p.log.End(), "leader's start", start, "leader's end", end)
		places[s.Key] = follow.Place(p.log.End(), start, end)
		located = append(located, s)
	}
	return located
}

// offsets asks the leader for one point of each partition's log.
func (f *fetcher) offsets(ctx context.Context, steps []follow.Step, point int64) (map[follow.Key]model.Offset, error) {
	r := &wire.ListOffsetsRequest{}
	r.Reset()
	r.ReplicaID = int32(f.set.o.Self)
	named := map[model.Partition]follow.Key{}
	for _, s := range steps {
		name := f.partitions[s.Key].name
		named[name] = s.Key
		q := wire.ListOffsetsRequestPartition{}
		q.Reset()
		q.PartitionIndex, q.CurrentLeaderEpoch, q.Timestamp = name.Index, int32(s.Epoch), point
		r.Topics = append(r.Topics, wire.ListOffsetsRequestTopic{Name: name.Topic, Partitions: []wire.ListOffsetsRequestPartition{q}})
	}
	version, err := f.version(wire.KeyListOffsets, f.o.Version().ListOffsetsVersion())
	if err != nil {
		return nil, err
	}
	call, err := f.link.SendVersion(ctx, version, r)
	if err != nil {
		return nil, err
	}
	answer, err := call.Wait(ctx)
	if err != nil {
		return nil, err
	}
	found := map[follow.Key]model.Offset{}
	for _, t := range answer.(*wire.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if k, asked := named[model.Partition{Topic: t.Name, Index: p.PartitionIndex}]; asked && p.ErrorCode == 0 && p.Offset >= 0 {
				found[k] = model.Offset(p.Offset)
			}
		}
	}
	return found, nil
}
