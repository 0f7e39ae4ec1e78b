// Package fetch runs the fetches of consumers and followers: the sessions that
// remember what each of them fetches (KIP-227), the wait until there is enough to
// return, and the limits of what is returned.
//
// A session owns one waiter and the set of its partitions that changed. A fetch
// looks at those only, so it costs what changed, not what it names; a waiting
// fetch is woken only once min.bytes can be met. Sizes are computed without
// reading records.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/wire"
)

// Session epochs with a meaning of their own, and the id of no session.
const (
	noSession    int32 = 0
	initialEpoch int32 = 0  // begins a session, ending the one named
	finalEpoch   int32 = -1 // fetches without one, ending the one named
)

// Request is what decides about sessions in a fetch request.
type Request struct {
	SessionID    int32
	SessionEpoch int32
	Fetcher      *Fetcher // nil for a consumer
	Connection   uint64   // that it came by; a newer one has a higher number
	UsesIDs      bool     // topics are named by id: Fetch version 13 and later
	Topics       []wire.FetchRequestTopic
	Forgotten    []wire.FetchRequestForgottenTopicsData
}

// Terms are what a fetch asks for and how long it waits for it.
type Terms struct {
	Follower   model.NodeID // -1 for a consumer
	Broker     model.BrokerEpoch
	Isolation  replica.Isolation
	LeaderOnly bool
	MinBytes   int
	MaxBytes   int // negative refuses every partition
	MaxWait    time.Duration
}

// Resolver finds the partition that a client names. The error is the client's
// answer for the partition. It is asked each time the partition is looked at, so
// that rights and topics may change under a session.
type Resolver interface {
	Resolve(topic string, id model.TopicID, index int32) (name string, p *replica.Partition, err error)
	// Closer is a replica that the client had better read from that offset on,
	// NoNode if none is (KIP-392).
	Closer(p *replica.Partition, from model.Offset) model.NodeID
}

// Result is the answer for one partition.
type Result struct {
	Topic   string // may be "" if the id is unknown
	TopicID model.TopicID
	Index   int32
	Err     error
	replica.ReadResult
	// Preferred is a replica to read from instead: then there are no records.
	Preferred model.NodeID

	entry   *entry
	ignored bool // the error was found before the partition was asked
}

// Fetch is one fetch in progress.
type Fetch struct {
	cache   *Cache
	session *Session
	full    bool // all partitions are in the answer, not only those with news
	begins  bool // a session begins with the answer
	epoch   int32
	poke    chan struct{}
	results []Result
	have    int
	urgent  bool
}

// Begin finds or makes the session of a request. The error is for the whole
// response: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or
// FETCH_SESSION_TOPIC_ID_ERROR.
func (c *Cache) Begin(r Request) (*Fetch, error) {
	if r.Fetcher != nil {
		return c.fetchers.begin(r, c.begin)
	}
	return c.begin(r)
}

func (c *Cache) begin(r Request) (*Fetch, error) {
	if r.SessionEpoch == initialEpoch || r.SessionEpoch == finalEpoch {
		if r.SessionID != noSession {
			c.remove(r.SessionID)
		}
		return c.sessionless(r, r.SessionEpoch == initialEpoch), nil
	}
	s := c.get(r.SessionID)
	if s == nil {
		return nil, kerr.FetchSessionIDNotFound
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return nil, kerr.FetchSessionIDNotFound
	case s.epoch != r.SessionEpoch:
		s.mu.Unlock()
		return nil, kerr.InvalidFetchSessionEpoch
	case s.usesIDs != r.UsesIDs:
		s.mu.Unlock()
		return nil, kerr.FetchSessionTopicIDError
	}
	s.update(r.Topics, r.Forgotten)
	size := len(s.entries)
	s.epoch = nextEpoch(s.epoch)
	f := &Fetch{cache: c, session: s, epoch: s.epoch}
	s.news.wake() // a fetch that this one overtakes
	s.mu.Unlock()
	if size == 0 {
		c.remove(r.SessionID)
		return c.sessionless(r, false), nil
	}
	c.touch(r.SessionID, size)
	return f, nil
}

// sessionless is a fetch in a session of its own, which the cache may take over
// when the fetch is answered.
func (c *Cache) sessionless(r Request, begins bool) *Fetch {
	s := newSession(r.Fetcher != nil, r.UsesIDs)
	s.update(r.Topics, nil)
	s.epoch = nextEpoch(initialEpoch)
	return &Fetch{cache: c, session: s, full: true, begins: begins, epoch: s.epoch}
}

func nextEpoch(e int32) int32 {
	if e == 1<<31-1 {
		return 1
	}
	return e + 1
}

// Run waits until the terms are met and returns the session id and results to
// answer with. It returns early when the context ends, with the context's error:
// nobody is there to answer.
func (f *Fetch) Run(ctx context.Context, t Terms, r Resolver) (sessionID int32, results []Result, err error) {
	defer func() {
		if f.full && (!f.begins || err != nil) {
			f.session.Close()
		}
	}()
	var deadline *time.Timer
	for expired := false; ; {
		enough, err := f.look(t, r)
		if err != nil {
			return 0, nil, err
		}
		if enough || expired || t.MaxWait <= 0 {
			break
		}
		armed, err := f.arm(t)
		if err != nil {
			return 0, nil, err
		}
		if !armed {
			continue
		}
		if deadline == nil {
			deadline = time.NewTimer(t.MaxWait)
			defer deadline.Stop()
		}
		select {
		case <-f.poke:
		case <-deadline.C:
			expired = true
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		f.session.news.disarm(f.poke)
		if err != nil {
			return 0, nil, err
		}
	}
	return f.answer()
}

// arm makes partitions wake this fetch. It returns false if there may be enough
// already. A fetch that another one of its session has overtaken ends here: it
// must not take the other's place as the waiter.
func (f *Fetch) arm(t Terms) (bool, error) {
	s := f.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.epoch != f.epoch {
		return false, kerr.InvalidFetchSessionEpoch
	}
	if f.poke == nil {
		f.poke = make(chan struct{}, 1)
	}
	return s.news.arm(f.poke, int64(t.MinBytes-f.have), wakeOn(t.Isolation)), nil
}

func wakeOn(i replica.Isolation) replica.Changes {
	switch i {
	case replica.LogEnd:
		return replica.ChangedEnd
	case replica.Stable:
		return replica.ChangedLastStable
	}
	return replica.ChangedHighWatermark
}

// look goes through what may have something to say, and reports whether the
// fetch can be answered: enough bytes, an error, a divergence, or nothing to
// wait for.
func (f *Fetch) look(t Terms, r Resolver) (enough bool, err error) {
	f.discard()
	s := f.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.epoch != f.epoch {
		return false, kerr.InvalidFetchSessionEpoch
	}
	s.collect()
	if s.isolation != t.Isolation {
		// What had nothing to say at one level may have at another.
		s.isolation = t.Isolation
		for _, e := range s.entries {
			s.queue.add(e)
		}
	}
	limit, refused := t.MaxBytes, 0
	for e := s.queue.first; e != nil; {
		if limit == 0 && f.have > 0 && !f.full {
			break // the rest have their turn in the next fetch
		}
		next := e.next
		result := f.lookAt(e, t, limit, r)
		if result.ignored {
			refused++
		}
		if size := result.Size(); size > 0 {
			f.have += size
			limit = max(0, limit-size)
		}
		f.results = append(f.results, result)
		if result.settled() && !f.full && !result.hasNews() {
			s.queue.remove(e)
			f.results = f.results[:len(f.results)-1]
		}
		e = next
	}
	return f.urgent || f.have >= t.MinBytes || refused == len(s.entries), nil
}

// lookAt asks one partition. Needs the session's mu.
func (f *Fetch) lookAt(e *entry, t Terms, limit int, r Resolver) Result {
	out := Result{Topic: e.name, TopicID: e.id, Index: e.index, entry: e, Preferred: model.NoNode}
	name, p, err := r.Resolve(e.topic, e.id, e.index)
	if name != "" {
		e.name, out.Topic = name, name
	}
	if p == nil || e.Partition() != p {
		e.Stop()
	}
	if errors.Is(err, kerr.UnknownTopicID) && e.name != "" {
		err = kerr.UnknownTopicOrPartition // the session has known the topic by its name
	}
	if err != nil {
		out.Err, out.ReadResult = err, replica.NothingRead
		// Kafka waits for the other partitions where it refuses one itself, and
		// answers at once where the replica does.
		out.ignored = kerr.Code(err) != kerr.NotLeaderOrFollower.Code
		f.urgent = f.urgent || !out.ignored
		return out
	}
	if e.Partition() == nil {
		p.Watch(&e.Watch, e)
	}
	maxBytes := min(e.maxBytes, limit)
	if maxBytes >= 0 && t.Follower == model.NoNode {
		if out.Preferred = r.Closer(p, e.from); out.Preferred != model.NoNode {
			maxBytes = 0
		}
	}
	if maxBytes < 0 {
		out.Err = kerr.UnknownServerError.With("%d is no number of bytes", maxBytes) // Kafka's answer
	} else {
		out.ReadResult, out.Err = p.Read(replica.ReadRequest{
			From: e.from, MaxBytes: maxBytes, MinOne: f.have == 0 && out.Preferred == model.NoNode,
			Isolation: t.Isolation, LeaderOnly: t.LeaderOnly,
			LeaderEpoch: e.leaderEpoch, LastFetchedEpoch: e.lastFetchedEpoch,
		})
	}
	if out.Err == nil && t.Follower != model.NoNode && out.Diverging == nil && e.asked {
		e.asked = false
		out.Err = p.Fetched(replica.FollowerFetch{
			Follower: t.Follower, BrokerEpoch: t.Broker, Offset: e.from, LogStart: e.logStart,
			LeaderEnd: out.LogEnd, HasEpoch: e.leaderEpoch != model.NoEpoch,
		})
	}
	if out.Err != nil {
		out.ReadResult, out.Preferred = replica.NothingRead, model.NoNode
	}
	if out.Err != nil || out.Diverging != nil || out.Preferred != model.NoNode {
		f.urgent = true
	}
	f.session.news.looked(e, out.count(t.Isolation))
	return out
}

// count is the count of bytes up to which a look saw, or a lower one. -1 is to
// keep the one before: while transactions are open, nothing tells how many bytes
// are below the last stable offset.
func (r *Result) count(i replica.Isolation) int64 {
	switch {
	case i == replica.LogEnd:
		return r.Appended
	case i == replica.Stable && r.LastStable < r.HighWatermark:
		return -1
	}
	return r.Committed
}

// settled tells that there is nothing more for the partition until it changes.
func (r *Result) settled() bool {
	return r.Err == nil && r.Diverging == nil && r.Preferred == model.NoNode && r.Size() == 0 && r.entry.from >= r.Bound
}

// hasNews tells whether an incremental answer must name the partition.
func (r *Result) hasNews() bool {
	return r.Err != nil || r.Diverging != nil || r.Preferred != model.NoNode || r.Size() > 0 ||
		r.HighWatermark != r.entry.toldHighWatermark || r.LogStart != r.entry.toldLogStart
}

// Size is the number of bytes of records.
func (r *Result) Size() int { return r.Records.Len() }

// answer settles what the client is told now.
func (f *Fetch) answer() (int32, []Result, error) {
	s := f.session
	s.mu.Lock()
	if s.closed || s.epoch != f.epoch {
		s.mu.Unlock()
		return 0, nil, kerr.InvalidFetchSessionEpoch
	}
	told := f.results[:0]
	for _, r := range f.results {
		if f.full || r.hasNews() {
			told = append(told, r)
		}
	}
	clear(f.results[len(told):])
	f.results = told
	if f.full {
		// What was refused before its partition was asked comes last, as in Kafka.
		slices.SortStableFunc(f.results, func(a, b Result) int { return cmp.Compare(rank(a), rank(b)) })
	}
	for i := range f.results {
		s.tell(&f.results[i])
	}
	id := s.id
	s.mu.Unlock()
	if f.begins {
		if f.begins = f.cache.add(s); f.begins {
			s.mu.Lock()
			id = s.id
			s.mu.Unlock()
		}
	}
	results := f.results
	f.results = nil
	return id, results, nil
}

func rank(r Result) int {
	if r.ignored {
		return 1
	}
	return 0
}

// tell notes what a client knows once it has the result. Needs mu.
func (s *Session) tell(r *Result) {
	e := r.entry
	e.toldHighWatermark, e.toldLogStart = r.HighWatermark, r.LogStart
	switch {
	case r.Err != nil:
		e.toldHighWatermark = -1 // so that it is told when the error is over
	case r.Size() > 0:
		s.queue.toBack(e)
	case r.settled():
		s.queue.remove(e)
	}
	r.entry = nil
}

func (f *Fetch) discard() {
	clear(f.results)
	f.results, f.have, f.urgent = f.results[:0], 0, false
}
