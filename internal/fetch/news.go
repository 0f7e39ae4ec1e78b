package fetch

import (
	"sync"

	"github.com/stromkafka/strom/internal/replica"
)

// news is what partitions tell a session: the set of those that changed, and
// the one waiter's threshold. Partitions call it with their lock held.
//
// How many bytes a fetch could return is not looked up at each change: appended
// bytes since a partition was last looked at bound it from above. Only when the
// bound says that min.bytes can be met is the fetch woken to look.
type news struct {
	mu      sync.Mutex
	changed []*entry
	waiting bool
	wakeOn  replica.Changes
	missing int64
	poke    chan struct{} // the waiter's; has one value when it should look
}

// report is an entry's part of the news. It is guarded by news.mu.
type report struct {
	listed  bool // in news.changed
	what    replica.Changes
	looked  int64 // the count of bytes up to which the fetch has looked
	counted int64 // the latest count
	bounded int64 // how much of it has been taken off missing
}

// Changed implements replica.Watcher.
func (e *entry) Changed(c replica.Changes, appended int64) {
	if c == replica.ChangedEnd && !e.session.follower {
		return // consumers see it when the high watermark follows
	}
	n := &e.session.news
	n.mu.Lock()
	defer n.mu.Unlock()
	r := &e.report
	r.what |= c
	r.counted = appended
	if !r.listed {
		r.listed = true
		n.changed = append(n.changed, e)
	}
	if n.waiting {
		n.count(e)
		n.decide()
	}
}

// count takes an entry's growth off what is missing.
func (n *news) count(e *entry) {
	r := &e.report
	switch {
	case r.what&replica.ChangedRole != 0:
		n.missing = 0
	case r.what&n.wakeOn != 0:
		bound := min(r.counted-r.looked, int64(e.maxBytes))
		// A batch larger than the partition's limit is returned all the same,
		// and any growth at all may be one.
		bound = max(bound, 1)
		n.missing -= bound - r.bounded
		r.bounded = bound
	}
}

func (n *news) decide() {
	if n.missing <= 0 {
		n.waiting = false
		select {
		case n.poke <- struct{}{}:
		default:
		}
	}
}

// take returns what changed and starts anew.
func (n *news) take() []*entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := n.changed
	n.changed = nil
	for _, e := range changed {
		e.report.listed, e.report.what = false, 0
	}
	return changed
}

// looked notes up to which count of bytes a fetch has looked at an entry; -1
// keeps what is noted.
func (n *news) looked(e *entry, count int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.report.bounded = 0
	if count >= 0 {
		e.report.looked = count
	}
}

// arm sets the threshold of the waiter. It returns false if what changed since
// the fetch looked may be enough already.
func (n *news) arm(poke chan struct{}, missing int64, wakeOn replica.Changes) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-poke:
	default:
	}
	n.poke, n.missing, n.wakeOn = poke, missing, wakeOn
	for _, e := range n.changed {
		e.report.bounded = 0
		n.count(e)
	}
	n.waiting = n.missing > 0
	return n.waiting
}

// disarm stops waking, unless another waiter has come.
func (n *news) disarm(poke chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.poke == poke {
		n.waiting = false
	}
}

// wake wakes the waiter, if there is one, whatever is missing.
func (n *news) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting {
		n.missing = 0
		n.decide()
	}
}
