package fetch

import (
	"sync"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/wire"
)

// Session is what a broker remembers of one fetching client (KIP-227): the
// partitions it fetches, from where, and what it was last told of them. Fetches
// without a session use one that ends with them.
//
// A partition is in the queue while a fetch has to look at it: it was added or
// moved by a request, it changed, it has records the client has not taken, or it
// failed. All others have nothing to say. So a fetch costs what changed, not
// what the session holds. A partition whose records were sent goes to the back,
// which makes partitions take turns when the limits are small.
//
// Locks, in the order they are taken: mu, a partition's, news.mu.
type Session struct {
	follower bool
	usesIDs  bool // topics are named by id: Fetch version 13 and later

	mu        sync.Mutex
	id        int32
	epoch     int32
	isolation replica.Isolation
	entries   map[key]*entry
	queue     queue
	news      news
	closed    bool
}

// key names a partition as requests do: by topic id, or by name with a zero id.
type key struct {
	id    model.TopicID
	topic string
	index int32
}

// entry is one partition of a session.
type entry struct {
	key
	replica.Watch
	session *Session
	name    string // of the topic, once it is known

	from             model.Offset
	logStart         model.Offset // of the follower that fetches
	maxBytes         int
	leaderEpoch      model.Epoch
	lastFetchedEpoch model.Epoch

	// asked says that the request at hand names the partition: only that tells
	// where a follower is. A fetch that waits, and looks again when the follower
	// has long fetched otherwise, must not take it back.
	asked bool

	toldHighWatermark model.Offset
	toldLogStart      model.Offset

	prev, next *entry // in the queue
	queued     bool
	report     report
}

func newSession(follower, usesIDs bool) *Session {
	return &Session{follower: follower, usesIDs: usesIDs, entries: map[key]*entry{}}
}

// Close ends the session. A fetch that still waits in it ends with an error.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for k, e := range s.entries {
		e.Stop()
		delete(s.entries, k)
	}
	s.queue = queue{}
	s.news.wake()
}

func (s *Session) setID(id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id = id
}

func (s *Session) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// update takes what a request adds, moves and forgets. Needs mu.
func (s *Session) update(topics []wire.FetchRequestTopic, forgotten []wire.FetchRequestForgottenTopicsData) {
	for i := range topics {
		t := &topics[i]
		for j := range t.Partitions {
			s.set(key{model.TopicID(t.TopicID), t.Topic, t.Partitions[j].Partition}, &t.Partitions[j])
		}
	}
	for _, t := range forgotten {
		for _, index := range t.Partitions {
			s.forget(key{model.TopicID(t.TopicID), t.Topic, index})
		}
	}
}

func (s *Session) set(k key, q *wire.FetchRequestPartition) {
	e := s.entries[k]
	if e == nil {
		e = &entry{key: k, session: s, name: k.topic, toldHighWatermark: -1, toldLogStart: -1}
		s.entries[k] = e
	}
	e.from, e.logStart = model.Offset(q.FetchOffset), model.Offset(q.LogStartOffset)
	e.maxBytes, e.asked = int(q.PartitionMaxBytes), true
	e.leaderEpoch, e.lastFetchedEpoch = optional(q.CurrentLeaderEpoch), optional(q.LastFetchedEpoch)
	s.queue.add(e)
}

// optional is an epoch in a fetch: every negative number stands for none.
func optional(epoch int32) model.Epoch { return max(model.NoEpoch, model.Epoch(epoch)) }

func (s *Session) forget(k key) {
	if e := s.entries[k]; e != nil {
		e.Stop()
		s.queue.remove(e)
		delete(s.entries, k)
	}
}

// collect queues what changed since the last call. Needs mu.
func (s *Session) collect() {
	for _, e := range s.news.take() {
		if s.entries[e.key] == e {
			s.queue.add(e)
		}
	}
}

// queue is a list of entries in the order in which they are looked at.
type queue struct {
	first, last *entry
	length      int
}

func (q *queue) add(e *entry) {
	if e.queued {
		return
	}
	e.queued, e.prev, e.next = true, q.last, nil
	if q.last == nil {
		q.first = e
	} else {
		q.last.next = e
	}
	q.last = e
	q.length++
}

func (q *queue) remove(e *entry) {
	if !e.queued {
		return
	}
	if e.prev == nil {
		q.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.queued, e.prev, e.next = false, nil, nil
	q.length--
}

func (q *queue) toBack(e *entry) {
	q.remove(e)
	q.add(e)
}
