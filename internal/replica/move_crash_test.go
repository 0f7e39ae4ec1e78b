package replica_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// movedScene is a node of two directories, a and b, each with a neighbour that uses the
// directory's journal, and a partition that is written while it goes from a to b
// and back, all on a disk that loses power at one operation.
type movedScene struct {
	*scene
	disk    *vfs.Faulty
	mem     *vfs.Mem
	journal int64 // bytes of each slot
	written int   // values, of which no two are the same
	unclean bool  // records were cut that had been committed
	mu      sync.Mutex
	count   int // changes of the disk
	after   *vfs.Mem
}

func newMovedScene(t *testing.T, at int, journal int64, keep func() bool) *movedScene {
	m := &movedScene{mem: vfs.NewMem(), journal: journal}
	m.disk = vfs.NewFaulty(m.mem, func(op vfs.Op) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !op.Kind.Changes() || m.after != nil {
			return nil
		}
		if m.count++; m.count == at {
			m.after = m.mem.PowerLoss(keep)
		}
		return nil
	})
	n := replicatest.New(t, replicatest.Fsync)
	n.Policy.Log.SegmentBytes = 2500
	m.scene = &scene{t: t, node: n, ctx: t.Context(), histories: map[string]*history{}, topics: map[string]model.TopicID{}}
	return m
}

// options have the copying take its time, so that there are appends meanwhile.
func (m *movedScene) options(fs vfs.FS) replica.Options {
	o := m.node.Options(fs, "a", "b")
	o.MoveRate = func(*metadata.Image) float64 { return 2000 }
	o.JournalSize, o.JournalStep = m.journal, 1<<10
	return o
}

// topic makes a topic of one partition in a directory.
func (m *movedScene) topic(name string, dir model.DirectoryID) {
	id := model.TopicID{0: 60 + name[0], 15: name[0]}
	r := replicatest.PartitionRecord(id, 0)
	r.Directories = []model.UUID{model.UUID(dir)}
	m.node.Records(&wire.TopicRecord{Name: name, TopicID: model.UUID(id)}, r)
	m.topics[name] = id
}

// run does all of it, and ends early once the machine is off.
func (m *movedScene) run() {
	o := m.options(m.disk)
	set, err := replica.Open(m.t.Context(), o)
	if err != nil {
		return
	}
	m.node.Adopt(set)
	ctx, cancel := context.WithCancel(m.t.Context())
	var ran sync.WaitGroup
	ran.Go(func() { _ = set.Run(ctx) })
	m.topic("t", o.Dirs[0].ID)
	m.topic("u", o.Dirs[0].ID)
	m.topic("v", o.Dirs[1].ID)
	m.write(8)
	for _, to := range []string{"b", "a"} {
		if set.Move(m.topics["t"], 0, to) != nil {
			break
		}
		for i := 0; i < 120 && m.where() != to; i++ {
			m.write(1)
			time.Sleep(100 * time.Millisecond)
		}
		m.write(2)
		if to == "b" {
			m.cut(6) // also of those that were written before it moved
			m.write(2)
		}
	}
	cancel()
	ran.Wait()
	synctest.Wait()
	m.mu.Lock()
	if m.after == nil { // it goes off now
		m.after = m.mem.PowerLoss(vfs.KeepNone)
	}
	m.mu.Unlock()
	_ = set.Close(1)
}

// where the partition is that moves.
func (m *movedScene) where() string {
	p, err := m.node.Set.Partition(m.topics["t"], 0)
	if err != nil {
		return ""
	}
	return p.Dir().Path()
}

// write appends to the partition that moves and to its neighbours, so often. At the
// end of a move an append may be refused, or not acknowledged; the next one is
// another record.
func (m *movedScene) write(times int) {
	for range times {
		for _, topic := range []string{"t", "u", "v"} {
			m.written++
			m.appendTo(topic, 0, -1, fmt.Sprintf("%s%03d-%s", topic, m.written, strings.Repeat("y", 40*(m.written%5))))
		}
	}
}

// cut takes the last records of the partition that moves away, as a new leader has
// its followers do after an unclean election.
func (m *movedScene) cut(records int) {
	p, err := m.node.Set.Partition(m.topics["t"], 0)
	if err != nil {
		return
	}
	m.unclean = true
	h := m.histories["t-0"]
	left := len(h.sent) - records
	h.acknowledged, h.seen = min(h.acknowledged, left), min(h.seen, left)
	m.node.Lead(m.topics["t"], 0, 2)
	if replica.CutAsFollower(p, 1, model.Offset(left)) != nil {
		return // off: they may be there or not
	}
	h.sent = h.sent[:left]
	m.node.Lead(m.topics["t"], 0, replicatest.Self)
}

// check starts twice with what the disk kept: after the power loss, and after a
// clean stop of that life.
func (m *movedScene) check() error {
	for life := range 2 {
		o := m.options(m.after)
		set, err := replica.Open(context.Background(), o)
		if err != nil {
			return err
		}
		if m.node.Set == nil {
			return set.Close(1) // there was no first life
		}
		if life == 0 && m.node.Image().Partition(m.topics["t"], 0) != nil {
			m.node.Set = nil
			m.node.Lead(m.topics["t"], 0, replicatest.Self)
		}
		m.node.Adopt(set)
		if epoch := set.PreviousEpoch(); epoch < 0 && m.anythingSent() && !m.unclean {
			return fmt.Errorf("life %d: acknowledged records may be missing", life)
		}
		time.Sleep(10 * time.Minute) // what was moving arrives
		synctest.Wait()
		for topic, id := range m.topics {
			h := m.histories[topic+"-0"]
			if h == nil {
				continue
			}
			p, err := set.Partition(id, 0)
			if err != nil {
				return fmt.Errorf("life %d: %s: %w", life, topic, err)
			}
			left := values(m.t, p)
			if err := h.violation(left); err != nil {
				return fmt.Errorf("life %d: %s in %s: %w", life, topic, p.Dir().Path(), err)
			}
			if life > 0 {
				continue
			}
			h.sent = left
			if !m.appendTo(topic, 0, -1, "after it") {
				return fmt.Errorf("%s takes no records", topic)
			}
		}
		if err := set.Close(replicatest.Epoch); err != nil {
			return err
		}
		if err := m.oneCopy(); err != nil {
			return err
		}
	}
	return nil
}

// oneCopy looks at what a clean stop leaves: plain directories of Kafka's.
func (m *movedScene) oneCopy() error {
	copies := 0
	for _, dir := range []string{"a", "b"} {
		for _, name := range names(m.t, m.after, dir) {
			switch {
			case name == "t-0":
				copies++
			case name == "journal", strings.HasSuffix(name, "-future"), strings.HasPrefix(name, "strom-moved"):
				return fmt.Errorf("%s has %s", dir, name)
			}
		}
	}
	if copies > 1 {
		return fmt.Errorf("%d copies", copies)
	}
	return nil
}

// A partition is written, its records durable by the journals, while it moves from
// one directory to another, where a part of them is cut, and back: where it was
// before, the journal still has what was cut. The power fails before each change of the
// disk; what was acknowledged or seen is there, once.
func TestPowerLossAnywhereInAMoveThatIsWritten(t *testing.T) {
	for _, c := range []struct {
		name    string
		journal int64
		keep    func(at int) func() bool
	}{
		{"all entries are kept", 32 << 10, func(int) func() bool { return vfs.KeepNone }},
		{"slots are used in turn", 8 << 10, func(at int) func() bool { return vfs.KeepRandom(uint64(at)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for at, more := 1, true; more; at++ {
				synctest.Test(t, func(t *testing.T) {
					m := newMovedScene(t, at, c.journal, c.keep(at))
					m.run()
					more = m.count >= at
					if !more && (at < 300 || m.where() != "a") {
						t.Errorf("%d changes of the disk, and it is in %q", at, m.where())
					}
					if err := m.check(); err != nil {
						t.Errorf("power lost before change %d: %v", at, err)
					}
				})
			}
		})
	}
}
