package replica

import "github.com/stromkafka/strom/internal/assert"

// Changes says what moved in a watched partition.
type Changes uint8

const (
	// ChangedEnd is the log's end: news for followers.
	ChangedEnd Changes = 1 << iota
	// ChangedHighWatermark is news for consumers.
	ChangedHighWatermark
	// ChangedLastStable is news for consumers of committed transactions.
	ChangedLastStable
	// ChangedStart is the log's start offset.
	ChangedStart
	// ChangedRole is the leader, its epoch, or that the partition is gone.
	ChangedRole
)

// Watcher is told of changes. The call is made with the partition's lock held:
// it must be short, must not block, and must not call the partition. appended is
// the partition's Appended count at the change.
type Watcher interface {
	Changed(c Changes, appended int64)
}

// Watch is one watcher's interest in one partition. It is embedded where it is
// used: watching allocates nothing.
type Watch struct {
	partition *Partition
	watcher   Watcher
	index     int
}

// Partition is what is watched, nil before and after.
func (w *Watch) Partition() *Partition { return w.partition }

// Watch begins to tell w of changes to the partition.
func (p *Partition) Watch(w *Watch, to Watcher) {
	assert.That(w.partition == nil, "a watch of %s is used for %s", w.partition, p)
	p.mu.Lock()
	defer p.mu.Unlock()
	w.partition, w.watcher, w.index = p, to, len(p.watches)
	p.watches = append(p.watches, w)
}

// Stop ends the watch; it may be stopped twice.
func (w *Watch) Stop() {
	p := w.partition
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.watches) - 1
	p.watches[w.index] = p.watches[last]
	p.watches[w.index].index = w.index
	p.watches[last] = nil
	if p.watches = p.watches[:last]; last == 0 {
		p.watches = nil
	}
	w.partition, w.watcher = nil, nil
}

// tell tells all watchers. Needs mu.
func (p *Partition) tell(c Changes) {
	for _, w := range p.watches {
		w.watcher.Changed(c, p.appended)
	}
	if c&(ChangedStart|ChangedRole) != 0 {
		p.lifted()
	}
}
