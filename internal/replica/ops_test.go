package replica_test

import (
	"sync"
	"testing"

	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
)

// tally counts what is asked of a disk.
type tally struct {
	mu  sync.Mutex
	ops map[vfs.OpKind]int
}

func (y *tally) hook(op vfs.Op) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.ops[op.Kind]++
	return nil
}

// take is what was counted since it was last called.
func (y *tally) take() tallied {
	y.mu.Lock()
	defer y.mu.Unlock()
	was := y.ops
	y.ops = map[vfs.OpKind]int{}
	return tallied{
		syncs: was[vfs.OpSync] + was[vfs.OpSyncDir] + was[vfs.OpSyncAll],
		opens: was[vfs.OpOpen] + was[vfs.OpCreate],
		lists: was[vfs.OpReadDir],
		reads: was[vfs.OpRead],
		stats: was[vfs.OpStat] + was[vfs.OpSize],
	}
}

type tallied struct{ syncs, opens, lists, reads, stats int }

// less is what a number of partitions cost more than another.
func (a tallied) less(b tallied) tallied {
	return tallied{a.syncs - b.syncs, a.opens - b.opens, a.lists - b.lists, a.reads - b.reads, a.stats - b.stats}
}

// lives is what the disk is asked for while partitions are created at once, stopped
// cleanly without having been written to, started, and started again after a kill.
func lives(t *testing.T, partitions int) (created, stopped, started, killed tallied) {
	mem := vfs.NewMem()
	y := &tally{ops: map[vfs.OpKind]int{}}
	disk := vfs.NewFaulty(mem, y.hook)
	n := replicatest.New(t, replicatest.Fsync)
	n.Open(n.Options(disk, "data"))
	y.take()
	n.CreateTopic("t", partitions)
	created = y.take()
	if err := n.Set.Close(1); err != nil {
		t.Fatal(err)
	}
	stopped = y.take()
	set, err := replica.Open(t.Context(), n.Options(disk, "data"))
	if err != nil {
		t.Fatal(err)
	}
	started = y.take()
	left := mem.Crash()
	_ = set.Close(1) // its disk is gone
	y.take()
	again, err := replica.Open(t.Context(), n.Options(vfs.NewFaulty(left, y.hook), "data"))
	if err != nil {
		t.Fatal(err)
	}
	killed = y.take()
	if got := len(again.Partitions()); got != partitions {
		t.Errorf("%d partitions of %d", got, partitions)
	}
	if err := again.Close(1); err != nil {
		t.Error(err)
	}
	return created, stopped, started, killed
}

// An idle partition costs what its files need: five names to create, of which none
// is synced by itself, and to start the listing of its directory, its
// partition.metadata, and the sizes of three files. A stop writes nothing of it.
func TestOperationsOfIdlePartitions(t *testing.T) {
	const few, many = 100, 300
	created, stopped, started, killed := lives(t, few)
	created2, stopped2, started2, killed2 := lives(t, many)
	for _, c := range []struct {
		what      string
		few, many tallied
		each      tallied // for each partition
	}{
		{"creation", created, created2, tallied{opens: 4, stats: 1}},
		{"clean stop", stopped, stopped2, tallied{}},
		{"start", started, started2, tallied{opens: 1, lists: 1, reads: 1, stats: 3 + 1}},
		{"start after a kill", killed, killed2, tallied{opens: 1 + 1, lists: 1, reads: 1, stats: 6 + 2}},
	} {
		e := c.each
		want := tallied{e.syncs, e.opens * (many - few), e.lists * (many - few), e.reads * (many - few), e.stats * (many - few)}
		if got := c.many.less(c.few); got != want {
			t.Errorf("%s: %d partitions more cost %+v, want %+v", c.what, many-few, got, want)
		}
	}
	if created2.syncs > 2 {
		t.Errorf("the creation of %d partitions took %d syncs", many, created2.syncs)
	}
}

// One partition by itself costs three syncs and one of the log directory; from eight
// on all become durable with one sync of the file system, and one of the directory.
func TestSyncsOfCreation(t *testing.T) {
	for partitions, want := range map[int]int{1: 3 + 1, 7: 7*3 + 1, 8: 2, 100: 2} {
		if created, _, _, _ := lives(t, partitions); created.syncs != want {
			t.Errorf("%d partitions took %d syncs, want %d", partitions, created.syncs, want)
		}
	}
}
