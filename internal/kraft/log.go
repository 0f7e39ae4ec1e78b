package kraft

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/model"
)

// EpochStart is the first offset that an epoch's leader wrote.
type EpochStart struct {
	Epoch model.Epoch
	Start model.Offset
}

// SnapshotID names a snapshot: the offset behind the last record it contains,
// and that record's epoch.
type SnapshotID struct {
	End   model.Offset
	Epoch model.Epoch
}

// String is the snapshot's file name without its suffix.
func (id SnapshotID) String() string { return fmt.Sprintf("%020d-%010d", id.End, id.Epoch) }

// isBootstrap tells the 0-0 snapshot, which is never replicated.
func (id SnapshotID) isBootstrap() bool { return id == SnapshotID{} }

// Snapshot is a frozen snapshot and its size in bytes.
type Snapshot struct {
	SnapshotID
	Size int64
}

// Log is what is on disk when the machine starts.
type Log struct {
	Start, End model.Offset
	Epochs     []EpochStart // ascending
	Snapshots  []Snapshot   // ascending; the bootstrap snapshot is left out
	Controls   []Control    // of the newest snapshot (bootstrap: offset -1), then of the log
}

// replicaLog mirrors what of the log the machine must know.
type replicaLog struct {
	start, end, synced model.Offset
	syncing            bool // a Sync is under way
	epochs             []EpochStart
	snapshots          []Snapshot
	history            history
}

func newReplicaLog(static VoterSet, l Log) (replicaLog, error) {
	r := replicaLog{start: l.Start, end: l.End, synced: l.End, history: history{static: static}}
	for _, e := range l.Epochs {
		if e.Start < l.End {
			r.epochs = append(r.epochs, e)
		}
	}
	for _, s := range l.Snapshots {
		r.addSnapshot(s)
	}
	for _, c := range l.Controls {
		if err := r.history.add(c); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (l *replicaLog) voters() VoterSet { return l.history.latestVoters() }
func (l *replicaLog) version() int16   { return l.history.latestVersion() }

// lastEpoch is that of the last record; of the snapshot at the end where the log
// is empty; 0 where there is nothing.
func (l *replicaLog) lastEpoch() model.Epoch {
	if n := len(l.epochs); n > 0 {
		return l.epochs[n-1].Epoch
	}
	for _, s := range l.snapshots {
		if s.End == l.end {
			return s.Epoch
		}
	}
	return 0
}

// endOf is the largest epoch up to e that the log has records of, and where it
// ends.
func (l *replicaLog) endOf(e model.Epoch) (model.Epoch, model.Offset) {
	i, found := slices.BinarySearchFunc(l.epochs, e, func(s EpochStart, e model.Epoch) int { return cmp.Compare(s.Epoch, e) })
	if found {
		i++
	}
	var epoch model.Epoch
	end := l.end
	switch {
	case i < len(l.epochs):
		end = l.epochs[i].Start
	case len(l.epochs) == 0:
		return l.lastEpoch(), l.end
	}
	if i > 0 {
		epoch = l.epochs[i-1].Epoch
	} else if len(l.snapshots) > 0 && l.snapshots[0].End == end {
		epoch = l.snapshots[0].Epoch
	}
	return epoch, end
}

func (l *replicaLog) append(end model.Offset, epochs []EpochStart) {
	for _, e := range epochs {
		if n := len(l.epochs); n == 0 || e.Epoch > l.epochs[n-1].Epoch {
			l.epochs = append(l.epochs, e)
		}
	}
	l.end = end
}

// truncate cuts the log. No Sync is under way, for then it could tell of what comes
// in the place of what is cut: only what a Fetch brings cuts a log, and who syncs
// does not fetch.
func (l *replicaLog) truncate(end model.Offset) {
	assert.That(!l.syncing, "truncation to %d during a sync", end)
	l.end, l.synced = end, min(l.synced, end)
	for n := len(l.epochs); n > 0 && l.epochs[n-1].Start >= end; n-- {
		l.epochs = l.epochs[:n-1]
	}
	l.history.truncate(end)
}

func (l *replicaLog) addSnapshot(s Snapshot) {
	if s.isBootstrap() {
		return
	}
	i, found := slices.BinarySearchFunc(l.snapshots, s.SnapshotID, func(a Snapshot, b SnapshotID) int { return cmp.Compare(a.End, b.End) })
	if !found {
		l.snapshots = slices.Insert(l.snapshots, i, s)
	}
}

func (l *replicaLog) newestSnapshot() (Snapshot, bool) {
	if len(l.snapshots) == 0 {
		return Snapshot{}, false
	}
	return l.snapshots[len(l.snapshots)-1], true
}

func (l *replicaLog) snapshot(id SnapshotID) (Snapshot, bool) {
	for _, s := range l.snapshots {
		if s.SnapshotID == id {
			return s, true
		}
	}
	return Snapshot{}, false
}

// restart makes the snapshot the whole content.
func (l *replicaLog) restart(s Snapshot, controls []Control) error {
	assert.That(!l.syncing, "snapshot %s installed during a sync", s)
	static := l.history.static
	*l = replicaLog{start: s.End, end: s.End, synced: s.End, snapshots: []Snapshot{s}, history: history{static: static}}
	for _, c := range controls {
		if err := l.history.add(c); err != nil {
			return err
		}
	}
	return nil
}

// clean moves the log start up to a snapshot's end.
func (l *replicaLog) clean(e Cleaned) {
	l.start = e.Start
	l.snapshots = slices.DeleteFunc(l.snapshots, func(s Snapshot) bool { return s.End < e.Start })
	for len(l.epochs) > 1 && l.epochs[1].Start <= e.Start {
		l.epochs = l.epochs[1:]
	}
	if len(l.epochs) > 0 {
		l.epochs[0].Start = max(l.epochs[0].Start, e.Start)
	}
	l.history.trim(e.Start)
}
