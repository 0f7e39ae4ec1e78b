package isr

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

var t0 = time.Unix(1_700_000_000, 0)

// brokers is a fixed view: every broker in it is alive with that epoch.
type brokers map[model.NodeID]model.BrokerEpoch

func (b brokers) Eligible(id model.NodeID, epoch model.BrokerEpoch, dir model.DirectoryID) bool {
	current, ok := b[id]
	return ok && (epoch == -1 || epoch == current) && dir != lostDir
}

// lostDir is offline, whosever it is.
var lostDir = model.DirectoryID{15: 99}

func (b brokers) Current(id model.NodeID) (model.BrokerEpoch, bool) {
	e, ok := b[id]
	return e, ok
}

func ids(n ...model.NodeID) []model.NodeID { return n }

func three(isr ...model.NodeID) Assignment {
	return Assignment{Replicas: ids(1, 2, 3), ISR: isr, PartitionEpoch: 1}
}

func leader(a Assignment, minISR int) *Leader {
	c := Config{Self: 1, LagMax: 30 * time.Second, Brokers: brokers{1: 10, 2: 20, 3: 30}}
	return NewLeader(c, 5, a, minISR, 0, 0, 0, t0)
}

func fetch(id model.NodeID, offset, leaderEnd model.Offset) Fetch {
	return Fetch{Follower: id, BrokerEpoch: model.BrokerEpoch(id) * 10, Offset: offset, LeaderEnd: leaderEnd, HasEpoch: true}
}

func TestAloneCommitsAtThePolicyEnd(t *testing.T) {
	l := leader(Assignment{Replicas: ids(1), ISR: ids(1)}, 2)
	if l.Local(10, 0, t0) || l.HighWatermark() != 0 {
		t.Errorf("unsynced records are committed up to %d", l.HighWatermark())
	}
	if !l.Local(10, 7, t0) || l.HighWatermark() != 7 {
		t.Errorf("high watermark %d, want 7", l.HighWatermark())
	}
	if !l.MayAppend() {
		t.Error("min.insync.replicas above the replication factor refuses appends")
	}
}

func TestLeastOfTheInSyncSet(t *testing.T) {
	l := leader(three(1, 2, 3), 2)
	l.Local(10, 10, t0)
	for _, c := range []struct {
		f    Fetch
		want model.Offset
	}{
		{fetch(2, 4, 10), 0}, // 3 has not fetched
		{fetch(3, 6, 10), 4},
		{fetch(2, 10, 10), 6},
		{fetch(3, 2, 10), 6}, // a follower that goes back takes nothing back
		{fetch(3, 10, 10), 10},
	} {
		if _, err := l.Fetched(c.f, t0); err != nil || l.HighWatermark() != c.want {
			t.Errorf("after %+v: high watermark %d, %v; want %d", c.f, l.HighWatermark(), err, c.want)
		}
	}
}

// KIP-966: below min.insync.replicas nothing new is committed.
func TestStrictMinISR(t *testing.T) {
	l := leader(three(1), 2)
	l.Local(10, 10, t0.Add(time.Hour))
	if l.HighWatermark() != 0 || l.MayAppend() || l.Enough() {
		t.Errorf("high watermark %d with one of two in sync", l.HighWatermark())
	}
	if !l.SetMinISR(1, t0.Add(time.Hour)) || l.HighWatermark() != 10 {
		t.Errorf("high watermark %d after min.insync.replicas=1", l.HighWatermark())
	}
}

func TestJoinAndMaximalSet(t *testing.T) {
	late := t0.Add(time.Hour)
	l := leader(three(1, 2), 1)
	l.Local(10, 10, late)
	l.Fetched(fetch(2, 10, 10), late)
	if _, ok := l.Propose(late); ok {
		t.Fatal("proposed a replica that has not fetched")
	}
	l.Fetched(fetch(3, 10, 10), late)
	p, ok := l.Propose(late)
	if !ok || !slices.Equal(p.ISR, ids(1, 2, 3)) || !slices.Equal(p.BrokerEpochs, []model.BrokerEpoch{10, 20, 30}) || p.PartitionEpoch != 1 {
		t.Fatalf("proposal %+v, %v", p, ok)
	}
	if _, again := l.Propose(late); again {
		t.Error("a second proposal while one is in flight")
	}
	l.Local(12, 12, late)
	later := late.Add(time.Hour) // so that 3 counts only through the proposal
	l.Fetched(fetch(2, 12, 12), later)
	if l.HighWatermark() != 10 {
		t.Errorf("high watermark %d passed a replica that is being added", l.HighWatermark())
	}
	if !l.Refused(p, later) || l.HighWatermark() != 12 {
		t.Errorf("high watermark %d after the proposal was refused", l.HighWatermark())
	}
}

func TestDropKeepsTheOldSetUntilAgreed(t *testing.T) {
	l := leader(three(1, 2), 1)
	l.Local(10, 10, t0)
	l.Fetched(fetch(2, 4, 10), t0)
	late := t0.Add(time.Minute)
	p, ok := l.Propose(late)
	if !ok || !slices.Equal(p.ISR, ids(1)) {
		t.Fatalf("proposal %+v, %v", p, ok)
	}
	if l.HighWatermark() != 4 {
		t.Errorf("high watermark %d before the controller agreed", l.HighWatermark())
	}
	if !l.Assign(Assignment{Replicas: ids(1, 2, 3), ISR: ids(1), PartitionEpoch: 2}, late) || l.HighWatermark() != 10 {
		t.Errorf("high watermark %d after", l.HighWatermark())
	}
	if l.Assign(three(1, 2), late) || len(l.ISR()) != 1 {
		t.Error("an older assignment was taken")
	}
}

func TestWhoMayFetchAsFollower(t *testing.T) {
	l := leader(three(1, 2, 3), 1)
	f := fetch(9, 0, 0)
	if _, err := l.Fetched(f, t0); !errors.Is(err, kerr.UnknownLeaderEpoch) {
		t.Errorf("unassigned with an epoch: %v", err)
	}
	f.HasEpoch = false
	if _, err := l.Fetched(f, t0); !errors.Is(err, kerr.NotLeaderOrFollower) {
		t.Errorf("unassigned without: %v", err)
	}
	f = fetch(2, 0, 0)
	f.BrokerEpoch = 19
	if _, err := l.Fetched(f, t0); !errors.Is(err, kerr.NotLeaderOrFollower) {
		t.Errorf("an earlier life: %v", err)
	}
}

func TestLaterEpochNeedsItsStart(t *testing.T) {
	late := t0.Add(time.Hour)
	l := leader(three(1), 1)
	l.Local(10, 10, late)
	l.Fetched(fetch(2, 10, 11), late)
	l.Local(20, 10, late)
	l.Lead(6, Assignment{Replicas: ids(1, 2, 3), ISR: ids(1), PartitionEpoch: 2}, late)
	if _, ok := l.Propose(late); ok {
		t.Error("proposed a replica that lacks the end of the previous epoch")
	}
	if l.EpochStart() != 20 {
		t.Errorf("epoch start %d", l.EpochStart())
	}
	l.Fetched(fetch(2, 20, 20), late)
	if p, ok := l.Propose(late); !ok || !slices.Equal(p.ISR, ids(1, 2)) || p.LeaderEpoch != 6 {
		t.Errorf("proposal %+v, %v", p, ok)
	}
}

func TestFollowerAndStable(t *testing.T) {
	if got := FollowerHighWatermark(5, 9, 7); got != 7 {
		t.Errorf("beyond what is kept: %d", got)
	}
	if got := FollowerHighWatermark(8, 3, 9); got != 8 {
		t.Errorf("went back: %d", got)
	}
	if LastStable(5, 9) != 5 || LastStable(9, 5) != 5 {
		t.Error("last stable offset")
	}
}

func TestIdleFollowerGetsItsTime(t *testing.T) {
	l := leader(three(1, 2), 1)
	l.Local(10, 10, t0)
	l.Fetched(fetch(2, 10, 10), t0)
	late := t0.Add(time.Hour) // in which nothing was fetched, for nothing was there
	l.Local(11, 11, late)
	if p, ok := l.Propose(late); ok {
		t.Errorf("a follower that had all was dropped at the next append: %+v", p)
	}
	if _, ok := l.Propose(late.Add(31 * time.Second)); !ok {
		t.Error("and stays although it does not come for it")
	}
}

// TestLostDirectory: a follower that had everything loses its directory. It is
// not proposed again for what it once fetched, nor waited for (KIP-858).
func TestLostDirectory(t *testing.T) {
	l := leader(three(1, 2, 3), 2)
	l.Local(10, 10, t0)
	for _, id := range ids(2, 3) {
		if _, err := l.Fetched(fetch(id, 10, 10), t0); err != nil {
			t.Fatal(err)
		}
	}
	a := three(1, 2)
	a.PartitionEpoch, a.Directories = 2, []model.DirectoryID{{15: 1}, {15: 2}, lostDir}
	l.Assign(a, t0)
	if p, ok := l.Propose(t0); ok {
		t.Errorf("proposes %v", p.ISR)
	}
	l.Local(20, 20, t0)
	if _, err := l.Fetched(fetch(2, 20, 20), t0); err != nil || l.HighWatermark() != 20 {
		t.Errorf("high watermark %d, %v", l.HighWatermark(), err)
	}
}
