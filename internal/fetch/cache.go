package fetch

import (
	"math/rand/v2"
	"sync"
	"time"
)

// minUnused is how long a session must have gone unused, or have existed, before
// one that is not more privileged may take its slot (KIP-227).
const minUnused = 2 * time.Minute

// Cache keeps the incremental fetch sessions of this broker (KIP-227). When all
// slots are taken a new session takes the place of one that
//
//  1. has not been used for two minutes, or else
//  2. belongs to a consumer, if the new one is a follower's, or else
//  3. has existed for two minutes and has no more partitions than the new one.
//
// A client that gets no session fetches without one: session id 0.
type Cache struct {
	slots int
	now   func() time.Time
	newID func() int32

	fetchers fetchers

	mu         sync.Mutex
	sessions   map[int32]*cached
	partitions int
	evictions  int64
}

// cached is a session's entry. Its fields are the cache's own, as of the
// session's last use.
type cached struct {
	session  *Session
	id       int32
	created  time.Time
	lastUsed time.Time
	size     int
}

// NewCache makes a cache of max.incremental.fetch.session.cache.slots sessions.
func NewCache(slots int, now func() time.Time) *Cache {
	return &Cache{slots: slots, now: now, newID: randomID, fetchers: fetchers{heard: map[Fetcher]heard{}}, sessions: map[int32]*cached{}}
}

// randomID is positive: 0 stands for no session.
func randomID() int32 { return rand.Int32N(1<<31-2) + 1 }

// Stats are what Kafka's FetchSessionCache metrics tell.
type Stats struct {
	Sessions   int
	Partitions int
	Evictions  int64
}

// Stats counts what is in the cache.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Sessions: len(c.sessions), Partitions: c.partitions, Evictions: c.evictions}
}

// Close ends all sessions.
func (c *Cache) Close() {
	c.mu.Lock()
	all := c.sessions
	c.sessions, c.partitions = map[int32]*cached{}, 0
	c.mu.Unlock()
	for _, e := range all {
		e.session.Close()
	}
}

func (c *Cache) get(id int32) *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.sessions[id]; e != nil {
		return e.session
	}
	return nil
}

// add gives the session a slot and an id. It returns false if there is no slot
// that it may take.
func (c *Cache) add(s *Session) bool {
	now := c.now()
	size := s.size()
	c.mu.Lock()
	var victim *cached
	if len(c.sessions) >= c.slots {
		if victim = c.victim(s.follower, size, now); victim == nil {
			c.mu.Unlock()
			return false
		}
		c.drop(victim)
		c.evictions++
	}
	id := c.newID()
	for id == 0 || c.sessions[id] != nil {
		id = c.newID()
	}
	c.sessions[id] = &cached{session: s, id: id, created: now, lastUsed: now, size: size}
	c.partitions += size
	c.mu.Unlock()
	s.setID(id)
	if victim != nil {
		victim.session.Close()
	}
	return true
}

// victim is the session that one with these properties may replace. Sizes and
// ages are as of each session's last use.
func (c *Cache) victim(follower bool, size int, now time.Time) *cached {
	var oldest, least *cached
	for _, e := range c.sessions {
		if oldest == nil || e.lastUsed.Before(oldest.lastUsed) || e.lastUsed.Equal(oldest.lastUsed) && e.id < oldest.id {
			oldest = e
		}
		settled := e.lastUsed.Sub(e.created) > minUnused
		if (settled || follower && !e.session.follower) && (least == nil || less(e, least)) {
			least = e
		}
	}
	switch {
	case oldest == nil:
		return nil
	case now.Sub(oldest.lastUsed) > minUnused:
		return oldest
	case least == nil, least.session.follower && !follower:
		return nil
	case least.session.follower == follower && least.size >= size:
		// Kafka breaks the tie by the id, and a new session's counts as 0.
		return nil
	}
	return least
}

// less orders by value: consumers before followers, few partitions before many.
func less(a, b *cached) bool {
	if a.session.follower != b.session.follower {
		return b.session.follower
	}
	if a.size != b.size {
		return a.size < b.size
	}
	return a.id < b.id
}

// touch notes that a session was used.
func (c *Cache) touch(id int32, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.sessions[id]; e != nil {
		c.partitions += size - e.size
		e.size, e.lastUsed = size, c.now()
	}
}

// remove ends a session, if there is one of that id.
func (c *Cache) remove(id int32) {
	c.mu.Lock()
	e := c.sessions[id]
	if e != nil {
		c.drop(e)
	}
	c.mu.Unlock()
	if e != nil {
		e.session.Close()
	}
}

func (c *Cache) drop(e *cached) {
	delete(c.sessions, e.id)
	c.partitions -= e.size
}
