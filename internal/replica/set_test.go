package replica_test

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// names are a directory's entries.
func names(t *testing.T, fsys vfs.FS, dir string) (out []string) {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func exists(t *testing.T, fsys vfs.FS, name string) bool {
	t.Helper()
	_, err := fsys.Stat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func closeSet(t *testing.T, n *replicatest.Node) {
	t.Helper()
	if err := n.Set.Close(7); err != nil {
		t.Fatal(err)
	}
}

// values are the records that a consumer sees.
func values(t *testing.T, p *replica.Partition) (out []string) {
	t.Helper()
	for from := model.Offset(0); ; {
		got, next := replicatest.Consume(t, p, from)
		if len(got) == 0 {
			return out
		}
		out, from = append(out, got...), next
	}
}

func TestCleanStopAndStart(t *testing.T) {
	mem := vfs.NewMem()
	n := replicatest.Start(t, mem, replicatest.Fsync)
	id := n.CreateTopic("t", 2)
	for i := range 10 {
		if err := mustAppend(t, n.Partition(id, int32(i%2)), fmt.Sprint(i)).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := n.Set.PreviousEpoch(); got != -1 {
		t.Errorf("a new directory had epoch %d", got)
	}
	if !exists(t, mem, "data/strom-synced") {
		t.Error("no sign of a life that syncs")
	}
	closeSet(t, n)
	if exists(t, mem, "data/strom-synced") {
		t.Error("that sign stayed after a clean stop")
	}
	if !exists(t, mem, "data/.kafka_cleanshutdown") {
		t.Error("no sign of a clean stop")
	}
	n.Open(n.Options(mem, "data"))
	if exists(t, mem, "data/.kafka_cleanshutdown") {
		t.Error("the sign of a clean stop stayed while running")
	}
	if s := status(t, n.Partition(id, 0)); s.HighWatermark != 5 || s.LogEnd != 5 || !s.Leading {
		t.Errorf("%+v", s)
	}
	if got := values(t, n.Partition(id, 1)); !slices.Equal(got, []string{"1", "3", "5", "7", "9"}) {
		t.Errorf("read %v", got)
	}
	closeSet(t, n)
}

func TestPreviousEpochAfterPowerLoss(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy replica.TopicConfig
		want   model.BrokerEpoch
	}{{"fsync", replicatest.Fsync, replicatest.Epoch}, {"os", replicatest.OS, -1}} {
		t.Run(c.name, func(t *testing.T) {
			mem := vfs.NewMem()
			n := replicatest.Start(t, mem, c.policy)
			id := n.CreateTopic("t", 1)
			if err := mustAppend(t, n.Partition(id, 0), "x").Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			after := mem.PowerLoss(vfs.KeepNone)
			_ = n.Set.Close(-1) // of a machine that is off
			n.Open(n.Options(after, "data"))
			if got := n.Set.PreviousEpoch(); got != c.want {
				t.Errorf("after a power loss: %d", got)
			}
			if got := values(t, n.Partition(id, 0)); c.want >= 0 && !slices.Equal(got, []string{"x"}) {
				t.Errorf("read %v", got)
			}
			closeSet(t, n)
			n.Open(n.Options(after, "data"))
			if got := n.Set.PreviousEpoch(); got != replicatest.Epoch {
				t.Errorf("after a clean stop: %d", got)
			}
			closeSet(t, n)
		})
	}
}

// TestPreviousEpochWithoutProof: a directory that bears neither the sign of a
// clean stop nor that of a life that syncs vouches for nothing, whole as it may
// look: who stops Apache Kafka's by a crash leaves such a one, and who takes the
// sign away. An epoch that is not the last life's is not made up either.
func TestPreviousEpochWithoutProof(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, mem *vfs.Mem)
		want   model.BrokerEpoch
	}{
		"left alone":                {func(*testing.T, *vfs.Mem) {}, replicatest.Epoch},
		"sign removed":              {func(t *testing.T, mem *vfs.Mem) { remove(t, mem, "data/.kafka_cleanshutdown") }, -1},
		"empty sign of older Kafka": {func(t *testing.T, mem *vfs.Mem) { write(t, mem, "data/.kafka_cleanshutdown", "") }, -1},
		"clean stop of another life": {func(t *testing.T, mem *vfs.Mem) {
			write(t, mem, "data/.kafka_cleanshutdown", `{"version":0,"brokerEpoch":7}`)
		}, 7},
		"life before the last synced": {func(t *testing.T, mem *vfs.Mem) {
			remove(t, mem, "data/.kafka_cleanshutdown")
			write(t, mem, "data/strom-synced", `{"version":0,"brokerEpoch":0}`)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			n := replicatest.Start(t, mem, replicatest.Fsync)
			mustAppend(t, n.Partition(n.CreateTopic("t", 1), 0), "x")
			closeSet(t, n)
			c.change(t, mem)
			n.Open(n.Options(mem, "data"))
			defer closeSet(t, n)
			if got := n.Set.PreviousEpoch(); got != c.want {
				t.Errorf("epoch %d, want %d", got, c.want)
			}
		})
	}
}

// TestPreviousEpochOfSeveralDirectories: all must tell of the same life.
func TestPreviousEpochOfSeveralDirectories(t *testing.T) {
	mem := vfs.NewMem()
	n := replicatest.New(t, replicatest.Fsync)
	n.Open(n.Options(mem, "a", "b"))
	closeSet(t, n)
	n.Open(n.Options(mem, "a", "b"))
	if got := n.Set.PreviousEpoch(); got != replicatest.Epoch {
		t.Errorf("epoch %d", got)
	}
	closeSet(t, n)
	remove(t, mem, "b/.kafka_cleanshutdown")
	n.Open(n.Options(mem, "a", "b"))
	defer closeSet(t, n)
	if got := n.Set.PreviousEpoch(); got != -1 {
		t.Errorf("epoch %d, but one directory tells of no life", got)
	}
}

// TestCrashWhileStarting: between a clean stop and the next registration the
// broker acknowledges nothing, so a crash there is still of the life before.
func TestCrashWhileStarting(t *testing.T) {
	mem := vfs.NewMem()
	n := replicatest.Start(t, mem, replicatest.Fsync)
	mustAppend(t, n.Partition(n.CreateTopic("t", 1), 0), "x")
	closeSet(t, n)
	set, err := replica.Open(t.Context(), n.Options(mem, "data"))
	if err != nil {
		t.Fatal(err)
	}
	after := mem.PowerLoss(vfs.KeepNone)
	_ = set.Close(-1) // of a machine that is off
	n.Open(n.Options(after, "data"))
	defer closeSet(t, n)
	if got := n.Set.PreviousEpoch(); got != replicatest.Epoch {
		t.Errorf("epoch %d", got)
	}
}

func remove(t *testing.T, mem *vfs.Mem, name string) {
	t.Helper()
	if err := mem.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, mem *vfs.Mem, name, text string) {
	t.Helper()
	if err := vfs.WriteFileAtomic(mem, name, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestMissingCommittedRecordsAreNoticed(t *testing.T) {
	mem := vfs.NewMem()
	n := replicatest.Start(t, mem, replicatest.Fsync)
	id := n.CreateTopic("t", 1)
	mustAppend(t, n.Partition(id, 0), "x")
	closeSet(t, n)
	write(t, mem, "data/strom-synced", `{"version":0,"brokerEpoch":7}`)
	for _, name := range []string{"data/.kafka_cleanshutdown", "data/t-0/00000000000000000000.log"} {
		if err := mem.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	n.Open(n.Options(mem, "data"))
	if n.Set.PreviousEpoch() >= 0 {
		t.Error("a lost segment was not noticed")
	}
	closeSet(t, n)
}

func TestDeletedTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		g := newGate()
		n := replicatest.New(t, replicatest.Fsync)
		n.Open(n.Options(vfs.NewFaulty(mem, g.hook), "data"))
		run := make(chan error)
		ctx, cancel := contextWithCancel(t)
		go func() { run <- n.Set.Run(ctx) }()
		id := n.CreateTopic("t", 1)
		p := n.Partition(id, 0)
		g.set(true)
		token := mustAppend(t, p, "x")
		n.Records(&wire.RemoveTopicRecord{TopicID: model.UUID(id)})
		if err := token.Wait(t.Context()); !errors.Is(err, kerr.NotLeaderOrFollower) {
			t.Errorf("who waited: %v", err)
		}
		g.open()
		if _, err := n.Set.Partition(id, 0); !errors.Is(err, kerr.NotLeaderOrFollower) {
			t.Errorf("the partition is still there: %v", err)
		}
		// The same name again, while the old files are still there.
		again := n.CreateTopic("t", 1)
		if got := values(t, n.Partition(again, 0)); len(got) != 0 {
			t.Errorf("the new topic has records of the old: %v", got)
		}
		doomed := func() bool {
			return slices.ContainsFunc(names(t, mem, "data"), func(s string) bool { return strings.HasSuffix(s, "-delete") })
		}
		if !doomed() {
			t.Errorf("the files are gone at once: %v", names(t, mem, "data"))
		}
		delay := replicatest.Fsync.Log.DeleteDelay
		time.Sleep(delay - time.Second)
		synctest.Wait()
		if !doomed() {
			t.Errorf("the files are gone before file.delete.delay.ms: %v", names(t, mem, "data"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if doomed() {
			t.Errorf("the files are still there after it: %v", names(t, mem, "data"))
		}
		cancel()
		if err := <-run; err != nil {
			t.Error(err)
		}
		closeSet(t, n)
	})
}

func TestStrayPartitionIsSetAside(t *testing.T) {
	mem := vfs.NewMem()
	n := replicatest.Start(t, mem, replicatest.Fsync)
	n.CreateTopic("kept", 1)
	n.CreateTopic("lost", 1)
	closeSet(t, n)
	// The topic was deleted and created again while this broker was away.
	other := replicatest.Start(t, vfs.NewMem(), replicatest.Fsync)
	kept := n.Image().Topic("kept")
	other.Records(&wire.TopicRecord{Name: "kept", TopicID: model.UUID(kept.ID)}, replicatest.PartitionRecord(kept.ID, 0))
	id := model.TopicID{0: 77, 15: 177}
	other.Records(&wire.TopicRecord{Name: "lost", TopicID: model.UUID(id)}, replicatest.PartitionRecord(id, 0))
	closeSet(t, other)
	other.Open(other.Options(mem, "data"))
	if s := status(t, other.Partition(id, 0)); !s.Leading {
		t.Errorf("%+v", s)
	}
	var stray int
	for _, name := range names(t, mem, "data") {
		if strings.HasSuffix(name, "-stray") {
			stray++
		}
	}
	if stray != 1 {
		t.Errorf("%v", names(t, mem, "data"))
	}
	closeSet(t, other)
}

// While the metadata is read from its beginning it shows a past in which topics
// of this disk do not exist yet, or an earlier topic of the same name does.
func TestThePastTouchesNothing(t *testing.T) {
	mem := vfs.NewMem()
	n := replicatest.Start(t, mem, replicatest.Fsync)
	early := n.CreateTopic("t", 1)
	past := n.Image()
	n.Records(&wire.RemoveTopicRecord{TopicID: model.UUID(early)})
	id := n.CreateTopic("t", 1)
	if err := mustAppend(t, n.Partition(id, 0), "x").Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeSet(t, n)
	o := n.Options(mem, "data")
	o.CaughtUp = func(img *metadata.Image) bool { return img.Offset >= n.Image().Offset }
	set, err := replica.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	set.Apply(&metadata.Change{From: metadata.Empty, To: past})
	set.Apply(&metadata.Change{From: past, To: n.Image()})
	n.Set = set
	if got := values(t, n.Partition(id, 0)); !slices.Equal(got, []string{"x"}) {
		t.Errorf("read %v", got)
	}
	if s := status(t, n.Partition(id, 0)); !s.Leading {
		t.Errorf("%+v", s)
	}
	closeSet(t, n)
}

// What a crash leaves of creations: directories that do not say whose they are.
func TestHalfCreatedPartitions(t *testing.T) {
	mem := vfs.NewMem()
	n := replicatest.Start(t, mem, replicatest.Fsync)
	id := n.CreateTopic("t", 1)
	other := n.CreateTopic("u", 1)
	closeSet(t, n)
	for range 3 {
		for _, dir := range []string{"t-0", "u-0"} {
			if err := mem.RemoveAll("data/" + dir); err != nil {
				t.Fatal(err)
			}
			if err := mem.MkdirAll("data/"+dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		n.Open(n.Options(mem, "data"))
		if n.Set.PreviousEpoch() < 0 {
			t.Error("nothing was lost, but the recovery counts as incomplete")
		}
		for _, topic := range []model.TopicID{id, other} {
			if s := status(t, n.Partition(topic, 0)); !s.Leading {
				t.Errorf("%+v", s)
			}
		}
		closeSet(t, n)
	}
}

func TestPlacement(t *testing.T) {
	n := replicatest.New(t, replicatest.Fsync)
	o := n.Options(vfs.NewMem(), "one", "two", "three")
	assigned := map[int32]model.DirectoryID{}
	o.Assigned = func(_ model.TopicID, index int32, dir model.DirectoryID) { assigned[index] = dir }
	n.Open(o)
	id := n.CreateTopic("t", 9)
	count := map[string]int{}
	for i := range int32(9) {
		p := n.Partition(id, i)
		count[p.Dir().Path()]++
		if assigned[i] != p.Dir().ID() {
			t.Errorf("partition %d is in %s and that is not told", i, p.Dir().Path())
		}
	}
	if count["one"] != 3 || count["two"] != 3 || count["three"] != 3 {
		t.Errorf("%v", count)
	}
	named := model.TopicID{0: 50, 15: 150}
	r := replicatest.PartitionRecord(named, 0)
	r.Directories = []model.UUID{model.UUID(o.Dirs[2].ID)}
	n.Records(&wire.TopicRecord{Name: "named", TopicID: model.UUID(named)}, r)
	if got := n.Partition(named, 0).Dir().Path(); got != "three" {
		t.Errorf("placed in %s and not where the metadata says", got)
	}
	closeSet(t, n)
}

// A cordoned directory gets no new replica while there is another (KIP-1066).
func TestCordonedDirectory(t *testing.T) {
	n := replicatest.New(t, replicatest.Fsync)
	o := n.Options(vfs.NewMem(), "one", "two")
	cordoned := []model.DirectoryID{o.Dirs[0].ID}
	o.Cordoned = func(*metadata.Image) []model.DirectoryID { return cordoned }
	n.Open(o)
	count := func(topic string) (one, two int) {
		id := n.CreateTopic(topic, 4)
		for i := range int32(4) {
			if n.Partition(id, i).Dir().ID() == o.Dirs[0].ID {
				one++
			} else {
				two++
			}
		}
		return one, two
	}
	if one, two := count("from the start"); one != 0 || two != 4 || !n.Set.Dirs()[0].Cordoned() || n.Set.Dirs()[1].Cordoned() {
		t.Errorf("the first is cordoned: %d partitions in it, %d in the second", one, two)
	}
	changed := &wire.ConfigRecord{ResourceType: 4, ResourceName: "1", Name: "cordoned.log.dirs"}
	cordoned = append(cordoned, o.Dirs[1].ID)
	n.Records(changed)
	if one, two := count("both"); one != 4 || two != 0 {
		t.Errorf("both are cordoned: %d and %d partitions", one, two)
	}
	cordoned = cordoned[1:]
	n.Records(changed)
	if one, two := count("the second"); one != 4 || two != 0 {
		t.Errorf("the second is cordoned: %d and %d partitions", one, two)
	}
	closeSet(t, n)
}

// Creating many partitions syncs the log directory once, not once for each.
func TestManyTopicsAtOnce(t *testing.T) {
	var syncs atomic.Int32
	fsys := vfs.NewFaulty(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpSyncDir && strings.TrimPrefix(op.Path, "/") == "data" {
			syncs.Add(1)
		}
		return nil
	})
	n := replicatest.Start(t, fsys, replicatest.Fsync)
	syncs.Store(0)
	var records []wire.Record
	for i := range 1000 {
		id := model.TopicID{0: byte(i), 1: byte(i >> 8), 15: 200}
		records = append(records, &wire.TopicRecord{Name: fmt.Sprintf("t%d", i), TopicID: model.UUID(id)}, replicatest.PartitionRecord(id, 0))
	}
	n.Records(records...)
	if got := syncs.Load(); got > 2 {
		t.Errorf("1000 topics took %d syncs of the log directory", got)
	}
	for _, p := range n.Set.Partitions() {
		if s := status(t, p); !s.Leading {
			t.Fatalf("%s does not serve: %+v", p, s)
		}
	}
	closeSet(t, n)
}

func TestCheckpointsAndRetentionOnOneTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		n := replicatest.Start(t, mem, replicatest.Fsync)
		ctx, cancel := contextWithCancel(t)
		run := make(chan error)
		go func() { run <- n.Set.Run(ctx) }()
		id := n.CreateTopic("t", 1)
		if err := mustAppend(t, n.Partition(id, 0), "x").Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		for _, file := range []string{"replication-offset-checkpoint", "recovery-point-offset-checkpoint"} {
			if got := readFile(t, mem, "data/"+file); got != "0\n1\nt 0 1\n" {
				t.Errorf("%s: %q", file, got)
			}
		}
		cancel()
		if err := <-run; err != nil {
			t.Error(err)
		}
		closeSet(t, n)
	})
}

func TestUnhostedAndDirectoriesOfOthers(t *testing.T) {
	mem := vfs.NewMem()
	for _, dir := range []string{"data/__cluster_metadata-0", "data/not a partition", "data/journal"} {
		if err := mem.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n := replicatest.Start(t, mem, replicatest.Fsync)
	if got := n.Set.Partitions(); len(got) != 0 {
		t.Errorf("opened %v", got)
	}
	id := model.TopicID{0: 9, 15: 150}
	r := replicatest.PartitionRecord(id, 0)
	r.Replicas, r.ISR, r.Leader = []int32{2}, []int32{2}, 2
	n.Records(&wire.TopicRecord{Name: "elsewhere", TopicID: model.UUID(id)}, r)
	if _, err := n.Set.Partition(id, 0); !errors.Is(err, kerr.NotLeaderOrFollower) {
		t.Errorf("%v", err)
	}
	n.Set.Apply(&metadata.Change{From: n.Image(), To: n.Image()})
	closeSet(t, n)
}

// The partitions of one new topic are created at once. Under the policy os each
// of them wants the mark of a synced directory gone; they must not fall over one
// another and take the directory offline.
func TestUnsyncedIsNotedOnce(t *testing.T) {
	var notes atomic.Int32
	fs := vfs.NewFaulty(vfs.NewMem(), func(op vfs.Op) error {
		if strings.Contains(op.Path, "strom-synced") {
			if op.Kind == vfs.OpRemove {
				notes.Add(1)
			}
			for range 1000 { // the others get there meanwhile
				runtime.Gosched()
			}
		}
		return nil
	})
	n := replicatest.Start(t, fs, replicatest.OS)
	defer closeSet(t, n)
	n.CreateTopic("t", 4)
	for _, d := range n.Set.Dirs() {
		if err := d.Err(); err != nil {
			t.Error(err)
		}
	}
	if n := notes.Load(); n != 1 {
		t.Errorf("the mark was removed %d times", n)
	}
}

// fellows are the brokers that the metadata, as clients see it, has in sync.
type fellows struct {
	node *replicatest.Node
	id   model.TopicID
}

func (f fellows) Eligible(id model.NodeID, _ model.BrokerEpoch, _ model.DirectoryID) bool {
	p := f.node.Image().Partition(f.id, 0)
	return p != nil && slices.Contains(p.ISR, id)
}

func (fellows) Current(model.NodeID) (model.BrokerEpoch, bool) { return -1, false }

// TestFencedFollowerHoldsNobodyBack: a follower that the controller takes out of the
// in-sync set looks, while that is applied, as if it might be back soon, for what is
// known of brokers is older still. Producers that wait for it are released once it is
// not, although nobody fetches or appends any more.
func TestFencedFollowerHoldsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := replicatest.New(t, replicatest.OS)
		id := model.TopicID{0: 7, 15: 7}
		o := n.Options(vfs.NewMem(), "data")
		o.Brokers = fellows{n, id}
		n.Open(o)
		defer n.Set.Close(-1)
		record := replicatest.PartitionRecord(id, 0)
		record.Replicas, record.ISR = []int32{1, 2}, []int32{1, 2}
		record.Directories = append(record.Directories, model.UUID(model.DirectoryUnassigned))
		n.Records(&wire.TopicRecord{Name: "t", TopicID: model.UUID(id)}, record)
		p := n.Partition(id, 0)
		if err := p.Fetched(replica.FollowerFetch{Follower: 2, BrokerEpoch: -1}); err != nil {
			t.Fatal(err)
		}
		token, _, err := p.Append(replicatest.Batch("x"), -1, replica.Client)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if token.Settled() {
			t.Fatal("acknowledged without the follower")
		}
		fenced := &wire.PartitionChangeRecord{}
		fenced.Reset()
		fenced.TopicID, fenced.PartitionID, fenced.ISR = model.UUID(id), 0, []int32{1}
		n.Records(fenced)
		if !token.Settled() {
			t.Error("waits for a follower that is not in sync any more")
		}
	})
}
