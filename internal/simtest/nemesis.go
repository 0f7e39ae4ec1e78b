package simtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/history"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/workload"
)

// nemesis breaks a cluster, by its seed.
type nemesis struct {
	cluster *cluster
	rng     *rand.Rand
	record  *workload.Recorder
	only    []string       // faults, by name; all if empty
	calm    bool           // one fault at a time, and the next when the cluster is whole again
	excused map[*node]bool // its disk misbehaved, so it may have ended by itself
	died    []string
	trace   func(format string, args ...any)
}

// A fault happens to a node: begin, a while, end.
type fault struct {
	name       string
	lasts      time.Duration
	begin, end func()
}

func nothing() {}

// rage lets faults happen until the time is over and there were enough: one, or
// two at once.
func (m *nemesis) rage(ctx context.Context, length time.Duration, enough int) error {
	for end, struck := time.Now().Add(length), 0; time.Now().Before(end) || struck < enough; {
		victims := m.rng.Perm(len(m.cluster.nodes))
		count := 1
		if len(victims) > 1 && !m.calm && m.rng.IntN(4) == 0 {
			count = 2
		}
		m.strike(ctx, victims[:count])
		struck += count
		m.watch()
		if m.calm {
			if err := m.whole(ctx); err != nil {
				return err
			}
		}
		if err := wait(ctx, time.Duration(m.rng.IntN(3))*m.between(0, 2*time.Second)); err != nil {
			return err
		}
	}
	return nil
}

// whole waits until the cluster is whole again.
func (m *nemesis) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healPatience)
	defer cancel()
	// A node whose disk failed a moment ago may still be about to end.
	if err := wait(ctx, 10*time.Second); err != nil {
		return err
	}
	m.watch()
	if err := m.cluster.awaitWhole(ctx); err != nil {
		return fmt.Errorf("%w: %w", errUnhealed, err)
	}
	return nil
}

func (m *nemesis) between(from, to time.Duration) time.Duration {
	return from + time.Duration(m.rng.Int64N(int64(to-from)))
}

// strike begins faults of several nodes, in the order drawn, and ends each when
// its time has come.
func (m *nemesis) strike(ctx context.Context, victims []int) {
	type running struct {
		fault
		op history.Op
	}
	var all []*running
	for _, v := range victims {
		n := m.cluster.nodes[v]
		f := m.choose(n)
		r := &running{f, history.Op{Kind: history.Fault, Fault: f.name, Target: n.name, Begin: m.record.Now()}}
		m.trace("%v: %s of %s for %v", m.record.Now(), f.name, n.name, f.lasts)
		f.begin()
		all = append(all, r)
	}
	begun := time.Now()
	for len(all) > 0 {
		next := 0
		for i, r := range all {
			if r.lasts < all[next].lasts {
				next = i
			}
		}
		_ = wait(ctx, time.Until(begun.Add(all[next].lasts))) // however it ends, the fault is undone
		all[next].end()
		all[next].op.End = m.record.Now()
		m.record.Add(all[next].op)
		all = append(all[:next], all[next+1:]...)
	}
}

// choose draws a fault for a node.
func (m *nemesis) choose(n *node) fault {
	kinds := []func(*node) fault{m.kill, m.power, m.restart, m.slowDisk, m.fullDisk, m.failingDisk, m.skew, m.jump}
	if len(m.cluster.nodes) > 1 {
		kinds = append(kinds, m.powerOfAll, m.cut, m.cut, m.oneWay, m.flap, m.slowLinks, m.refuse, m.rolling)
	}
	if m.calm {
		// A copy that is damaged is one fewer, so nothing else may be broken.
		kinds = append(kinds, m.rot, m.cutFile)
	}
	for {
		f := kinds[m.rng.IntN(len(kinds))](n)
		if len(m.only) == 0 || slices.Contains(m.only, f.name) {
			return f
		}
	}
}

func (m *nemesis) kill(n *node) fault {
	return fault{"kill", m.between(0, 4*time.Second), n.kill, func() { m.start(n) }}
}

func (m *nemesis) power(n *node) fault {
	seed := m.rng.Uint64()
	return fault{"power loss", m.between(0, 15*time.Second), func() { n.losePower(seed) }, func() { m.start(n) }}
}

// powerOfAll is the rack's fuse.
func (m *nemesis) powerOfAll(*node) fault {
	seed := m.rng.Uint64()
	begin := func() {
		for i, n := range m.cluster.nodes {
			n.losePower(seed + uint64(i))
		}
	}
	end := func() {
		for _, n := range m.cluster.nodes {
			m.start(n)
		}
	}
	return fault{"power loss of all", m.between(0, 5*time.Second), begin, end}
}

func (m *nemesis) restart(n *node) fault {
	return fault{"restart", 0, func() { n.stop(30 * time.Second) }, func() { m.start(n) }}
}

func (m *nemesis) rolling(*node) fault {
	return fault{"rolling restart", 0, func() {
		for _, n := range m.cluster.nodes {
			n.stop(30 * time.Second)
			m.start(n)
			time.Sleep(time.Second)
		}
	}, nothing}
}

// skew restarts the node with another clock.
func (m *nemesis) skew(n *node) fault {
	by := m.between(-time.Hour, time.Hour)
	return fault{"clock skew", 0, func() { n.stop(30 * time.Second) }, func() { n.skew.Store(int64(by)); m.start(n) }}
}

// jump sets the clock of a running node, and back.
func (m *nemesis) jump(n *node) fault {
	by := m.between(-12*time.Hour, 12*time.Hour)
	was := n.skew.Load()
	return fault{"clock jump", m.between(100*time.Millisecond, 15*time.Second), func() { n.skew.Store(int64(by)) }, func() { n.skew.Store(was) }}
}

func (m *nemesis) disk(name string, n *node, hook func(vfs.Op) error, lasts time.Duration) fault {
	begin := func() { n.hook(hook) }
	return fault{name, lasts, begin, func() { n.hook(nil) }}
}

func (m *nemesis) slowDisk(n *node) fault {
	takes := m.between(10*time.Millisecond, time.Second)
	return m.disk("slow disk", n, slow(func() time.Duration { return takes }), m.between(time.Second, 5*time.Second))
}

func (m *nemesis) fullDisk(n *node) fault {
	f := m.disk("full disk", n, n.full, m.between(time.Second, 8*time.Second))
	f.begin = func() {
		if n.starting() { // recovery writes; a node may not come up on a full disk
			m.excused[n] = true
		}
		n.hook(n.full)
	}
	return f
}

func (m *nemesis) failingDisk(n *node) fault {
	of := []string{"data/a-0", "data/a-1", "data/b-0", "data/journal", "data/"}[m.rng.IntN(5)]
	f := m.disk("failing disk", n, failing(of), m.between(time.Second, 4*time.Second))
	f.begin = func() { m.excused[n] = true; n.hook(failing(of)) }
	return f
}

func (m *nemesis) links(links []link, cut bool) {
	for _, l := range links {
		m.cluster.network.Cut(l.from, l.to, cut)
	}
}

func (m *nemesis) hosts() []string {
	var all []string
	for _, n := range m.cluster.nodes {
		all = append(all, n.name)
	}
	return all
}

// cut isolates a node from the others, and half of the time from the clients too.
func (m *nemesis) cut(n *node) fault {
	others := m.hosts()
	if m.rng.IntN(2) == 0 {
		others = append(others, clients)
	}
	links := between([]string{n.name}, others)
	return fault{"partition", m.between(time.Second, 15*time.Second), func() { m.links(links, true) }, func() { m.links(links, false) }}
}

// oneWay cuts one direction of a node's links to the others.
func (m *nemesis) oneWay(n *node) fault {
	var links []link
	deaf := m.rng.IntN(2) == 0
	for _, l := range between([]string{n.name}, m.hosts()) {
		if (l.to == n.name) == deaf {
			links = append(links, l)
		}
	}
	return fault{"one-way partition", m.between(time.Second, 15*time.Second), func() { m.links(links, true) }, func() { m.links(links, false) }}
}

func (m *nemesis) flap(n *node) fault {
	links := between([]string{n.name}, m.hosts())
	times, period := 3+m.rng.IntN(8), m.between(50*time.Millisecond, 2*time.Second)
	return fault{"flapping partition", 0, func() {
		for range times {
			m.links(links, true)
			time.Sleep(period)
			m.links(links, false)
			time.Sleep(period)
		}
	}, nothing}
}

func (m *nemesis) slowLinks(n *node) fault {
	links := between([]string{n.name}, m.hosts())
	delay := m.between(time.Millisecond, 500*time.Millisecond)
	set := func(d time.Duration) {
		for _, l := range links {
			m.cluster.network.Delay(l.from, l.to, d)
		}
	}
	return fault{"slow links", m.between(time.Second, 8*time.Second), func() { set(delay) }, func() { set(0) }}
}

func (m *nemesis) refuse(n *node) fault {
	set := func(refuse bool) {
		for _, l := range between([]string{n.name}, append(m.hosts(), clients)) {
			m.cluster.network.Refuse(l.from, l.to, refuse)
		}
	}
	return fault{"refused connections", m.between(time.Second, 8*time.Second), func() { set(true) }, func() { set(false) }}
}

// damage kills a node and damages one of its files of a partition before it
// starts again.
func (m *nemesis) damage(name string, n *node, do func(f vfs.File, size int64) error) fault {
	p := []string{"data/a-0", "data/a-1", "data/b-0"}[m.rng.IntN(3)]
	return fault{name, m.between(0, time.Second), n.kill, func() {
		if err := n.damage(p, do); err != nil {
			m.died = append(m.died, fmt.Sprintf("%s: %s of %s: %v", n.name, name, p, err))
		}
		m.start(n)
	}}
}

func (m *nemesis) rot(n *node) fault {
	at, bit := m.rng.Float64(), byte(1)<<m.rng.IntN(8)
	return m.damage("bit rot", n, func(f vfs.File, size int64) error {
		var b [1]byte
		offset := int64(at * float64(size))
		if _, err := f.ReadAt(b[:], offset); err != nil {
			return err
		}
		b[0] ^= bit
		_, err := f.WriteAt(b[:], offset)
		return err
	})
}

func (m *nemesis) cutFile(n *node) fault {
	at := m.rng.Float64()
	return m.damage("truncated file", n, func(f vfs.File, size int64) error { return f.Truncate(int64(at * float64(size))) })
}

// start starts a node that a fault has ended.
func (m *nemesis) start(n *node) {
	if down, _ := n.down(); !down {
		return // another fault's end has started it
	}
	n.take()
	if err := n.start(); err != nil {
		m.died = append(m.died, fmt.Sprintf("%s cannot be started again: %v", n.name, err))
	}
}

// watch starts nodes again that have ended by themselves. A disk that misbehaved
// is a reason to do that; anything else is a finding.
func (m *nemesis) watch() {
	for _, n := range m.cluster.nodes {
		down, err := n.down()
		if !down {
			continue
		}
		m.trace("%v: %s has ended by itself: %v", m.record.Now(), n.name, err)
		if !m.excused[n] {
			m.died = append(m.died, fmt.Sprintf("%s: %v: %v", n.name, errDied, err))
		}
		n.take()
		m.start(n)
	}
}
