package coordinator

import (
	"sync/atomic"
	"time"
)

// counters are what a Set counts, for ever up.
type counters struct {
	calls, appends, refused, unreadable atomic.Int64
	loads, failedLoads, loadTime        atomic.Int64
}

// Stats are a Set's counts since it was made, and how many shards there are now.
type Stats struct {
	Loading, Active int
	Calls           int64 // requests that machines were given
	Appends         int64
	Refused         int64 // appends that failed
	Unreadable      int64 // records that a machine did not understand
	Loads           int64
	FailedLoads     int64
	LoadTime        time.Duration // of all loads together
}

// Stats is a look at the counts.
func (s *Set) Stats() Stats {
	c := &s.counters
	out := Stats{
		Calls: c.calls.Load(), Appends: c.appends.Load(), Refused: c.refused.Load(), Unreadable: c.unreadable.Load(),
		Loads: c.loads.Load(), FailedLoads: c.failedLoads.Load(), LoadTime: time.Duration(c.loadTime.Load()),
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sh := range s.shards {
		switch sh.state.Load() {
		case stateLoading:
			out.Loading++
		case stateActive:
			out.Active++
		}
	}
	return out
}
