package quorum

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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

// trio is a quorum of three controllers in one bubble.
type trio struct {
	t     *testing.T
	pipe  *transport.Pipe
	seats map[model.NodeID]*seat
	dead  sync.WaitGroup // nodes that were killed and have yet to notice
}

// seat is one of the three: its disk, and the node that runs on it, if any.
type seat struct {
	id    model.NodeID
	disk  *vfs.Mem
	node  *replica
	wire  *wired
	serve func()       // stops its listener
	syncs atomic.Int64 // how long a sync of its log takes from now on, in nanoseconds
}

// fs is the seat's disk as the process sees it.
func (s *seat) fs() vfs.FS {
	return vfs.NewFaulty(s.disk, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Path, ".log") {
			time.Sleep(time.Duration(s.syncs.Load())) // virtual
		}
		return nil
	})
}

// wired is a node's way out, which a kill cuts.
type wired struct {
	transport.Network
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (w *wired) Dial(ctx context.Context, addr string) (net.Conn, error) {
	c, err := w.Network.Dial(ctx, addr)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.cut {
		c.Close()
		return nil, syscall.ENETDOWN
	}
	if err == nil {
		w.conns = append(w.conns, c)
	}
	return c, err
}

func (w *wired) unplug() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, c := range w.conns {
		c.Close()
	}
}

func newTrio(t *testing.T) *trio {
	c := &trio{t: t, pipe: transport.NewPipe(), seats: map[model.NodeID]*seat{}}
	for id := model.NodeID(1); id <= 3; id++ {
		c.seats[id] = &seat{id: id, disk: newDisk()}
		c.start(id)
	}
	return c
}

func addressOf(id model.NodeID) kraft.Address {
	return kraft.Address{Host: fmt.Sprintf("c%d", id), Port: 9093}
}

func (c *trio) start(id model.NodeID) {
	c.t.Helper()
	s := c.seats[id]
	var voters []kraft.Voter
	for v := model.NodeID(1); v <= 3; v++ {
		voters = append(voters, kraft.Voter{Replica: kraft.Replica{ID: v}, Endpoints: []kraft.Endpoint{{Name: "CONTROLLER", Address: addressOf(v)}}})
	}
	o := controllerOptions(s.fs())
	o.NodeID, o.DirectoryID = id, model.DirectoryID{0: 0xd, 15: byte(id)}
	o.Endpoints = []kraft.Endpoint{{Name: "CONTROLLER", Address: addressOf(id)}}
	o.Rand = rand.New(rand.NewPCG(uint64(id), 9))
	var err error
	if o.StaticVoters, err = kraft.NewVoterSet(voters...); err != nil {
		c.t.Fatal(err)
	}
	s.wire = &wired{Network: c.pipe}
	o.Network = s.wire
	l, err := c.pipe.Listen(addressOf(id).String())
	if err != nil {
		c.t.Fatal(err)
	}
	s.node = mustStart(c.t, o)
	s.serve = serveController(l, s.node.Node)
}

// kill ends a node as SIGKILL or, with keep, a power loss does: it says nothing
// more, and its connections break.
func (c *trio) kill(id model.NodeID, after func(*vfs.Mem) *vfs.Mem) {
	s := c.seats[id]
	s.disk = after(s.disk)
	s.wire.unplug()
	s.serve()
	node := s.node
	s.node = nil
	c.dead.Go(func() {
		node.cancel()
		<-node.ended
	})
}

// active is the node that is the active controller, once there is one.
func (c *trio) active() model.NodeID {
	c.t.Helper()
	for range 20_000 {
		for id := model.NodeID(1); id <= 3; id++ {
			if n := c.seats[id].node; n != nil && n.IsActive() {
				return id
			}
		}
		time.Sleep(time.Millisecond) // virtual
	}
	c.t.Fatal("no controller is active for 20 s")
	return model.NoNode
}

func (c *trio) end() {
	for id := model.NodeID(1); id <= 3; id++ {
		if s := c.seats[id]; s.node != nil {
			if err := s.node.stop(); err != nil {
				c.t.Errorf("node %d: %v", id, err)
			}
			s.serve()
		}
	}
	c.dead.Wait()
}

// mustAgree waits until all have folded the same, and compares the bytes of
// their logs up to there.
func (c *trio) mustAgree(topics ...string) {
	c.t.Helper()
	for _, topic := range topics {
		for id := model.NodeID(1); id <= 3; id++ {
			if c.seats[id].node.awaitImage(hasTopic(topic)) == nil {
				c.t.Fatalf("node %d ended", id)
			}
		}
	}
	var want []byte
	var limit model.Offset = 1 << 40
	for _, s := range c.seats {
		hw, _ := s.node.commits.get()
		limit = min(limit, hw)
	}
	for id := model.NodeID(1); id <= 3; id++ {
		got, err := c.seats[id].node.log.read(0, limit, 1<<20)
		if err != nil {
			c.t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			c.t.Errorf("the log of node %d differs below %d", id, limit)
		}
	}
}

func (c *trio) create(topic string) {
	c.t.Helper()
	if err := c.seats[c.active()].node.create(topic); err != nil {
		c.t.Fatalf("create %s: %v", topic, err)
	}
}

func TestTrioElectsAndReplicates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		active := c.active()
		if err := c.seats[active].node.register(); err != nil {
			t.Fatal(err)
		}
		c.create("a")
		c.mustAgree("a")
		for id, s := range c.seats {
			if l, _ := s.node.Leader(); l.ID != active || l.Address != addressOf(active) {
				t.Errorf("node %d takes %+v for the leader, it is %d", id, l, active)
			}
			if id != active {
				if err := s.node.create("b"); !errors.Is(err, kerr.NotController) {
					t.Errorf("standby %d: %v, want NOT_CONTROLLER", id, err)
				}
			}
		}
		c.end()
	})
}

// TestTrioControllerIsKilled: the others take over as fast as refused connections
// tell, well before a fetch time-out; the dead one comes back as a follower.
func TestTrioControllerIsKilled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		first := c.active()
		if err := c.seats[first].node.register(); err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			time.Sleep(2 * time.Second) // virtual: a quick election is granted once an election time-out
			c.create(fmt.Sprint("before", round))
			c.mustAgree(fmt.Sprint("before", round))
			dead := c.active()
			at := time.Now()
			c.kill(dead, (*vfs.Mem).Crash)
			now := c.active()
			if took := time.Since(at); took > time.Second {
				t.Errorf("round %d: failover from %d to %d took %v", round, dead, now, took)
			}
			c.create(fmt.Sprint("after", round))
			c.start(dead)
			c.mustAgree(fmt.Sprint("after", round))
		}
		c.end()
	})
}

// TestTrioGivesUp: a controller that has decided what cannot be written tells who
// asked, and stops leading. Nothing of the decision is left, and the next epoch's
// controller goes on from what is committed.
func TestTrioGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		first := c.active()
		if err := c.seats[first].node.register(); err != nil {
			t.Fatal(err)
		}
		c.create("before")
		epoch, _ := c.seats[first].node.Claimed()
		_, err := c.seats[first].node.Node.submit(t.Context(), func(*controller.Machine, time.Time, model.Offset) controller.Result {
			return controller.Result{Records: []metadata.Versioned{{Record: &wire.NoOpRecord{}, Version: 99}}}
		})
		if !errors.Is(err, kerr.UnknownServerError) {
			t.Errorf("who asked is told %v", err)
		}
		for {
			next := c.seats[c.active()].node
			now, changed := next.Claimed()
			if now > epoch {
				break
			}
			select {
			case <-changed:
			case <-time.After(time.Millisecond): // virtual
			}
		}
		c.create("after")
		c.mustAgree("before", "after")
		c.end()
	})
}

// TestTrioSlowLeader: a leader whose disk takes half a minute goes on serving, and
// what the others have on their disks is committed.
func TestTrioSlowLeader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		leader := c.seats[c.active()]
		if err := leader.node.register(); err != nil {
			t.Fatal(err)
		}
		c.create("before")
		leader.syncs.Store(int64(30 * time.Second))
		at := time.Now()
		for i := range 10 {
			c.create(fmt.Sprint("during", i))
		}
		if took := time.Since(at); took > time.Second {
			t.Errorf("10 topics took %v", took)
		}
		s, _ := leader.node.Status()
		if now := c.active(); now != leader.id || s.HighWatermark <= s.Synced {
			t.Errorf("node %d leads, %d did, which has synced %d of %d that are committed", now, leader.id, s.Synced, s.HighWatermark)
		}
		leader.syncs.Store(0)
		c.mustAgree("before", "during9")
		c.end()
	})
}

// TestTrioSlowFollowers: a leader whose followers sync for ten seconds, and do not
// fetch meanwhile, is told by BeginQuorumEpoch that they follow, and they that it
// leads. It goes on in its epoch.
func TestTrioSlowFollowers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		leader := c.active()
		if err := c.seats[leader].node.register(); err != nil {
			t.Fatal(err)
		}
		c.create("before")
		before, _ := c.seats[leader].node.Status()
		for id, s := range c.seats {
			if id != leader {
				s.syncs.Store(int64(10 * time.Second))
			}
		}
		c.create("during")
		if after, _ := c.seats[leader].node.Status(); c.active() != leader || after.Epoch != before.Epoch {
			t.Errorf("node %d leads epoch %d, %d did in %d", c.active(), after.Epoch, leader, before.Epoch)
		}
		for _, s := range c.seats {
			s.syncs.Store(0)
		}
		c.mustAgree("before", "during")
		c.end()
	})
}

// TestTrioPowerLossOfSlowLeader: what was committed without the leader's disk is
// there although it loses its power, and the leader takes it from the others.
func TestTrioPowerLossOfSlowLeader(t *testing.T) {
	for seed := range uint64(8) {
		bubble(t, func(t *testing.T) {
			c := newTrio(t)
			leader := c.seats[c.active()]
			if err := leader.node.register(); err != nil {
				t.Fatal(err)
			}
			leader.syncs.Store(int64(30 * time.Second))
			c.create("a")
			c.kill(leader.id, func(m *vfs.Mem) *vfs.Mem { return m.PowerLoss(vfs.KeepRandom(seed)) })
			leader.syncs.Store(0)
			c.create("b")
			c.start(leader.id)
			c.mustAgree("a", "b")
			c.end()
		})
	}
}

// TestTrioVotesDuringASync: a follower that syncs for ten seconds votes meanwhile.
func TestTrioVotesDuringASync(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		leader := c.active()
		if err := c.seats[leader].node.register(); err != nil {
			t.Fatal(err)
		}
		slow, other := c.seats[leader%3+1], c.seats[(leader+1)%3+1]
		slow.syncs.Store(int64(10 * time.Second))
		c.create("a") // by the leader and the other
		synctest.Wait()
		if s, _ := slow.node.Status(); s.Synced >= s.End {
			t.Fatalf("the slow node has synced %d of %d before the election", s.Synced, s.End)
		}
		at := time.Now()
		c.kill(leader, (*vfs.Mem).Crash)
		for {
			s, changed := other.node.Status()
			if s.Role == kraft.Leader {
				break
			}
			<-changed
		}
		if took := time.Since(at); took > 5*time.Second {
			t.Errorf("the election took %v", took)
		}
		if s, _ := slow.node.Status(); s.Synced >= s.End {
			t.Errorf("the slow node has synced %d of %d", s.Synced, s.End)
		}
		slow.syncs.Store(0)
		c.active()
		c.create("b")
		c.start(leader)
		c.mustAgree("a", "b")
		c.end()
	})
}

// TestTrioHandsOver: a leader that stops in good order waits for the next one,
// which stands at once.
func TestTrioHandsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		first := c.active()
		s := c.seats[first]
		at := time.Now()
		s.node.HandOver(t.Context())
		if took := time.Since(at); took > 500*time.Millisecond {
			t.Errorf("handing over took %v", took)
		}
		if next := c.active(); next == first {
			t.Errorf("%d leads again", first)
		}
		c.end()
	})
}

// TestTrioAloneStops: who finds nobody to hand over to stops after 5 s.
func TestTrioAloneStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		active := c.active()
		for id := range c.seats {
			if id != active {
				c.kill(id, (*vfs.Mem).Crash)
			}
		}
		at := time.Now()
		mustStop(t, c.seats[active].node)
		if took := time.Since(at); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("the stop took %v", took)
		}
		c.seats[active].serve()
		c.seats[active].node = nil
		c.end()
	})
}

// TestTrioPowerLoss cuts the power of one, then of all: what was acknowledged is
// there when it is back.
func TestTrioPowerLoss(t *testing.T) {
	for seed := range uint64(8) {
		bubble(t, func(t *testing.T) {
			c := newTrio(t)
			if err := c.seats[c.active()].node.register(); err != nil {
				t.Fatal(err)
			}
			lose := func(m *vfs.Mem) *vfs.Mem { return m.PowerLoss(vfs.KeepRandom(seed)) }
			c.create("a")
			one := c.active()
			c.kill(one, lose)
			c.create("b")
			c.start(one)
			c.create("c")
			for id := range c.seats {
				c.kill(id, lose)
			}
			synctest.Wait()
			for id := range c.seats {
				c.start(id)
			}
			c.active()
			c.mustAgree("a", "b", "c")
			c.end()
		})
	}
}

// TestTrioDiskIsReplaced: a static voter that comes back with an empty disk takes
// the log from the others, and until then elects nobody.
func TestTrioDiskIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newTrio(t)
		if err := c.seats[c.active()].node.register(); err != nil {
			t.Fatal(err)
		}
		c.create("a")
		c.mustAgree("a")
		dead := c.active()
		c.kill(dead, func(*vfs.Mem) *vfs.Mem { return newDisk() })
		c.start(dead)
		if now := c.active(); now == dead {
			t.Errorf("node %d leads on its empty disk", dead)
		}
		c.create("b")
		c.mustAgree("a", "b")
		e, err := readElection(c.seats[dead].disk, c.seats[dead].node.log.dir)
		if err != nil || e.Behind {
			t.Errorf("quorum-state %+v, %v", e, err)
		}
		c.end()
	})
}
