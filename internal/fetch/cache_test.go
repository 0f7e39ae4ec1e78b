package fetch

import (
	"testing"
	"time"
)

// The rules of eviction are KIP-227's; the cases are those of Kafka's
// FetchSessionTest.

func testCache(slots int) (*Cache, *time.Time) {
	now := time.Unix(0, 0)
	c := NewCache(slots, func() time.Time { return now })
	next := int32(0)
	c.newID = func() int32 { next++; return next }
	return c, &now
}

func sessionOf(follower bool, size int) *Session {
	s := newSession(follower, true)
	for i := range int32(size) {
		k := key{index: i}
		s.entries[k] = &entry{key: k, session: s}
	}
	return s
}

func ids(c *Cache) map[int32]bool {
	out := map[int32]bool{}
	for id := range c.sessions {
		out[id] = true
	}
	return out
}

func TestNoRoomForEquals(t *testing.T) {
	c, now := testCache(2)
	c.add(sessionOf(false, 10))
	c.add(sessionOf(false, 20))
	*now = now.Add(time.Minute)
	if c.add(sessionOf(false, 1000)) {
		t.Error("a session that is not settled was replaced")
	}
	if s := c.Stats(); s != (Stats{Sessions: 2, Partitions: 30}) {
		t.Errorf("%+v", s)
	}
}

func TestStaleGoesFirst(t *testing.T) {
	c, now := testCache(2)
	c.add(sessionOf(true, 1000))
	c.add(sessionOf(false, 1))
	*now = now.Add(time.Minute)
	c.touch(2, 1)
	*now = now.Add(time.Minute + time.Second)
	if !c.add(sessionOf(false, 1)) || ids(c)[1] || !ids(c)[2] {
		t.Errorf("left %v", ids(c))
	}
	if s := c.Stats(); s != (Stats{Sessions: 2, Partitions: 2, Evictions: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestFollowersBeforeConsumers(t *testing.T) {
	c, _ := testCache(2)
	c.add(sessionOf(false, 30))
	c.add(sessionOf(false, 20))
	if !c.add(sessionOf(true, 1)) || ids(c)[2] {
		t.Errorf("left %v", ids(c))
	}
	if !c.add(sessionOf(true, 1)) || ids(c)[1] {
		t.Errorf("left %v", ids(c))
	}
	if c.add(sessionOf(true, 50)) {
		t.Error("a new follower replaced a new follower")
	}
	if c.add(sessionOf(false, 50)) {
		t.Error("a consumer replaced a follower")
	}
}

func TestLargerReplacesSettled(t *testing.T) {
	c, now := testCache(2)
	c.add(sessionOf(false, 30))
	c.add(sessionOf(false, 20))
	for range 3 {
		*now = now.Add(time.Minute)
		c.touch(1, 30)
		c.touch(2, 20)
	}
	if c.add(sessionOf(false, 20)) {
		t.Error("one of the same size replaced a settled session")
	}
	if !c.add(sessionOf(false, 21)) || ids(c)[2] {
		t.Errorf("left %v", ids(c))
	}
}

func TestEpochsGoRound(t *testing.T) {
	if nextEpoch(1<<31-1) != 1 || nextEpoch(1) != 2 {
		t.Error("session epochs")
	}
}
