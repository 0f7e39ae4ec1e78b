package replica_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// fullDisk is a disk on which no file grows in some directories while it is full;
// what has its place already can be written again.
type fullDisk struct {
	*vfs.Faulty
	full atomic.Bool
}

func newFullDisk(mem *vfs.Mem, dirs ...string) *fullDisk {
	d := &fullDisk{}
	d.Faulty = vfs.NewFaulty(mem, func(op vfs.Op) error {
		in := slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(op.Path, dir+"/") })
		if !d.full.Load() || !in {
			return nil
		}
		switch op.Kind {
		case vfs.OpMkdir, vfs.OpPreallocate:
			return syscall.ENOSPC
		case vfs.OpWrite:
			if info, err := mem.Stat(op.Path); err != nil || op.Offset+op.Length > info.Size() {
				return &vfs.ShortWrite{Wrote: op.Length / 2, Err: syscall.ENOSPC}
			}
		}
		return nil
	})
	d.full.Store(true)
	return d
}

// killed is what a node leaves that had a topic of two partitions, with records
// that the journal alone has on disk, and dies: its process, if everything it wrote
// is kept, or the power.
func killed(t *testing.T, n *replicatest.Node, keep func() bool) (*vfs.Mem, model.TopicID) {
	t.Helper()
	mem := vfs.NewMem()
	n.Open(n.Options(mem, "data"))
	id := n.CreateTopic("t", 2)
	for i := range 2 {
		fillNumbers(t, n.Partition(id, int32(i)), 0, 20)
	}
	left := mem.PowerLoss(keep)
	_ = n.Set.Close(1) // its disk is gone
	return left, id
}

// A process is killed and starts again on a disk that is full: it has all that is
// needed to be read, so it is; nothing is accepted; and it goes on when there is
// room.
func TestStartOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := replicatest.New(t, replicatest.Fsync)
		left, id := killed(t, n, vfs.KeepAll)
		disk := newFullDisk(left, "data")
		n.Open(n.Options(disk, "data"))
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- n.Set.Run(ctx) }()
		p := n.Partition(id, 0)
		if got := consumeAll(t, p); !slices.Equal(got, numbers(0, 20)) {
			t.Errorf("a full disk serves %v", got)
		}
		if _, _, err := p.Append(replicatest.Batch("no room"), -1, replica.Client); !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("append to a full disk: %v", err)
		}
		time.Sleep(10 * time.Minute) // checkpoints, retention
		disk.full.Store(false)
		fillNumbers(t, p, 20, 30)
		time.Sleep(10 * time.Minute)
		cancel()
		<-ran
		closeSet(t, n)
		n.Open(n.Options(left, "data"))
		if got := consumeAll(t, n.Partition(id, 0)); !slices.Equal(got, numbers(0, 30)) {
			t.Errorf("afterwards there are %v", got)
		}
		closeSet(t, n)
	})
}

// After a power loss what the journal says has to be put into segments first. While
// there is no room for that the only directory waits, and keeps the journal.
func TestReplayWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := replicatest.New(t, replicatest.Fsync)
		left, id := killed(t, n, vfs.KeepNone)
		disk := newFullDisk(left, "data")
		opened := make(chan error)
		go func() {
			set, err := replica.Open(t.Context(), n.Options(disk, "data"))
			if err == nil {
				n.Adopt(set)
			}
			opened <- err
		}()
		time.Sleep(time.Hour)
		select {
		case err := <-opened:
			t.Fatalf("opened without the records of the journal: %v", err)
		default:
		}
		if _, err := left.Stat("data/journal/0"); err != nil {
			t.Errorf("the journal: %v", err)
		}
		disk.full.Store(false)
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
		for i := range int32(2) {
			if got := consumeAll(t, n.Partition(id, i)); !slices.Equal(got, numbers(0, 20)) {
				t.Errorf("partition %d has %v", i, got)
			}
		}
		if epoch := n.Set.PreviousEpoch(); epoch != replicatest.Epoch {
			t.Errorf("previous epoch %d", epoch)
		}
		if _, err := left.Stat("data/journal"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the journal is still there: %v", err)
		}
		closeSet(t, n)
	})
}

// A start that waits for room is given up like any other.
func TestReplayWithoutRoomIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := replicatest.New(t, replicatest.Fsync)
		left, id := killed(t, n, vfs.KeepNone)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := replica.Open(ctx, n.Options(newFullDisk(left, "data"), "data")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		n.Open(n.Options(left, "data"))
		if got := consumeAll(t, n.Partition(id, 1)); len(got) != 20 {
			t.Errorf("%d records", len(got))
		}
		closeSet(t, n)
	})
}

// Of two directories the full one goes offline, with its name, and the other
// serves; if both are full, one waits.
func TestReplayWithoutRoomBesideOthers(t *testing.T) {
	for _, full := range [][]string{{"a"}, {"a", "b"}} {
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			n := replicatest.New(t, replicatest.Fsync)
			o := n.Options(mem, "a", "b")
			n.Open(o)
			ids := []model.TopicID{{0: 1, 15: 1}, {0: 2, 15: 2}}
			for i, id := range ids {
				r := replicatest.PartitionRecord(id, 0)
				r.Directories = []model.UUID{model.UUID(o.Dirs[i].ID)}
				n.Records(&wire.TopicRecord{Name: o.Dirs[i].Path, TopicID: model.UUID(id)}, r)
				fillNumbers(t, n.Partition(id, 0), 0, 20)
			}
			left := mem.PowerLoss(vfs.KeepNone)
			_ = n.Set.Close(1)
			disk := newFullDisk(left, full...)
			if len(full) == 2 {
				time.AfterFunc(time.Hour, func() { disk.full.Store(false) })
			}
			began := time.Now()
			n.Open(n.Options(disk, "a", "b"))
			if waited := time.Since(began) >= time.Hour; waited != (len(full) == 2) {
				t.Errorf("full %v: opened after %v", full, time.Since(began))
			}
			var offline, served int
			for i, d := range n.Set.Dirs() {
				if err := d.Err(); err != nil {
					offline++
					if !vfs.IsNoSpace(err) || !strings.Contains(err.Error(), d.Path()) {
						t.Errorf("full %v: %s is offline: %v", full, d.Path(), err)
					}
				} else if got := consumeAll(t, n.Partition(ids[i], 0)); slices.Equal(got, numbers(0, 20)) {
					served++
				}
			}
			if offline != 1 || served != 1 {
				t.Errorf("full %v: %d directories are offline, %d serve", full, offline, served)
			}
			_ = n.Set.Close(1)
			// With room, all is there.
			n.Open(n.Options(left, "a", "b"))
			for _, id := range ids {
				if got := consumeAll(t, n.Partition(id, 0)); !slices.Equal(got, numbers(0, 20)) {
					t.Errorf("full %v: afterwards there are %v", full, got)
				}
			}
			closeSet(t, n)
		})
	}
}
