// Package follow decides what a follower asks a leader for and what it makes of
// the answers. It is pure: the shell sends the requests, changes the logs and
// tells how that went.
//
// A Session is the incremental fetch session (KIP-227) with one leader for the
// partitions of one log directory. One Fetch is in flight at a time, and the next
// is made only once everything in the answer before has reached its policy end,
// so that a fetch offset says "I have what is below". A request names the
// partitions that changed since the last one, and costs no more than that.
//
// A partition in a session is in one of these states:
//
//	               Ready              Answered
//	preparing ────────────▶ fetching ──────────▶ working ── Ready ──▶ fetching
//	    ▲                       │ an error          │ Failed
//	    │ Follow, later epoch   ▼                   │
//	    └─────────────────── delayed ◀──────────────┘
//	                            └── its time has come ──▶ fetching
//
// Only what is fetching is in the leader's session: the rest is forgotten there
// with the next request.
package follow

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// MinVersion is the oldest version of Fetch that names topics by their ids.
const MinVersion = 13

// Key names a partition.
type Key struct {
	Topic model.TopicID
	Index int32
}

func (k Key) compare(o Key) int {
	return cmp.Or(slices.Compare(k.Topic[:], o.Topic[:]), cmp.Compare(k.Index, o.Index))
}

// Position is what a follower has: its policy end, its log's start, and the
// leader epoch of its last record, NoEpoch if there is none.
type Position struct {
	End, Start model.Offset
	LastEpoch  model.Epoch
}

// Config is what a Session asks for.
type Config struct {
	Self           model.NodeID
	PartitionBytes int32 // replica.fetch.max.bytes
	ResponseBytes  int32 // replica.fetch.response.max.bytes
	MinBytes       int32 // replica.fetch.min.bytes
	MaxWait        time.Duration
	// Backoff is how long a partition waits after its first error; every further
	// one doubles it up to MaxBackoff, replica.fetch.backoff.ms.
	Backoff, MaxBackoff time.Duration
}

// Action is what the shell does with a partition's answer.
type Action uint8

const (
	// Append appends the records, if any, and then takes the leader's high
	// watermark and log start.
	Append Action = iota
	// Truncate cuts the log where it parts from the leader's; see CutAt.
	Truncate
	// Relocate finds out where the leader's log begins and ends; see Place.
	Relocate
)

// Step is the answer for one partition. The shell ends each with Ready or Failed.
type Step struct {
	Key
	Epoch         model.Epoch // of the leader that the answer is from
	Action        Action
	Records       []byte
	HighWatermark model.Offset
	LogStart      model.Offset
	Diverging     EpochEnd
}

// EpochEnd is a leader epoch and where it ended in a log.
type EpochEnd struct {
	Epoch model.Epoch
	End   model.Offset
}

// Session is the partitions that are fetched from one leader.
type Session struct {
	config     Config
	partitions map[Key]*partition
	id, epoch  int32 // of the leader's session
	asked      []*partition
	inFlight   bool
	working    int          // steps that have not ended
	changed    []*partition // what the leader's session has to be told of
	delayed    delays
	turn       int
}

// partition is one partition in a Session.
type partition struct {
	Key
	leaderEpoch model.Epoch
	state       state
	at          Position
	known       bool // the leader's session has it, as told
	told        told
	listed      bool // in changed
	failures    int
	until       time.Time // while delayed
	place       int       // in delayed
	gone        bool
}

type told struct {
	leaderEpoch model.Epoch
	at          Position
}

type state uint8

const (
	preparing state = iota
	fetching
	working
	delayed
)

// NewSession is a session without partitions, unknown to the leader.
func NewSession(c Config) *Session {
	return &Session{config: c, partitions: map[Key]*partition{}}
}

// Len is the number of partitions.
func (s *Session) Len() int { return len(s.partitions) }

// Follow adds a partition, or moves it to a later leader epoch. The shell
// prepares its log and then calls Ready or Failed; it returns false if there is
// nothing to do.
func (s *Session) Follow(k Key, epoch model.Epoch) bool {
	p := s.partitions[k]
	if p == nil {
		p = &partition{Key: k, place: -1}
		s.partitions[k] = p
	} else if p.leaderEpoch == epoch {
		return false
	}
	p.leaderEpoch, p.failures = epoch, 0
	s.enter(p, preparing)
	return true
}

// Unfollow drops a partition.
func (s *Session) Unfollow(k Key) {
	p := s.partitions[k]
	if p == nil {
		return
	}
	s.enter(p, preparing)
	p.gone = true
	delete(s.partitions, k)
}

// Ready ends a step or a preparation: the replica is at that position now.
func (s *Session) Ready(k Key, at Position) {
	if p := s.partitions[k]; p != nil && p.state != fetching {
		p.at, p.failures = at, 0
		s.enter(p, fetching)
	}
}

// Failed ends a step or a preparation that did not succeed. It is tried again
// from the position that was known before, if there is one.
func (s *Session) Failed(k Key, at Position, now time.Time) {
	if p := s.partitions[k]; p != nil {
		p.at = at
		s.delay(p, now)
	}
}

func (s *Session) delay(p *partition, now time.Time) {
	wait := s.config.Backoff << min(p.failures, 20)
	p.until = now.Add(min(wait, s.config.MaxBackoff))
	p.failures++
	s.enter(p, delayed)
}

func (s *Session) enter(p *partition, next state) {
	switch p.state {
	case working:
		s.working--
	case delayed:
		heap.Remove(&s.delayed, p.place)
	}
	p.state = next
	switch next {
	case working:
		s.working++
	case delayed:
		heap.Push(&s.delayed, p)
	}
	if next != working {
		s.list(p)
	}
}

// list notes that the leader's session may have to be told of a partition.
func (s *Session) list(p *partition) {
	if !p.listed {
		p.listed = true
		s.changed = append(s.changed, p)
	}
}

// Lost says that the connection is gone, or that its answers are not to be
// trusted: the next request begins a new session and ends the old one.
func (s *Session) Lost() {
	s.epoch, s.inFlight = 0, false
	s.asked = nil
	for _, p := range s.changed {
		p.listed, p.known = false, false
	}
	s.changed = nil
	for _, p := range s.partitions {
		p.known = false
	}
}

// Wake is when a delayed partition is due; false if there is none.
func (s *Session) Wake() (time.Time, bool) {
	if len(s.delayed) == 0 {
		return time.Time{}, false
	}
	return s.delayed[0].until, true
}

// Request is the next Fetch; nil while there is nothing to fetch. All steps of
// the answer before must have ended.
func (s *Session) Request(brokerEpoch model.BrokerEpoch, now time.Time) *wire.FetchRequest {
	assert.That(!s.inFlight && s.working == 0, "a fetch while %d steps have not ended", s.working)
	for len(s.delayed) > 0 && !s.delayed[0].until.After(now) {
		s.enter(s.delayed[0], fetching)
	}
	r := &wire.FetchRequest{}
	r.Reset()
	r.ReplicaID, r.ReplicaState = int32(s.config.Self), wire.FetchRequestReplicaState{ReplicaID: int32(s.config.Self), ReplicaEpoch: int64(brokerEpoch)}
	r.MaxWaitMS = int32(s.config.MaxWait.Milliseconds())
	r.MinBytes, r.MaxBytes = s.config.MinBytes, s.config.ResponseBytes
	r.SessionID, r.SessionEpoch = s.id, s.epoch
	if s.epoch == 0 {
		s.askAll(r)
	} else {
		s.askChanged(r)
	}
	if len(r.Topics) == 0 && (s.epoch == 0 || s.nobodyKnown()) && len(r.ForgottenTopicsData) == 0 {
		return nil
	}
	s.inFlight = true
	return r
}

// nobodyKnown: an incremental request names nothing when nothing changed, and
// then fetches what the session holds.
func (s *Session) nobodyKnown() bool { return len(s.partitions) == len(s.delayed) }

// askAll names every partition that is fetching, each time beginning with
// another one: without a session the order decides who gets the response's bytes.
func (s *Session) askAll(r *wire.FetchRequest) {
	for _, p := range s.changed {
		p.listed = false
	}
	s.changed = nil
	all := make([]*partition, 0, len(s.partitions))
	for _, p := range s.partitions {
		if p.known = p.state == fetching; p.known {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *partition) int { return a.compare(b.Key) })
	if len(all) > 0 {
		s.turn = (s.turn + 1) % len(all)
		all = append(all[s.turn:len(all):len(all)], all[:s.turn]...)
	}
	for _, p := range all {
		s.ask(r, p)
	}
	s.asked = all
}

func (s *Session) askChanged(r *wire.FetchRequest) {
	slices.SortFunc(s.changed, func(a, b *partition) int { return a.compare(b.Key) })
	for _, p := range s.changed {
		p.listed = false
		switch {
		case !p.gone && p.state == fetching:
			if !p.known || p.told != (told{p.leaderEpoch, p.at}) {
				s.ask(r, p)
			}
		case p.known && !p.replaced(s):
			p.known = false
			forget(r, p.Key)
		}
	}
	clear(s.changed)
	s.changed = s.changed[:0]
}

// replaced tells that a partition was dropped and added anew: the leader's
// session knows one of the name, and is not to forget it.
func (p *partition) replaced(s *Session) bool {
	now := s.partitions[p.Key]
	return p.gone && now != nil && now.state == fetching
}

func (s *Session) ask(r *wire.FetchRequest, p *partition) {
	p.known, p.told = true, told{p.leaderEpoch, p.at}
	q := wire.FetchRequestPartition{}
	q.Reset()
	q.Partition, q.CurrentLeaderEpoch = p.Index, int32(p.leaderEpoch)
	q.FetchOffset, q.LastFetchedEpoch, q.LogStartOffset = int64(p.at.End), int32(p.at.LastEpoch), int64(p.at.Start)
	q.PartitionMaxBytes = s.config.PartitionBytes
	n := len(r.Topics)
	if n == 0 || r.Topics[n-1].TopicID != model.UUID(p.Topic) {
		r.Topics = append(r.Topics, wire.FetchRequestTopic{TopicID: model.UUID(p.Topic)})
		n++
	}
	r.Topics[n-1].Partitions = append(r.Topics[n-1].Partitions, q)
}

func forget(r *wire.FetchRequest, k Key) {
	n := len(r.ForgottenTopicsData)
	if n == 0 || r.ForgottenTopicsData[n-1].TopicID != model.UUID(k.Topic) {
		r.ForgottenTopicsData = append(r.ForgottenTopicsData, wire.FetchRequestForgottenTopicsData{TopicID: model.UUID(k.Topic)})
		n++
	}
	f := &r.ForgottenTopicsData[n-1]
	f.Partitions = append(f.Partitions, k.Index)
}

// Answered takes the answer to the request in flight. On an error the session is
// lost, and nothing of the answer counts.
func (s *Session) Answered(r *wire.FetchResponse, now time.Time) ([]Step, error) {
	s.inFlight = false
	if err := s.check(r); err != nil {
		s.Lost()
		return nil, err
	}
	s.asked = nil
	switch s.id = r.SessionID; {
	case s.id == 0:
		s.epoch = 0 // the leader keeps no session: the next request names everything again
	case s.epoch == 1<<31-1:
		s.epoch = 1
	default:
		s.epoch++
	}
	var steps []Step
	for i := range r.Responses {
		t := &r.Responses[i]
		for j := range t.Partitions {
			p := s.partitions[Key{model.TopicID(t.TopicID), t.Partitions[j].PartitionIndex}]
			// What was moved to another epoch, or dropped, while the request was
			// on its way has no use for the answer.
			if p == nil || p.state != fetching || p.told != (told{p.leaderEpoch, p.at}) {
				continue
			}
			if step, ok := s.partition(p, &t.Partitions[j], now); ok {
				steps = append(steps, step)
			}
		}
	}
	return steps, nil
}

// check compares an answer with what was asked.
func (s *Session) check(r *wire.FetchResponse) error {
	if err := kerr.FromCode(r.ErrorCode); err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	if s.epoch != 0 {
		if r.SessionID != s.id && r.SessionID != 0 { // 0: the leader has closed it
			return fmt.Errorf("fetch: answer for session %d, want %d", r.SessionID, s.id)
		}
		return nil
	}
	named := make(map[Key]bool, len(s.asked))
	for i := range r.Responses {
		for j := range r.Responses[i].Partitions {
			named[Key{model.TopicID(r.Responses[i].TopicID), r.Responses[i].Partitions[j].PartitionIndex}] = true
		}
	}
	for _, p := range s.asked {
		if !named[p.Key] {
			return fmt.Errorf("fetch: the answer lacks partition %v-%d", p.Topic, p.Index)
		}
	}
	return nil
}

func (s *Session) partition(p *partition, r *wire.FetchResponsePartition, now time.Time) (Step, bool) {
	step := Step{Key: p.Key, Epoch: p.leaderEpoch, HighWatermark: model.Offset(r.HighWatermark), LogStart: model.Offset(r.LogStartOffset)}
	switch {
	case r.ErrorCode == kerr.OffsetOutOfRange.Code:
		step.Action = Relocate
	case r.ErrorCode != 0:
		// The leader or this broker knows of a later epoch than the other, the
		// leader's disk failed, the topic is not known there yet: time, or the
		// metadata, brings the answer.
		s.delay(p, now)
		return step, false
	case r.DivergingEpoch.Epoch != -1 || r.DivergingEpoch.EndOffset != -1:
		// Before anything else: the leader's high watermark says nothing of a
		// log that parts from the leader's.
		step.Action = Truncate
		step.Diverging = EpochEnd{model.Epoch(r.DivergingEpoch.Epoch), model.Offset(r.DivergingEpoch.EndOffset)}
	default:
		step.Records = r.Records.Bytes()
	}
	s.enter(p, working)
	return step, true
}

// CutAt is where a log is cut when the leader said that its epochs diverge:
// local is the largest epoch of the log at or below the leader's, and where it
// ended here; NoEpoch if there is none (KIP-279, KIP-595). The next fetch tells
// whether the logs agree then.
func CutAt(leaders, local EpochEnd, end model.Offset) model.Offset {
	switch {
	case leaders.End < 0:
		return end
	case local.Epoch == model.NoEpoch, leaders.Epoch == model.NoEpoch:
		return min(leaders.End, end)
	case local.Epoch != leaders.Epoch:
		// The leader's epoch is not known here, so nothing after the one before
		// it can be the leader's.
		return min(local.End, end)
	}
	return min(local.End, leaders.End, end)
}

// Placement says where a log goes on that the leader found out of its range.
type Placement struct {
	Offset  model.Offset
	Restart bool // empty, at Offset; else what is beyond Offset is cut
}

// Place compares a log with where the leader's begins and ends. One that ended
// before the leader's begins starts anew there; one that goes beyond the leader's
// end is cut: that leader was elected without being in sync.
func Place(end, leaderStart, leaderEnd model.Offset) Placement {
	switch {
	case leaderEnd < end:
		return Placement{Offset: leaderEnd}
	case leaderStart > end:
		return Placement{Offset: leaderStart, Restart: true}
	}
	return Placement{Offset: end}
}

// delays are delayed partitions, the one due first at the front.
type delays []*partition

func (d delays) Len() int           { return len(d) }
func (d delays) Less(i, j int) bool { return d[i].until.Before(d[j].until) }
func (d delays) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}
func (d *delays) Push(x any) {
	p := x.(*partition)
	p.place = len(*d)
	*d = append(*d, p)
}
func (d *delays) Pop() any {
	old := *d
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	p.place = -1
	return p
}
