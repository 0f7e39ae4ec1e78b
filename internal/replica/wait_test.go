package replica_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keepsRecords reports whether a file is a segment or of a journal.
func keepsRecords(name string) bool {
	return strings.HasSuffix(name, ".log") || strings.Contains(name, "/journal/")
}

// gate stops syncs of record files until they are let through.
type gate struct {
	mu      sync.Mutex
	shut    bool
	let     chan struct{}
	waiting int
	syncs   int
	err     error
}

func newGate() *gate { return &gate{let: make(chan struct{})} }

func (g *gate) hook(op vfs.Op) error {
	if op.Kind != vfs.OpSync || !keepsRecords(op.Path) {
		return nil
	}
	g.mu.Lock()
	g.syncs++
	shut := g.shut
	if shut {
		g.waiting++
	}
	g.mu.Unlock()
	if shut {
		<-g.let
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if shut {
		g.waiting--
	}
	return g.err
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

// open lets all through, those that wait and those to come.
func (g *gate) open() {
	synctest.Wait()
	g.mu.Lock()
	g.shut = false
	waiting := g.waiting
	g.mu.Unlock()
	for range waiting {
		g.let <- struct{}{}
	}
}

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.syncs
}

// gated is a node with one topic whose syncs pass a gate.
func gated(t *testing.T, policy replica.TopicConfig, partitions int) (*replicatest.Node, model.TopicID, *gate) {
	g := newGate()
	n := replicatest.Start(t, vfs.NewFaulty(vfs.NewMem(), g.hook), policy)
	id := n.CreateTopic("t", partitions)
	t.Cleanup(func() {
		g.set(false)
		if err := n.Set.Close(1); err != nil && g.err == nil {
			t.Error(err)
		}
	})
	return n, id, g
}

func mustAppend(t *testing.T, p *replica.Partition, values ...string) replica.Token {
	t.Helper()
	token, _, err := p.Append(replicatest.Batch(values...), -1, replica.Client)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func status(t *testing.T, p *replica.Partition) replica.Status {
	t.Helper()
	s, err := p.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDurableBeforeVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.Fsync, 1)
		p := n.Partition(id, 0)
		g.set(true)
		token := mustAppend(t, p, "a", "b")
		done := make(chan error)
		go func() { done <- token.Wait(t.Context()) }()
		synctest.Wait()
		if s := status(t, p); s.HighWatermark != 0 || s.LogEnd != 2 {
			t.Errorf("before the sync: %+v", s)
		}
		r, err := p.Read(replica.ReadRequest{MaxBytes: 1 << 20, MinOne: true, LeaderEpoch: -1, LastFetchedEpoch: -1})
		if err != nil || r.Records.Len() != 0 {
			t.Errorf("%d unsynced bytes are visible, %v", r.Records.Len(), err)
		}
		g.let <- struct{}{}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s := status(t, p); s.HighWatermark != 2 {
			t.Errorf("after the sync: %+v", s)
		}
	})
}

// A follower that cuts its log holds no lock while that is synced: the metadata goes
// on, and what is appended behind the cut becomes durable with it.
func TestCutHoldsNoLockOverItsSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.Fsync, 1)
		p := n.Partition(id, 0)
		if err := mustAppend(t, p, "kept", "and cut with it").Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := mustAppend(t, p, "cut").Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.Lead(id, 0, 2)
		g.set(true)
		cut := make(chan error)
		go func() { cut <- replica.Cut(p, 2) }()
		synctest.Wait()
		select {
		case err := <-cut:
			t.Fatalf("the cut is said to be on disk: %v", err)
		default:
		}
		n.Lead(id, 0, replicatest.Self)
		token := mustAppend(t, p, "in its place")
		g.open()
		if err := <-cut; err != nil {
			t.Error(err)
		}
		if err := token.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if s := status(t, p); s.LogEnd != 3 || s.HighWatermark != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// Group commit: what is appended while a sync runs shares the next one.
func TestAppendsShareASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.Fsync, 1)
		p := n.Partition(id, 0)
		g.set(true)
		before := g.count()
		first := mustAppend(t, p, "first")
		synctest.Wait()
		var all sync.WaitGroup
		for range 50 {
			token := mustAppend(t, p, "x")
			all.Go(func() {
				if err := token.Wait(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		g.let <- struct{}{}
		if err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		g.let <- struct{}{}
		all.Wait()
		if got := g.count() - before; got != 2 {
			t.Errorf("51 appends took %d syncs, want 2", got)
		}
	})
}

// Every append schedules a sync, acks=0 and 1 too.
func TestUnacknowledgedAppendsAreSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, _ := gated(t, replicatest.Fsync, 1)
		p := n.Partition(id, 0)
		for _, acks := range []int16{0, 1} {
			if _, _, err := p.Append(replicatest.Batch("x"), acks, replica.Client); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s := status(t, p); s.HighWatermark != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestPolicyOS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.OS, 1)
		p := n.Partition(id, 0)
		g.set(true)
		if err := mustAppend(t, p, "x").Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if s := status(t, p); s.HighWatermark != 1 {
			t.Errorf("%+v", s)
		}
		g.open()
	})
}

// A wait is bound to the leader epoch of its append.
func TestWaitEndsWithTheLeadership(t *testing.T) {
	for _, c := range []struct {
		name    string
		leaders []model.NodeID // who leads in the following epochs
		want    error
	}{
		{"another leads", []model.NodeID{2}, kerr.NotLeaderOrFollower},
		{"nobody leads", []model.NodeID{model.NoNode}, kerr.NotLeaderOrFollower},
		{"another led in between", []model.NodeID{2, 1}, kerr.NotLeaderOrFollower},
		{"epochs without a gap count as one", []model.NodeID{1, 1}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, id, g := gated(t, replicatest.Fsync, 1)
				p := n.Partition(id, 0)
				g.set(true)
				token := mustAppend(t, p, "x")
				waiting := make(chan error, 1)
				go func() { waiting <- token.Wait(t.Context()) }()
				synctest.Wait()
				for _, leader := range c.leaders {
					n.Lead(id, 0, leader)
				}
				g.open()
				if err := <-waiting; !errors.Is(err, c.want) {
					t.Errorf("who waited: %v", err)
				}
				synctest.Wait()
				if err := token.Wait(t.Context()); !errors.Is(err, c.want) {
					t.Errorf("who waits now: %v", err)
				}
			})
		})
	}
}

// The epochs of one image to the next may not be consecutive: then somebody else
// may have led.
func TestSkippedEpochIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.Fsync, 1)
		p := n.Partition(id, 0)
		g.set(true)
		token := mustAppend(t, p, "x")
		n.Records(replicatest.Leader(id, 0, 2), replicatest.Leader(id, 0, replicatest.Self))
		g.open()
		synctest.Wait()
		if err := token.Wait(t.Context()); !errors.Is(err, kerr.NotLeaderOrFollower) {
			t.Errorf("%v at epoch %d", err, status(t, p).Epoch)
		}
	})
}

func TestWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.Fsync, 1)
		p := n.Partition(id, 0)
		g.set(true)
		token := mustAppend(t, p, "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := token.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		g.let <- struct{}{}
		if err := token.Wait(t.Context()); err != nil {
			t.Errorf("it was committed after all: %v", err)
		}
	})
}

// A failed sync is never tried again: its directory is offline.
func TestFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		n := replicatest.New(t, replicatest.Fsync)
		o := n.Options(vfs.NewFaulty(vfs.NewMem(), g.hook), "one", "two")
		var failed []model.DirectoryID
		o.DirFailed = func(id model.DirectoryID, _ error, left int) {
			failed = append(failed, id)
			if left != 1 {
				t.Errorf("%d directories are left of 2", left)
			}
		}
		n.Open(o)
		id := n.CreateTopic("t", 2)
		bad, good := n.Partition(id, 0), n.Partition(id, 1)
		if bad.Dir() == good.Dir() {
			t.Fatal("both partitions are in one directory")
		}
		g.fail(errors.New("disk on fire"))
		if err := mustAppend(t, bad, "x").Wait(t.Context()); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("who waited: %v", err)
		}
		g.fail(nil)
		synctest.Wait()
		if _, _, err := bad.Append(replicatest.Batch("x"), -1, replica.Client); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("append: %v", err)
		}
		if _, err := bad.Read(replica.ReadRequest{LeaderEpoch: -1, LastFetchedEpoch: -1}); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("read: %v", err)
		}
		if len(failed) != 1 || failed[0] != bad.Dir().ID() || n.Set.PreviousEpoch() >= 0 {
			t.Errorf("failed directories %v, vouched for: %v", failed, n.Set.PreviousEpoch() >= 0)
		}
		if err := mustAppend(t, good, "x").Wait(t.Context()); err != nil {
			t.Errorf("the other directory: %v", err)
		}
		if err := n.Set.Close(1); err == nil {
			t.Error("closed cleanly")
		}
	})
}

func TestPolicyChangesAtRunTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.OS, 1)
		p := n.Partition(id, 0)
		g.set(true)
		mustAppend(t, p, "x")
		g.open()
		n.Topics["t"] = replicatest.Fsync
		n.Configured("t")
		if s := status(t, p); s.HighWatermark != 1 {
			t.Errorf("the high watermark went back: %+v", s)
		}
		g.set(true)
		mustAppend(t, p, "y")
		synctest.Wait()
		if s := status(t, p); s.HighWatermark != 1 || s.LogEnd != 2 {
			t.Errorf("under fsync: %+v", s)
		}
		g.open()
		synctest.Wait()
		if s := status(t, p); s.HighWatermark != 2 {
			t.Errorf("after the sync: %+v", s)
		}
	})
}

func TestIdlePartitionsCostNoGoroutine(t *testing.T) {
	n := replicatest.Start(t, vfs.NewMem(), replicatest.Fsync)
	before := runtime.NumGoroutine()
	n.CreateTopic("t", 1000)
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("%d goroutines before, %d with 1000 idle partitions", before, got)
	}
	if err := n.Set.Close(1); err != nil {
		t.Error(err)
	}
}

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func readFile(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	data, err := vfs.ReadFile(fsys, name, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// order notes who is told first.
type order struct {
	waiting func() bool // whether the producer still waits
	early   bool
	told    bool
}

func (o *order) Changed(c replica.Changes, _ int64) {
	if c&replica.ChangedHighWatermark != 0 {
		o.told = true
		o.early = o.waiting()
	}
}

// Who has been acknowledged and then fetches in a session finds the records: the
// session was told first.
func TestSessionsAreToldBeforeProducers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id, g := gated(t, replicatest.Fsync, 1)
		p := n.Partition(id, 0)
		g.set(true)
		token := mustAppend(t, p, "x")
		o := &order{waiting: func() bool { return replica.Waiting(p) == 1 }}
		var w replica.Watch
		p.Watch(&w, o)
		defer w.Stop()
		done := make(chan error)
		go func() { done <- token.Wait(t.Context()) }()
		g.open()
		if err := <-done; err != nil || !o.told || !o.early {
			t.Errorf("%v, told %v, before the producer %v", err, o.told, o.early)
		}
	})
}
