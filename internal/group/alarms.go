package group

import (
	"container/heap"
	"time"
)

// alarmKind says what an alarm is for.
type alarmKind uint8

// The alarms. At most one is set for the same kind, group and member; a kind
// that is of no member, or of no group, leaves those empty.
const (
	checkExpiry    alarmKind = iota // offsets may have expired
	sweepAgain                      // parts of sweeps that could not be written
	classicSession                  // a member of a classic group was not heard of
	classicJoin                     // a rebalance waits no longer for members to join
	classicSync                     // nor for members to ask for their assignment
	classicMade                     // a consumer group has become classic, and is to rebalance
	consumerAlarm                   // the first of those that a consumer group knows itself
)

// alarm names what is to happen at a time.
type alarm struct {
	what   alarmKind
	group  string
	member string
}

// alarms are the times at which something is to happen. Those of the same time
// ring in the order in which they were set.
type alarms struct {
	byName map[alarm]*ringing
	queue  ringQueue
	count  uint64
}

type ringing struct {
	alarm
	at    time.Time
	order uint64
	index int
}

func newAlarms() alarms { return alarms{byName: map[alarm]*ringing{}} }

// set sets an alarm, or moves it.
func (s *alarms) set(a alarm, at time.Time) {
	s.count++
	if r := s.byName[a]; r != nil {
		r.at, r.order = at, s.count
		heap.Fix(&s.queue, r.index)
		return
	}
	r := &ringing{alarm: a, at: at, order: s.count}
	s.byName[a] = r
	heap.Push(&s.queue, r)
}

// isSet reports whether an alarm is set.
func (s *alarms) isSet(a alarm) bool { return s.byName[a] != nil }

// cancel takes an alarm back, if it is set.
func (s *alarms) cancel(a alarm) {
	if r := s.byName[a]; r != nil {
		delete(s.byName, a)
		heap.Remove(&s.queue, r.index)
	}
}

// due is when the first rings, the zero time when none is set.
func (s *alarms) due() time.Time {
	if len(s.queue) == 0 {
		return time.Time{}
	}
	return s.queue[0].at
}

// ring takes the first alarm out if its time has come.
func (s *alarms) ring(now time.Time) (alarm, bool) {
	if len(s.queue) == 0 || s.queue[0].at.After(now) {
		return alarm{}, false
	}
	r := heap.Pop(&s.queue).(*ringing)
	delete(s.byName, r.alarm)
	return r.alarm, true
}

// rang does what an alarm was set for.
func (m *Machine) rang(a alarm) {
	switch a.what {
	case checkExpiry:
		m.checkExpiry()
	case sweepAgain:
		m.sweepAgain()
	case classicSession, classicJoin, classicSync:
		m.rangClassic(a)
	case classicMade:
		m.rangMade(a)
	default:
		m.rangConsumer(a)
	}
}

// ringQueue implements heap.Interface.
type ringQueue []*ringing

func (q ringQueue) Len() int { return len(q) }

func (q ringQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].order < q[j].order
}

func (q ringQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *ringQueue) Push(x any) {
	r := x.(*ringing)
	r.index = len(*q)
	*q = append(*q, r)
}

// Pop implements heap.Interface.
func (q *ringQueue) Pop() any {
	last := len(*q) - 1
	r := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return r
}
