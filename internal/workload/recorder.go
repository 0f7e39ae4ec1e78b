package workload

import (
	"slices"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/history"
)

// Recorder gathers the operations of all clients. Its clock starts with it.
type Recorder struct {
	start time.Time

	mu           sync.Mutex
	ops          history.History
	acknowledged map[history.Partition]int64 // end of what was, by all in-sync replicas
	read         int
}

// NewRecorder starts a history.
func NewRecorder() *Recorder {
	return &Recorder{start: time.Now(), acknowledged: map[history.Partition]int64{}}
}

// Now is the time since the history's start.
func (r *Recorder) Now() time.Duration { return time.Since(r.start) }

// Add records an operation that has ended.
func (r *Recorder) Add(op history.Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, op)
	if op.Kind == history.Send && op.Outcome == history.OK && op.Acks == -1 {
		r.acknowledged[op.Partition] = max(r.acknowledged[op.Partition], op.Offset+1)
	}
	for _, read := range op.Reads {
		r.read += len(read.Values)
	}
}

// History is what was recorded so far.
func (r *Recorder) History() history.History {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ops)
}

// acknowledgedEnd is behind the last record of a partition that was acknowledged
// by all in-sync replicas.
func (r *Recorder) acknowledgedEnd(p history.Partition) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.acknowledged[p]
}

// Progress is how much was done so far.
func (r *Recorder) Progress() (sends, read int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ops {
		if r.ops[i].Kind == history.Send {
			sends++
		}
	}
	return sends, r.read
}
