package replica_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
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

// history is what clients were told about one partition: what they sent, up to
// where it was acknowledged, and up to where it was seen.
type history struct {
	sent         []string
	acknowledged int
	seen         int
}

// promised is how many records have to survive.
func (h *history) promised() int { return max(h.acknowledged, h.seen) }

// violation compares what is left with what was promised: a prefix of what was
// sent, in order, with all that was acknowledged or seen.
func (h *history) violation(left []string) error {
	switch {
	case len(left) > len(h.sent) || !slices.Equal(left, h.sent[:len(left)]):
		return fmt.Errorf("left %v is no prefix of what was sent %v", left, h.sent)
	case len(left) < h.promised():
		return fmt.Errorf("%d records are left; %d were acknowledged and %d seen", len(left), h.acknowledged, h.seen)
	}
	return nil
}

// scene is a scripted workload on a disk that loses power at one operation.
type scene struct {
	t         *testing.T
	node      *replicatest.Node
	ctx       context.Context
	histories map[string]*history
	topics    map[string]model.TopicID
}

// appendTo sends a batch, waits for it if acks is -1, and looks at what is
// visible. It returns false once the machine is off.
func (s *scene) appendTo(topic string, index int32, acks int16, values ...string) bool {
	p, err := s.node.Set.Partition(s.topics[topic], index)
	if err != nil {
		return false
	}
	h := s.histories[p.String()]
	if h == nil {
		h = &history{}
		s.histories[p.String()] = h
	}
	token, _, err := p.Append(replicatest.Batch(values...), acks, replica.Client)
	if err != nil {
		return false
	}
	h.sent = append(h.sent, values...)
	if acks == -1 && token.Wait(s.ctx) == nil {
		h.acknowledged = len(h.sent)
	}
	return s.look(p, h)
}

func (s *scene) look(p *replica.Partition, h *history) bool {
	r, err := p.Read(replica.ReadRequest{MaxBytes: 1 << 20, MinOne: true, LeaderEpoch: -1, LastFetchedEpoch: -1})
	if err == nil {
		h.seen = max(h.seen, int(r.HighWatermark))
	}
	return err == nil
}

// script is the workload: several partitions, segments that roll, waiting and
// not, checkpoints in between, a topic deleted and created again, many partitions
// made at once that get batches small and large, at once, until the journal's slots
// have been used in turn.
func (s *scene) script() {
	s.topics["a"] = s.node.CreateTopic("a", 2)
	s.topics["b"] = s.node.CreateTopic("b", 1)
	for i := range 6 {
		if !s.appendTo("a", 0, -1, fmt.Sprintf("a0-%d", i), strings.Repeat("y", 3000)) ||
			!s.appendTo("a", 1, 1, fmt.Sprintf("a1-%d", i)) ||
			!s.appendTo("b", 0, -1, fmt.Sprintf("b0-%d", i)) {
			return
		}
		if i == 2 {
			time.Sleep(2 * time.Minute) // checkpoints
			synctest.Wait()
		}
	}
	s.node.Records(&wire.RemoveTopicRecord{TopicID: model.UUID(s.topics["b"])})
	delete(s.histories, "b-0")
	delete(s.topics, "b")
	s.topics["b"] = s.node.CreateTopic("b", 1)
	for i := range 3 {
		if !s.appendTo("b", 0, -1, fmt.Sprintf("again-%d", i)) || !s.appendTo("a", 1, -1, fmt.Sprintf("last-%d", i)) {
			return
		}
	}
	s.topics["c"] = s.node.CreateTopic("c", manyPartitions)
	for i, size := range []int{1, 700, 9000, 50, 300} {
		s.appendToAll("c", fmt.Sprintf("c-%d", i), strings.Repeat("z", size))
	}
}

const manyPartitions = 9

// appendToAll appends to all partitions of a topic and then waits for all.
func (s *scene) appendToAll(topic string, values ...string) {
	var all sync.WaitGroup
	for index := range int32(manyPartitions) {
		p, err := s.node.Set.Partition(s.topics[topic], index)
		if err != nil {
			return
		}
		h := s.histories[p.String()]
		if h == nil {
			h = &history{}
			s.histories[p.String()] = h
		}
		token, _, err := p.Append(replicatest.Batch(values...), -1, replica.Client)
		if err != nil {
			continue
		}
		h.sent = append(h.sent, values...)
		all.Go(func() {
			if token.Wait(s.ctx) == nil {
				h.acknowledged = len(h.sent)
			}
			s.look(p, h)
		})
	}
	all.Wait()
}

// wrapping lets a test stand between the replica and the disk.
type wrapping func(vfs.FS) vfs.FS

// powerLoss runs the script on a disk that loses power before its operation
// number at (never if that is 0), keeping by seed what was not synced, and
// returns what was broken. operations is how many there were.
func powerLoss(t *testing.T, policy replica.TopicConfig, at int, seed uint64, wrap wrapping) (operations int, broken error) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var mu sync.Mutex
		var after *vfs.Mem
		disk := vfs.NewFaulty(wrap(mem), func(op vfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if !op.Kind.Changes() || after != nil {
				return nil
			}
			if operations++; operations == at {
				after = mem.PowerLoss(vfs.KeepRandom(seed))
			}
			return nil
		})
		policy.Log.SegmentBytes = 10_000
		n := replicatest.New(t, policy)
		s := &scene{t: t, node: n, ctx: t.Context(), histories: map[string]*history{}, topics: map[string]model.TopicID{}}
		set, err := replica.Open(t.Context(), n.Options(disk, "data"))
		if err != nil {
			if after == nil {
				t.Fatal(err)
			}
			return // the power went before there was anything to lose
		}
		n.Adopt(set)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- set.Run(ctx) }()
		s.script()
		synctest.Wait()
		cancel()
		<-ran
		// What is left is never closed cleanly: the machine is off, or goes off now.
		mu.Lock()
		if after == nil {
			after = mem.PowerLoss(vfs.KeepRandom(seed))
		}
		mu.Unlock()
		_ = set.Close(-1)
		broken = s.recovered(after)
	})
	return operations, broken
}

// recovered opens what the disk kept and holds it against the histories.
func (s *scene) recovered(disk *vfs.Mem) error {
	set, err := replica.Open(s.t.Context(), s.node.Options(disk, "data"))
	if err != nil {
		return err
	}
	s.node.Adopt(set)
	defer set.Close(-1)
	if epoch := set.PreviousEpoch(); epoch >= 0 != s.node.Policy.Synced && s.anythingSent() {
		return fmt.Errorf("the last life's epoch is %d", epoch)
	}
	for topic, id := range s.topics {
		for index := range int32(manyPartitions) {
			name := model.Partition{Topic: topic, Index: index}.String()
			h := s.histories[name]
			if h == nil {
				continue
			}
			p, err := set.Partition(id, index)
			if err != nil {
				return err
			}
			left := values(s.t, p)
			if !s.node.Policy.Synced {
				h = &history{sent: h.sent} // the page cache promises nothing
			}
			if err := h.violation(left); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func (s *scene) anythingSent() bool {
	for _, h := range s.histories {
		if len(h.sent) > 0 {
			return true
		}
	}
	return false
}

func honest(f vfs.FS) vfs.FS { return f }

// D.5 of the reliability anchors: all that was acknowledged or seen survives a
// loss of power at any write or sync, and what is left is what was sent.
func TestPowerLossAnywhere(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy replica.TopicConfig
	}{{"fsync", replicatest.Fsync}, {"os", replicatest.OS}} {
		t.Run(c.name, func(t *testing.T) {
			total, broken := powerLoss(t, c.policy, 0, 0, honest)
			if broken != nil {
				t.Fatal(broken)
			}
			for at := 1; at <= total; at++ {
				if _, broken := powerLoss(t, c.policy, at, uint64(at), honest); broken != nil {
					t.Errorf("power lost before operation %d of %d: %v", at, total, broken)
				}
			}
		})
	}
}

// unsynced is a disk that says it has synced a file and has not.
type unsynced struct{ vfs.FS }

func (u unsynced) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	if err != nil || !keepsRecords(name) {
		return f, err
	}
	return liar{f}, nil
}

type liar struct{ vfs.File }

func (liar) Sync() error { return nil }

// The check above notices a sync that is skipped.
func TestSkippedSyncIsNoticed(t *testing.T) {
	skipping := func(f vfs.FS) vfs.FS { return unsynced{f} }
	total, _ := powerLoss(t, replicatest.Fsync, 0, 0, skipping)
	for at := total; at > 0; at -= 7 {
		if _, broken := powerLoss(t, replicatest.Fsync, at, 0, skipping); broken != nil {
			return
		}
	}
	t.Error("records were lost and nobody noticed")
}

// A journal that is damaged where it was synced may have lost acknowledged records:
// the broker does not claim to have recovered completely, and what can be read is
// there.
func TestDamagedJournal(t *testing.T) {
	for _, at := range []int64{-1, 600} { // none, and the first entry
		synctest.Test(t, func(t *testing.T) {
			mem := vfs.NewMem()
			n := replicatest.Start(t, mem, replicatest.Fsync)
			n.Set.Registered(7)
			id := n.CreateTopic("t", 2)
			for i := range int32(4) {
				if err := mustAppend(t, n.Partition(id, i%2), "value").Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			mem = mem.PowerLoss(vfs.KeepNone)
			_ = n.Set.Close(1) // its disk is gone
			if at >= 0 {
				f, err := mem.OpenFile("data/journal/0", vfs.ReadWrite, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteAt([]byte("rot"), at); err != nil {
					t.Fatal(err)
				}
			}
			n.Open(n.Options(mem, "data"))
			if got := n.Set.PreviousEpoch(); (got == 7) != (at < 0) {
				t.Errorf("damaged at %d, previous epoch %d", at, got)
			}
			if left := values(t, n.Partition(id, 1)); len(left) != 2 {
				t.Errorf("the other partition has %v", left)
			}
			if _, err := mem.Stat("data/journal"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the journal is still there: %v", err)
			}
			if err := n.Set.Close(1); err != nil {
				t.Error(err)
			}
		})
	}
}

// The first leadership's record is cut away by another leader, which this broker
// followed in between; in the next one another record takes its offset.
func TestWaitWithoutTheEpochIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name    string
		token   func(replica.Token) replica.Token
		noticed bool
	}{
		{"bound to the epoch", func(t replica.Token) replica.Token { return t }, false},
		{"not bound to it", replica.Rebound, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, id, g := gated(t, replicatest.Fsync, 1)
				p := n.Partition(id, 0)
				var h history
				g.set(true)
				token := mustAppend(t, p, "cut away")
				n.Lead(id, 0, 2)
				g.open()
				synctest.Wait()
				if err := replica.Cut(p, 0); err != nil {
					t.Fatal(err)
				}
				n.Lead(id, 0, replicatest.Self)
				if err := mustAppend(t, p, "in its place").Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				h.sent = []string{"cut away"}
				err := c.token(token).Wait(t.Context())
				if err == nil {
					h.acknowledged = 1
				} else if !errors.Is(err, kerr.NotLeaderOrFollower) {
					t.Errorf("%v", err)
				}
				left := slices.DeleteFunc(values(t, p), func(v string) bool { return v == "in its place" })
				if got := h.violation(left) != nil; got != c.noticed {
					t.Errorf("noticed %v: acknowledged %d, left %v", got, h.acknowledged, left)
				}
			})
		})
	}
}
