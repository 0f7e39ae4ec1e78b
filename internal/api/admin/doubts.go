package admin

import (
	"slices"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// doubtFor is how long the word of an image on a silent broker is doubted: what an
// election after a kill takes, several times over.
const doubtFor = 300 * time.Millisecond

// mournFor is how long a broker that has died is listed.
const mournFor = time.Second

// Doubts are other brokers whose connection has just broken. Clients hear of a
// broker's death when this one does, and ask at once who leads now. The controller
// needs some tens of milliseconds to be sure and to elect; an answer before that
// names the dead one, and librdkafka asks again only a second later.
//
// A broker that has died stays among the live ones for another second; in Apache Kafka
// it does until its session is over. librdkafka loses the leaders that it has just
// heard of when a broker goes from the list at the same moment, and asks again a
// second later.
//
// The zero value doubts nobody, nor does nil. Its methods may be called from any goroutine.
type Doubts struct {
	mu    sync.Mutex
	since map[model.NodeID]time.Time
}

// Silent says that a connection to a broker has broken, or none could be made.
func (d *Doubts) Silent(id model.NodeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since == nil {
		d.since = map[model.NodeID]time.Time{}
	}
	if _, ok := d.since[id]; !ok {
		d.since[id] = time.Now()
	}
}

// Heard says that there is a connection to a broker.
func (d *Doubts) Heard(id model.NodeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.since, id)
}

// of are the brokers in doubt, and for how long still the last of them.
func (d *Doubts) of() (all []model.NodeID, left time.Duration) {
	if d == nil {
		return nil, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, since := range d.since {
		if l := doubtFor - time.Since(since); l > 0 {
			all, left = append(all, id), max(left, l)
		}
	}
	return all, left
}

// died reports whether a broker has just fallen silent.
func (d *Doubts) died(id model.NodeID) bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	since, ok := d.since[id]
	return ok && time.Since(since) < mournFor
}

// leads reports whether one of some brokers leads a partition of a topic.
func leads(t *metadata.Topic, some []model.NodeID) bool {
	for _, p := range t.Partitions {
		if slices.Contains(some, p.Leader) {
			return true
		}
	}
	return false
}
