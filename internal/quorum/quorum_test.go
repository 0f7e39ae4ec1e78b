package quorum

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

func TestLoneNodeLeadsAndRemembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := newDisk()
		r := mustStart(t, controllerOptions(disk))
		r.awaitActive()
		if err := errors.Join(r.register(), r.create("orders")); err != nil {
			t.Fatal(err)
		}
		img := r.awaitImage(hasTopic("orders"))
		if img.Features().Version != metadata.ProductionVersion {
			t.Errorf("metadata.version %v", img.Features().Version)
		}
		if l, _ := r.Leader(); l.ID != 1 || l.Epoch != 1 || l.Address.String() != "c1:9093" {
			t.Errorf("leader %+v", l)
		}
		mustStop(t, r)
		if err := r.create("late"); !errors.Is(err, kerr.NotController) {
			t.Errorf("create after the end: %v", err)
		}

		again := mustStart(t, controllerOptions(disk))
		again.awaitActive()
		wantEqual(t, again.awaitImage(hasTopic("orders")), img)
		if l, _ := again.Leader(); l.Epoch != 2 {
			t.Errorf("epoch after a restart: %d", l.Epoch)
		}
		mustStop(t, again)
	})
}

func TestPublishesInOrderAndWholeTransactions(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := mustStart(t, controllerOptions(newDisk()))
		r.awaitActive()
		if err := errors.Join(r.register(), r.create("a"), r.create("b")); err != nil {
			t.Fatal(err)
		}
		r.awaitImage(hasTopic("b"))
		mustStop(t, r)
		last := model.Offset(-1)
		from := metadata.Empty
		for i, c := range r.changes() {
			if c.To.Offset <= last {
				t.Errorf("change %d goes from offset %d to %d", i, last, c.To.Offset)
			}
			if c.To.Features().Version == 0 {
				t.Errorf("change %d shows half of the bootstrap transaction", i)
			}
			wantEqual(t, c.From, from)
			last, from = c.To.Offset, c.To
		}
	})
}

func TestIdleLogWritesNoOps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := mustStart(t, controllerOptions(newDisk()))
		r.awaitActive()
		time.Sleep(100 * time.Millisecond) // virtual: the bootstrap records
		before := r.log.end()
		time.Sleep(10 * time.Second) // virtual
		if n := r.log.end() - before; n < 19 || n > 21 {
			t.Errorf("%d records in 10 idle seconds, want 20 NoOps", n)
		}
		mustStop(t, r)
	})
}

// TestPowerLossAtEveryWrite cuts the power at each operation that changes the
// disk, losing a random part of what was not synced. Whatever was acknowledged
// is there afterwards.
func TestPowerLossAtEveryWrite(t *testing.T) {
	for cut := 1; ; cut++ {
		finished := false
		for _, keep := range []func() bool{vfs.KeepNone, vfs.KeepAll, vfs.KeepRandom(uint64(cut)), vfs.KeepRandom(uint64(cut) + 1000)} {
			bubble(t, func(t *testing.T) { finished = powerLoss(t, cut, keep) })
		}
		if finished || t.Failed() {
			if cut < 20 {
				t.Errorf("the scenario ended after %d operations", cut)
			}
			return
		}
	}
}

var errPower = errors.New("no power")

func powerLoss(t *testing.T, cut int, keep func() bool) (finished bool) {
	disk := newDisk()
	var ops atomic.Int64
	faulty := vfs.NewFaulty(disk, func(op vfs.Op) error {
		n := ops.Load()
		if op.Kind.Changes() {
			n = ops.Add(1)
		}
		if n >= int64(cut) {
			return errPower
		}
		return nil
	})
	acknowledged := scenario(faulty, 4)
	if ops.Load() < int64(cut) {
		return true
	}
	after := disk.PowerLoss(keep)
	o := controllerOptions(after)
	o.SnapshotBytes = 1
	r, err := start(o)
	if err != nil {
		t.Fatalf("cut %d: %v", cut, err)
	}
	if !r.awaitActive() {
		t.Fatalf("cut %d: %v", cut, <-r.ended)
	}
	for _, name := range acknowledged {
		if r.Image().Topic(name) == nil {
			t.Errorf("cut %d: topic %s was acknowledged and is gone", cut, name)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatalf("cut %d: %v", cut, err)
	}
	return false
}

// scenario creates topics until the power goes, with a snapshot after each.
func scenario(fsys vfs.FS, topics int) (acknowledged []string) {
	o := controllerOptions(fsys)
	o.SnapshotBytes = 1
	r, err := start(o)
	if err != nil {
		return nil
	}
	if r.awaitActive() && r.register() == nil {
		for i := range topics {
			name := fmt.Sprint("topic", i)
			if r.create(name) != nil {
				break
			}
			acknowledged = append(acknowledged, name)
		}
	}
	r.cancel()
	<-r.ended
	return acknowledged
}

// TestObserverLosesPowerAtEveryWrite: whatever an observer's disk has lost, it
// catches up, through a snapshot or the log, also as a standby controller, which
// syncs what it fetches.
func TestObserverLosesPowerAtEveryWrite(t *testing.T) {
	for _, standby := range []bool{false, true} {
		for cut := 1; cut < 200; cut++ {
			finished := false
			bubble(t, func(t *testing.T) { finished = observerPowerLoss(t, cut, standby) })
			if finished || t.Failed() {
				if cut < 10 {
					t.Errorf("the scenario ended after %d operations", cut)
				}
				break
			}
		}
	}
}

func observerPowerLoss(t *testing.T, cut int, standby bool) (finished bool) {
	pipe := transport.NewPipe()
	o := controllerOptions(newDisk())
	if cut%2 == 0 { // else the observer follows the log from 0
		o.SnapshotBytes, o.RetentionBytes = 1, 1
	}
	leader, stop := startServed(t, pipe, o)
	if err := errors.Join(leader.register(), leader.create("orders")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // virtual: snapshots
	disk := newDisk()
	var ops atomic.Int64
	oo := observerOptions(vfs.NewFaulty(disk, func(op vfs.Op) error {
		if op.Kind.Changes() {
			ops.Add(1)
		}
		if ops.Load() >= int64(cut) {
			return errPower
		}
		return nil
	}), pipe)
	oo.SnapshotFetch, oo.SnapshotBytes, oo.Controller = 500, 100, standby
	if observer, err := start(oo); err == nil {
		if observer.awaitImage(hasTopic("orders")) != nil {
			time.Sleep(2 * time.Second) // virtual: NoOps, snapshots of its own
		}
		observer.cancel()
		<-observer.ended
	}
	if err := leader.create("more"); err != nil {
		t.Fatal(err)
	}
	oo.FS = disk.PowerLoss(vfs.KeepRandom(uint64(cut)))
	again := mustStart(t, oo)
	img := again.awaitImage(hasTopic("more"))
	if img == nil {
		t.Fatalf("cut %d, standby %v: %v", cut, standby, <-again.ended)
	}
	wantEqual(t, img, leader.awaitImage(hasTopic("more")))
	mustStop(t, again)
	stop()
	mustStop(t, leader)
	return ops.Load() < int64(cut)
}

func TestSnapshotAndRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := newDisk()
		o := controllerOptions(disk)
		o.SnapshotBytes = 1
		r := mustStart(t, o)
		r.awaitActive()
		if err := errors.Join(r.register(), r.create("orders")); err != nil {
			t.Fatal(err)
		}
		img := r.awaitImage(hasTopic("orders"))
		for s, ok := r.files.newest(); !ok || s.End <= img.Offset; s, ok = r.files.newest() {
			time.Sleep(time.Second) // virtual: NoOps bring the next image and snapshot
		}
		mustStop(t, r)
		// Lose the log: the newest snapshot has everything.
		newest, _ := r.files.newest()
		dir := path.Join("/meta", metadataLogDir)
		entries, err := disk.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if path.Ext(e.Name()) != ".checkpoint" && e.Name() != electionFile {
				if err := disk.Remove(path.Join(dir, e.Name())); err != nil {
					t.Fatal(err)
				}
			}
		}
		again := mustStart(t, o)
		if start := again.log.start(); start != newest.End {
			t.Errorf("log starts at %d, want %d", start, newest.End)
		}
		again.awaitActive()
		wantEqual(t, again.awaitImage(hasTopic("orders")), img)
		mustStop(t, again)
	})
}

func TestCleaningKeepsASnapshotAtTheLogStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := newDisk()
		o := controllerOptions(disk)
		o.SnapshotBytes, o.RetentionBytes = 1, 1
		r := mustStart(t, o)
		r.awaitActive()
		if err := errors.Join(r.register(), r.create("orders")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // virtual: NoOps
		img := r.awaitImage(hasTopic("orders"))
		synctest.Wait()
		if all := r.files.list(); len(all) != 1 || all[0].End != r.log.start() || r.log.start() == 0 {
			t.Errorf("snapshots %v, log start %d", all, r.log.start())
		}
		mustStop(t, r)
		again := mustStart(t, o)
		again.awaitActive()
		wantEqual(t, again.awaitImage(hasTopic("orders")), img)
		mustStop(t, again)
	})
}

func TestObserverFollows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pipe := transport.NewPipe()
		leader, stop := startServed(t, pipe, controllerOptions(newDisk()))
		observer := mustStart(t, observerOptions(newDisk(), pipe))
		if err := errors.Join(leader.register(), leader.create("orders")); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, observer.awaitImage(hasTopic("orders")), leader.awaitImage(hasTopic("orders")))
		if l, _ := observer.Leader(); l.ID != 1 || l.Address.String() != "c1:9093" {
			t.Errorf("leader %+v", l)
		}
		if err := observer.create("no"); !errors.Is(err, kerr.NotController) {
			t.Errorf("create at an observer: %v", err)
		}
		d, err := leader.DescribeQuorum(context.Background(), 2, describeRequest())
		if err != nil || len(d.Topics[0].Partitions[0].Observers) != 1 || d.Topics[0].Partitions[0].Observers[0].ReplicaID != 7 {
			t.Errorf("describe: %+v, %v", d, err)
		}
		stop()
		mustStop(t, leader)
		mustStop(t, observer)
	})
}

func TestObserverTakesASnapshot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pipe := transport.NewPipe()
		o := controllerOptions(newDisk())
		o.SnapshotBytes, o.RetentionBytes = 1, 1
		leader, stop := startServed(t, pipe, o)
		if err := errors.Join(leader.register(), leader.create("orders")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) // virtual: snapshots, cleaning
		disk := newDisk()
		oo := observerOptions(disk, pipe)
		oo.SnapshotFetch = 100
		observer := mustStart(t, oo)
		wantEqual(t, observer.awaitImage(hasTopic("orders")), leader.awaitImage(hasTopic("orders")))
		if observer.log.start() == 0 {
			t.Error("the observer took no snapshot")
		}
		if err := leader.create("more"); err != nil {
			t.Fatal(err)
		}
		img := observer.awaitImage(hasTopic("more"))
		mustStop(t, observer)
		again := mustStart(t, observerOptions(disk, pipe))
		wantEqual(t, again.awaitImage(hasTopic("more")), img)
		mustStop(t, again)
		stop()
		mustStop(t, leader)
	})
}

// TestObserverSurvivesTheLeadersRestart: the leader comes back in a new epoch.
func TestObserverSurvivesTheLeadersRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pipe := transport.NewPipe()
		disk := newDisk()
		leader, stop := startServed(t, pipe, controllerOptions(disk))
		observer := mustStart(t, observerOptions(newDisk(), pipe))
		if err := errors.Join(leader.register(), leader.create("before")); err != nil {
			t.Fatal(err)
		}
		observer.awaitImage(hasTopic("before"))
		stop()
		mustStop(t, leader)
		time.Sleep(3 * time.Second) // virtual: requests time out, pauses
		leader, stop = startServed(t, pipe, controllerOptions(disk))
		if err := leader.create("after"); err != nil {
			t.Fatal(err)
		}
		observer.awaitImage(hasTopic("after"))
		if l, _ := observer.Leader(); l.Epoch != 2 {
			t.Errorf("observer follows epoch %d", l.Epoch)
		}
		stop()
		mustStop(t, leader)
		mustStop(t, observer)
	})
}

func startServed(t *testing.T, pipe *transport.Pipe, o Options) (*replica, func()) {
	t.Helper()
	r := mustStart(t, o)
	l, err := pipe.Listen("c1:9093")
	if err != nil {
		t.Fatal(err)
	}
	stop := serveController(l, r.Node)
	r.awaitActive()
	return r, stop
}

func describeRequest() *wire.DescribeQuorumRequest {
	q := new(wire.DescribeQuorumRequest)
	q.Reset()
	q.Topics = []wire.DescribeQuorumRequestTopic{{TopicName: model.MetadataTopic, Partitions: []wire.DescribeQuorumRequestPartition{{}}}}
	return q
}

// TestManyDecisionsShareASync: what is decided during a sync is appended
// together and synced once.
func TestManyDecisionsShareASync(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := vfs.NewFaulty(newDisk(), nil)
		r := mustStart(t, controllerOptions(disk))
		r.awaitActive()
		if err := r.register(); err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		entered := make(chan struct{}, 100)
		disk.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpSync {
				entered <- struct{}{}
				<-gate
			}
			return nil
		})
		results := make(chan error, 11)
		go func() { results <- r.create("first") }()
		<-entered
		disk.ResetCounts()
		for i := range 10 {
			go func() { results <- r.create(fmt.Sprint("more", i)) }()
		}
		time.Sleep(time.Millisecond) // virtual: all ten are decided
		close(gate)
		for range 11 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if n := disk.Total().Syncs; n > 2 {
			t.Errorf("%d syncs for ten decisions made during one", n)
		}
		disk.SetHook(nil)
		mustStop(t, r)
	})
}

// TestFailedSyncEndsTheNode: nothing is acknowledged that a failed sync may
// have lost.
func TestFailedSyncEndsTheNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := vfs.NewFaulty(newDisk(), nil)
		r := mustStart(t, controllerOptions(disk))
		r.awaitActive()
		if err := r.register(); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("the disk is broken")
		disk.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpSync {
				return broken
			}
			return nil
		})
		if err := r.create("lost"); !errors.Is(err, kerr.NotController) {
			t.Errorf("create: %v", err)
		}
		if err := <-r.ended; err == nil {
			t.Error("Run ended without an error")
		}
	})
}

func TestSubmitEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := mustStart(t, controllerOptions(newDisk()))
		r.awaitActive()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := r.Submit(ctx, controller.Request{Body: new(wire.CreateTopicsRequest), Allowed: allowAll})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		mustStop(t, r)
	})
}

// TestStandaloneFormat: voters, kraft.version and the first features come from
// the 0-0 snapshot, as kafka-storage 4.4 writes it; the first leader copies the
// voters into the log.
func TestStandaloneFormat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := newDisk()
		dir := path.Join("/meta", metadataLogDir)
		o := controllerOptions(disk)
		voters, err := kraft.NewVoterSet(kraft.Voter{Replica: kraft.Replica{ID: 1, Directory: o.DirectoryID}, Endpoints: controllerEndpoints, MaxVersion: 1})
		if err != nil {
			t.Fatal(err)
		}
		draft := metadata.NewDraft(metadata.Empty)
		if err := errors.Join(disk.MkdirAll(dir, 0o755), draft.Apply(&wire.FeatureLevelRecord{Name: "metadata.version", FeatureLevel: 20}, 0)); err != nil {
			t.Fatal(err)
		}
		img, _ := draft.Image(-1, 0)
		format := &snapshots{fs: disk, dir: dir}
		version := &wire.KRaftVersionRecord{KRaftVersion: 1}
		if _, err := format.create(snapshotJob{image: img, controls: []kraft.Control{{Record: version}, {Record: voters.Record()}}}); err != nil {
			t.Fatal(err)
		}
		o.StaticVoters = nil
		for epoch := model.Epoch(1); epoch <= 3; epoch++ {
			if epoch == 3 {
				o.Endpoints = nil // no listener any more: the log keeps what it has
			}
			r := mustStart(t, o)
			r.awaitActive()
			img := r.awaitImage(func(i *metadata.Image) bool { return i.Features().Version != 0 })
			s, _ := r.Status()
			if img.Features().Version != 20 || s.Version != 1 || s.Epoch != epoch || len(s.Voters) != 1 || s.Voters[0].Directory != o.DirectoryID {
				t.Errorf("metadata.version %d, %+v", img.Features().Version, s)
			}
			mustStop(t, r)
			_, controls, err := reopened(o).scan(0)
			if err != nil || len(controls) != 2 || controls[0].Offset != 1 || controls[1].Offset != 2 {
				t.Errorf("controls in the log: %+v, %v", controls, err)
			}
		}
		b, err := vfs.ReadFile(disk, path.Join(dir, electionFile), 1000)
		if want := `{"leaderId":1,"leaderEpoch":3,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}`; string(b) != want || err != nil {
			t.Errorf("quorum-state %s, %v", b, err)
		}
	})
}

func reopened(o Options) *metaLog {
	o.setDefaults()
	l, err := openLog(o)
	if err != nil {
		panic(err)
	}
	return l
}
