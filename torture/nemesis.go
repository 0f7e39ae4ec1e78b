package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/history"
)

// The faults to choose from.
const (
	faultKill      = "kill"      // SIGKILL, and a new start
	faultPause     = "pause"     // SIGSTOP, and SIGCONT
	faultRestart   = "restart"   // SIGTERM, and a new start
	faultPartition = "partition" // links that lose everything
	faultFull      = "full"      // a disk without room
)

var allFaults = []string{faultKill, faultPause, faultPartition, faultFull, faultRestart}

// nemesis lets faults happen, by its seed.
type nemesis struct {
	*run
	rng    *rand.Rand
	filled map[*node]bool // its disk has been full, so it may have ended by itself
}

// rage lets faults happen, one after the other and sometimes two at once, until
// the time is over. All that it broke is whole again when it returns, but what
// takes time to recover.
func (n *nemesis) rage(ctx context.Context) error {
	if err := n.awaitWhole(ctx, startPatience); err != nil {
		return fmt.Errorf("the cluster was not whole at the beginning: %w", err)
	}
	if err := wait(ctx, 2*time.Second); err != nil { // of undisturbed work
		return err
	}
	for end := time.Now().Add(n.time); len(n.faults) > 0 && time.Now().Before(end); {
		count := 1
		if !n.calm && n.rng.IntN(4) == 0 {
			count = 2
		}
		if err := n.strike(ctx, count); err != nil {
			return err
		}
		n.watch()
		if err := n.rest(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// rest is the time between faults: none, some, or until everything is whole.
func (n *nemesis) rest(ctx context.Context) error {
	if n.calm {
		if err := n.awaitWhole(ctx, healPatience); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.find(foundUnhealed, "%v after a fault: %v", healPatience, err)
		}
		n.spread(ctx)
		return wait(ctx, time.Second)
	}
	return wait(ctx, time.Duration(n.rng.IntN(4))*n.between(0, 2*time.Second))
}

// spread gives each partition its preferred leader, so that every node leads some
// when the next fault happens. A program that cannot do that goes on without.
func (n *nemesis) spread(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := n.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil); err != nil {
		n.say("the preferred leaders were not elected: %v", err)
	}
}

func (n *nemesis) between(from, to time.Duration) time.Duration {
	return from + time.Duration(n.rng.Int64N(int64(to-from)))
}

// attack is one fault: what to do, for how long, and how to undo it.
type attack struct {
	op    history.Op
	ends  []*node // whose process it ends and starts
	lasts time.Duration
	begin func() error
	end   func() error
}

// strike lets faults of different nodes happen at once. Of two that both would end
// and start one process, as a fault of all nodes may, only the first happens.
func (n *nemesis) strike(ctx context.Context, count int) error {
	var all []*attack
	ending := map[*node]bool{}
	for _, i := range n.rng.Perm(len(n.nodes))[:min(count, len(n.nodes))] {
		a := n.choose(n.nodes[i])
		if slices.ContainsFunc(a.ends, func(v *node) bool { return ending[v] }) {
			continue
		}
		for _, v := range a.ends {
			ending[v] = true
		}
		all = append(all, a)
	}
	var running sync.WaitGroup
	failed := make([]error, len(all))
	for i, a := range all {
		running.Go(func() { failed[i] = n.perform(ctx, a) })
	}
	running.Wait()
	return errors.Join(failed...)
}

// perform undoes what it has begun however it ends.
func (n *nemesis) perform(ctx context.Context, a *attack) error {
	a.op.Kind, a.op.Begin = history.Fault, n.record.Now()
	n.say("%s of %s for %v %s", a.op.Fault, a.op.Target, a.lasts.Round(time.Millisecond), a.op.Note)
	err := a.begin()
	if err == nil {
		err = wait(ctx, a.lasts)
	}
	err = errors.Join(err, a.end())
	a.op.End = n.record.Now()
	n.record.Add(a.op)
	return err
}

// choose draws a fault for a node. Everything random is drawn here, so that the
// schedule depends on the seed alone.
func (n *nemesis) choose(victim *node) *attack {
	a := &attack{op: history.Op{Fault: n.faults[n.rng.IntN(len(n.faults))], Target: fmt.Sprintf("node %d", victim.id)}, end: func() error { return nil }}
	switch a.op.Fault {
	case faultKill:
		n.kill(a, victim)
	case faultPause:
		a.lasts = []time.Duration{n.between(100*time.Millisecond, time.Second), n.between(time.Second, 5*time.Second), n.between(5*time.Second, 15*time.Second)}[n.rng.IntN(3)]
		a.begin = func() error { return victim.signal(syscall.SIGSTOP) }
		a.end = func() error { return victim.signal(syscall.SIGCONT) }
	case faultRestart:
		n.restart(a, victim)
	case faultPartition:
		n.partition(a, victim)
	case faultFull:
		a.lasts = n.between(time.Second, 8*time.Second)
		a.begin = func() error { n.filled[victim] = true; return fill(victim.disk()) }
		a.end = func() error { return os.Remove(filler(victim.disk())) }
	}
	return a
}

// kill ends one node, or all at once, and starts them again after a while.
func (n *nemesis) kill(a *attack, victim *node) {
	victims := []*node{victim}
	if !n.calm && n.rng.IntN(6) == 0 {
		victims, a.op.Target = n.nodes, "all nodes"
	}
	a.ends = victims
	a.lasts = n.between(0, 3*time.Second)
	if n.calm {
		a.lasts = n.between(2*time.Second, 3*time.Second) // long enough to be missed
	}
	if len(victims) == 1 {
		a.op.Partitions, a.op.Note = n.ledBy(victim)
	}
	a.begin = func() error {
		a.op.Begin = n.record.Now()
		for _, v := range victims {
			if err := v.signal(syscall.SIGKILL); err != nil {
				return err
			}
		}
		for _, v := range victims {
			v.gone()
		}
		return nil
	}
	a.end = func() error {
		var all []error
		for _, v := range victims {
			all = append(all, v.start())
		}
		return errors.Join(all...)
	}
}

// restart stops nodes in good order and starts them again: one, or one after the
// other.
func (n *nemesis) restart(a *attack, victim *node) {
	victims := []*node{victim}
	if !n.calm && n.rng.IntN(5) == 0 {
		victims, a.op.Target = n.nodes, "all nodes in turn"
	}
	a.ends = victims
	a.begin = func() error {
		for _, v := range victims {
			if err := errors.Join(n.stop(v), v.start()); err != nil {
				return err
			}
		}
		return nil
	}
}

// partition cuts links of a node: from the others in both directions or in one,
// from the clients too, or again and again.
func (n *nemesis) partition(a *attack, victim *node) {
	var links [][2]int
	others := n.nodes
	style := []string{"both ways", "its words are not heard", "it hears nothing", "from the clients too", "flapping", "one link"}[n.rng.IntN(6)]
	if style == "one link" {
		others = []*node{n.nodes[n.rng.IntN(len(n.nodes))]}
	}
	for _, o := range others {
		if o == victim {
			continue
		}
		if style != "it hears nothing" {
			links = append(links, [2]int{victim.id, o.id})
		}
		if style != "its words are not heard" {
			links = append(links, [2]int{o.id, victim.id})
		}
	}
	if style == "from the clients too" {
		links = append(links, [2]int{victim.id, 0}, [2]int{0, victim.id})
	}
	a.op.Note = style
	each := func(do func(from, to int) error) error {
		var all []error
		for _, l := range links {
			all = append(all, do(l[0], l[1]))
		}
		return errors.Join(all...)
	}
	a.lasts = n.between(time.Second, 12*time.Second)
	a.begin = func() error { return each(n.network.cut) }
	a.end = func() error { return each(n.network.mend) }
	if style == "flapping" {
		times := int(a.lasts / time.Second)
		a.lasts = 0
		a.begin = func() error {
			for range times {
				if err := errors.Join(each(n.network.cut), wait(context.Background(), 500*time.Millisecond), each(n.network.mend)); err != nil {
					return err
				}
				if err := wait(context.Background(), 500*time.Millisecond); err != nil {
					return err
				}
			}
			return nil
		}
	}
}

// watch starts nodes again that have ended by themselves. A full disk is a reason
// to do that; anything else is a finding. It reports whether there were any.
func (n *nemesis) watch() (some bool) {
	for _, one := range n.nodes {
		if !one.down() {
			continue
		}
		one.gone()
		some = true
		if n.filled[one] {
			n.say("node %d had ended, as its disk was full; starting it again", one.id)
		} else {
			n.find(foundDied, "node %d: %s", one.id, one.tail())
		}
		if err := one.start(); err != nil {
			n.find(foundDied, "node %d cannot be started again: %v", one.id, err)
		}
	}
	return some
}

// noteController marks a fault of the active controller.
const noteController = "active controller"

// ledBy are the partitions that a node leads, and a note if it is the active
// controller. It is asked right before a fault; when nobody answers, nothing is
// known.
func (n *nemesis) ledBy(victim *node) (led []history.Partition, note string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	metadata, err := n.admin.Metadata(ctx, topicNames()...)
	if err != nil {
		return nil, ""
	}
	for topic, t := range metadata.Topics {
		for i, p := range t.Partitions {
			if int(p.Leader) == victim.id {
				led = append(led, history.Partition{Topic: topic, Index: i})
			}
		}
	}
	slices.SortFunc(led, func(a, b history.Partition) int { return strings.Compare(a.String(), b.String()) })
	if n.leaderOfQuorum(ctx) == victim.id {
		note = noteController
	}
	return led, note
}

// leaderOfQuorum is the active controller; 0 if nobody says.
func (n *nemesis) leaderOfQuorum(ctx context.Context) int {
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(ctx, n.client)
	if err != nil || len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
		return 0
	}
	return int(response.Topics[0].Partitions[0].LeaderID)
}

// filler is the file that takes a disk's room.
func filler(disk string) string { return filepath.Join(disk, "filler") }

// fill takes all the room that a disk has.
func fill(disk string) (err error) {
	f, err := os.Create(filler(disk))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		zeros := make([]byte, size)
		for {
			if _, err := f.Write(zeros); errors.Is(err, syscall.ENOSPC) {
				break
			} else if err != nil {
				return err
			}
		}
	}
	return nil
}
