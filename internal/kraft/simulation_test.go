package kraft

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/model"
)

// checker holds what must be true of the whole quorum after every step; its
// properties are those of Kafka's RaftEventSimulationTest.
type checker struct {
	epochs    map[model.NodeID]model.Epoch
	marks     map[model.NodeID]model.Offset // high watermark of the node's present life
	leaders   map[model.Epoch]model.NodeID
	committed []entry
}

func newChecker() *checker {
	return &checker{epochs: map[model.NodeID]model.Epoch{}, marks: map[model.NodeID]model.Offset{}, leaders: map[model.Epoch]model.NodeID{}}
}

func (c *checker) check(net *network) error {
	for _, id := range slices.Sorted(maps.Keys(net.nodes)) {
		nd := net.nodes[id]
		if nd.m == nil {
			c.marks[id] = -1
			continue
		}
		if nd.halt != "" {
			return fmt.Errorf("node %d halted: %s", id, nd.halt)
		}
		for _, p := range []func(*node) error{c.monotonicEpoch, c.singleLeader, c.monotonicHighWatermark, c.consistentCommitted} {
			if err := p(nd); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *checker) monotonicEpoch(nd *node) error {
	id, epoch := nd.cfg.NodeID, nd.m.epoch
	if epoch < c.epochs[id] {
		return fmt.Errorf("node %d went from epoch %d back to %d", id, c.epochs[id], epoch)
	}
	c.epochs[id] = epoch
	return nil
}

func (c *checker) singleLeader(nd *node) error {
	if nd.m.leader < 0 {
		return nil
	}
	if was, ok := c.leaders[nd.m.epoch]; ok && was != nd.m.leader {
		return fmt.Errorf("epoch %d has leaders %d and %d", nd.m.epoch, was, nd.m.leader)
	}
	c.leaders[nd.m.epoch] = nd.m.leader
	return nil
}

func (c *checker) monotonicHighWatermark(nd *node) error {
	id := nd.cfg.NodeID
	if was, ok := c.marks[id]; ok && nd.hw < was {
		return fmt.Errorf("node %d: high watermark went from %d to %d", id, c.marks[id], nd.hw)
	}
	c.marks[id] = nd.hw
	return nil
}

// consistentCommitted holds each node's committed records against those that
// any node ever called committed, those inside its newest snapshot too.
func (c *checker) consistentCommitted(nd *node) error {
	d := &nd.disk
	at := d.start
	if n := len(d.snapshots); n > 0 {
		at = 0
		if err := c.compare(nd, at, decodeEntries(d.snapshots[n-1].content)); err != nil {
			return err
		}
		at = d.start
	}
	return c.compare(nd, at, d.entries[:max(0, min(nd.hw-d.start, model.Offset(len(d.entries))))])
}

func (c *checker) compare(nd *node, base model.Offset, entries []entry) error {
	for i, e := range entries {
		at := int(base) + i
		switch {
		case at < len(c.committed):
			if got, want := e, c.committed[at]; got.Epoch != want.Epoch || got.Value != want.Value {
				return fmt.Errorf("node %d: committed record %d is %v, was %v", nd.cfg.NodeID, at, got, want)
			}
		case at == len(c.committed):
			c.committed = append(c.committed, e)
		default:
			return fmt.Errorf("node %d: committed record %d appeared before %d", nd.cfg.NodeID, at, len(c.committed))
		}
	}
	return nil
}

// TestSimulation lets a leader and two observers live under a random schedule:
// appends with and without sync, lost and late messages, crashes that lose what
// was not synced, snapshots, cleaning. In the end all is quiet and every node
// must have caught up.
func TestSimulation(t *testing.T) {
	for seed := range uint64(25) {
		if err := simulate(seed, 400); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func simulate(seed uint64, steps int) error {
	r := rand.New(rand.NewPCG(seed, 7))
	net, c := newNetwork(), newChecker()
	ids := []model.NodeID{1, 2, 3}
	for _, id := range ids {
		cfg := testConfig(id, voterSet(1))
		cfg.Rand = r
		cfg.Controller = id < 3
		if err := net.add(cfg, nil).start(); err != nil {
			return err
		}
	}
	for i := range steps {
		if err := disturb(net, r, i); err != nil {
			return err
		}
		if err := c.check(net); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return calm(net, c, ids)
}

func disturb(net *network, r *rand.Rand, i int) error {
	nd := net.nodes[model.NodeID(1+r.IntN(3))]
	leader := net.nodes[1]
	switch x := r.IntN(100); {
	case x < 50 && len(net.queue) > 0:
		net.deliver(r.IntN(len(net.queue)))
	case x < 55 && len(net.queue) > 0:
		net.drop(r.IntN(len(net.queue)))
	case x < 70 && leader.m != nil:
		leader.append(fmt.Sprint("v", i))
	case x < 80 && leader.m != nil:
		leader.sync()
	case x < 83 && nd.m != nil:
		nd.crash()
	case x < 90 && nd.m == nil:
		return nd.start()
	case x < 92 && nd.m != nil:
		nd.freeze()
	case x < 93 && nd.m != nil:
		nd.clean()
	default:
		pass(net, time.Duration(r.IntN(800))*time.Millisecond)
	}
	return nil
}

func pass(net *network, d time.Duration) {
	net.now = net.now.Add(d)
	for _, id := range slices.Sorted(maps.Keys(net.nodes)) {
		net.nodes[id].step(Tick{})
	}
}

// calm is the liveness half: nothing fails any more.
func calm(net *network, c *checker, ids []model.NodeID) error {
	for _, id := range ids {
		if net.nodes[id].m == nil {
			if err := net.nodes[id].start(); err != nil {
				return err
			}
		}
	}
	leader := net.nodes[1]
	leader.append("last")
	leader.sync()
	for range 40 {
		net.settle()
		pass(net, 400*time.Millisecond)
		if err := c.check(net); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if nd := net.nodes[id]; nd.hw != leader.disk.end() {
			return fmt.Errorf("node %d stays at high watermark %d, the log ends at %d", id, nd.hw, leader.disk.end())
		}
	}
	return nil
}
