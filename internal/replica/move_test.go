package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// twoDirs is a node with the directories a and b, and a topic in a.
func twoDirs(t *testing.T, fs vfs.FS, change func(*replica.Options)) (*replicatest.Node, model.TopicID) {
	t.Helper()
	n := replicatest.New(t, replicatest.Fsync)
	n.Policy.Log.SegmentBytes = 2000
	o := n.Options(fs, "a", "b")
	if change != nil {
		change(&o)
	}
	n.Open(o)
	id := model.TopicID{0: 50, 15: 5}
	r := replicatest.PartitionRecord(id, 0)
	r.Directories = []model.UUID{model.UUID(o.Dirs[0].ID)}
	n.Records(&wire.TopicRecord{Name: "t", TopicID: model.UUID(id)}, r)
	return n, id
}

func consumeAll(t *testing.T, p *replica.Partition) (all []string) {
	t.Helper()
	s, err := p.Status()
	if err != nil {
		t.Fatal(err)
	}
	for next := s.LogStart; next < s.HighWatermark; {
		var values []string
		values, next = replicatest.Consume(t, p, next)
		all = append(all, values...)
	}
	return all
}

func fillNumbers(t *testing.T, p *replica.Partition, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		token, _, err := p.Append(replicatest.Batch(fmt.Sprint(i)), -1, replica.Client)
		if err == nil {
			err = token.Wait(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func numbers(from, to int) (out []string) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func TestMoveToAnotherDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []model.DirectoryID
		mem := vfs.NewMem()
		n, id := twoDirs(t, mem, func(o *replica.Options) {
			o.Assigned = func(_ model.TopicID, _ int32, dir model.DirectoryID) { told = append(told, dir) }
			o.MoveRate = func(*metadata.Image) float64 { return 4000 }
		})
		p := n.Partition(id, 0)
		fillNumbers(t, p, 0, 300)
		if _, err := p.DeleteRecords(20); err != nil {
			t.Fatal(err)
		}
		if err := n.Set.Move(id, 0, "b"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		moving := n.Set.Moving(n.Set.Dirs()[1])
		if len(moving) != 1 || moving[0].Name != p.Name() {
			t.Errorf("moving %+v", moving)
		}
		if !slices.ContainsFunc(names(t, mem, "b"), func(s string) bool { return strings.HasPrefix(s, "t-0.") && strings.HasSuffix(s, "-future") }) {
			t.Errorf("directory b has %v", names(t, mem, "b"))
		}
		fillNumbers(t, p, 300, 310) // it goes on meanwhile
		time.Sleep(time.Minute)
		synctest.Wait()
		moved := n.Partition(id, 0)
		if moved == p || moved.Dir().Path() != "b" || len(n.Set.Moving(n.Set.Dirs()[1])) > 0 {
			t.Fatalf("the partition is in %s", moved.Dir().Path())
		}
		fillNumbers(t, moved, 310, 320)
		if got := consumeAll(t, moved); !slices.Equal(got, numbers(20, 320)) {
			t.Errorf("%d records, from %s to %s", len(got), got[0], got[len(got)-1])
		}
		if _, _, err := p.Append(replicatest.Batch("x"), 1, replica.Client); !errors.Is(err, kerr.NotLeaderOrFollower) {
			t.Errorf("append to where it was: %v", err)
		}
		if b := n.Set.Dirs()[1].ID(); len(told) != 1 || told[0] != b {
			t.Errorf("told %v", told)
		}
		if err := n.Set.Close(1); err != nil {
			t.Error(err)
		}
		again := replicatest.New(t, replicatest.Fsync)
		again.Open(again.Options(mem, "a", "b"))
		if got := again.Set.Partitions(); len(got) != 0 {
			// The image of this node is empty, so that the partition is set aside; it
			// was found once, in b.
			t.Errorf("%d partitions", len(got))
		}
		if b := names(t, mem, "b"); !slices.ContainsFunc(b, func(s string) bool { return strings.HasSuffix(s, "-stray") }) {
			t.Errorf("directory b has %v", b)
		}
		closeSet(t, again)
	})
}

func TestMoveErrorsAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		n, id := twoDirs(t, mem, func(o *replica.Options) { o.MoveRate = func(*metadata.Image) float64 { return 100 } })
		fillNumbers(t, n.Partition(id, 0), 0, 100)
		for _, c := range []struct {
			id    model.TopicID
			index int32
			dir   string
			want  error
		}{
			{id, 0, "nowhere", kerr.LogDirNotFound}, {id, 1, "b", kerr.ReplicaNotAvailable}, {model.TopicID{1}, 0, "b", kerr.ReplicaNotAvailable},
			{id, 0, "a", nil}, // it is there
		} {
			if err := n.Set.Move(c.id, c.index, c.dir); !errors.Is(err, c.want) {
				t.Errorf("move to %s: %v, want %v", c.dir, err, c.want)
			}
		}
		for range 2 {
			if err := n.Set.Move(id, 0, "b"); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if len(n.Set.Moving(n.Set.Dirs()[1])) != 1 {
			t.Error("no move is under way")
		}
		if err := n.Set.Move(id, 0, "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if p := n.Partition(id, 0); p.Dir().Path() != "a" || len(consumeAll(t, p)) != 100 {
			t.Errorf("it is in %s", p.Dir().Path())
		}
		if b := names(t, mem, "b"); slices.ContainsFunc(b, func(s string) bool { return strings.HasSuffix(s, "-future") }) {
			t.Errorf("the copy is still in %v", b)
		}
		// A topic that is deleted takes its move along.
		if err := n.Set.Move(id, 0, "b"); err != nil {
			t.Fatal(err)
		}
		n.Records(&wire.RemoveTopicRecord{TopicID: model.UUID(id)})
		time.Sleep(time.Hour)
		synctest.Wait()
		if b := names(t, mem, "b"); slices.ContainsFunc(b, func(s string) bool { return strings.HasSuffix(s, "-future") }) {
			t.Errorf("the copy is still in %v", b)
		}
		closeSet(t, n)
	})
}

// A log that is cut while it is copied is copied as it is then.
func TestMoveFollowsTruncation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, id := twoDirs(t, vfs.NewMem(), func(o *replica.Options) { o.MoveRate = func(*metadata.Image) float64 { return 4000 } })
		p := n.Partition(id, 0)
		fillNumbers(t, p, 0, 200)
		if err := n.Set.Move(id, 0, "b"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		n.Lead(id, 0, 2)
		if err := replica.CutAsFollower(p, 1, 3); err != nil {
			t.Fatal(err)
		}
		n.Lead(id, 0, replicatest.Self)
		fillNumbers(t, p, 1000, 1010)
		time.Sleep(time.Minute)
		synctest.Wait()
		moved := n.Partition(id, 0)
		if got := consumeAll(t, moved); moved.Dir().Path() != "b" || !slices.Equal(got, append(numbers(0, 3), numbers(1000, 1010)...)) {
			t.Errorf("in %s: %v", moved.Dir().Path(), got)
		}
		closeSet(t, n)
	})
}

// The power fails before each change of the disk that a move makes. The restart
// finds the partition once, with all that was acknowledged, and finishes the move.
func TestPowerLossAnywhereInAMove(t *testing.T) {
	for at := 0; ; at++ {
		done := false
		synctest.Test(t, func(t *testing.T) { done = !moveUntil(t, at) })
		if done {
			if at < 20 {
				t.Fatalf("only %d changes of the disk", at)
			}
			return
		}
	}
}

func moveUntil(t *testing.T, at int) (lost bool) {
	mem := vfs.NewMem()
	disk := vfs.NewFaulty(mem, nil)
	n, id := twoDirs(t, disk, nil)
	fillNumbers(t, n.Partition(id, 0), 0, 60)
	var left *vfs.Mem
	count := 0
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind.Changes() {
			if count == at {
				left = mem.PowerLoss(vfs.KeepRandom(uint64(at)))
			}
			count++
		}
		return nil
	})
	if err := n.Set.Move(id, 0, "b"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	disk.SetHook(nil)
	_ = n.Set.Close(1) // the power may be off
	if left == nil {
		return false
	}
	set, err := replica.Open(context.Background(), n.Options(left, "a", "b"))
	if err != nil {
		t.Fatalf("change %d: %v", at, err)
	}
	n.Adopt(set)
	time.Sleep(time.Minute)
	synctest.Wait()
	p := n.Partition(id, 0)
	if got := consumeAll(t, p); !slices.Equal(got, numbers(0, 60)) {
		t.Fatalf("change %d: %d records in %s", at, len(got), p.Dir().Path())
	}
	fillNumbers(t, p, 60, 61)
	for _, dir := range []string{"a", "b"} {
		for _, name := range names(t, left, dir) {
			if strings.HasSuffix(name, "-future") || strings.HasPrefix(name, "strom-moved") || name == "t-0" && dir != p.Dir().Path() {
				t.Fatalf("change %d: %s has %s", at, dir, name)
			}
		}
	}
	closeSet(t, n)
	return true
}
