// Package simtest is a whole cluster in one process on virtual time: real nodes
// and real clients in a bubble of testing/synctest, with a network whose links
// are cut and disks that lose what was not synced.
//
// A seed names the faults: which, of whom, when and for how long. The goroutines
// of nodes and clients are real, so that a seed does not replay every step; a
// failure saves the history that the clients recorded.
package simtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/history"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/workload"
)

// Plan is one simulation.
type Plan struct {
	Shape
	Seed     uint64
	Length   time.Duration // of the time in which faults happen
	Settings []string      // name=value, for every node
	Sync     time.Duration // how long a sync of a partition takes at most; 0 is usualSync
	Minimum  history.Minimum
	Only     []string // faults, by name; all if empty
	Calm     bool     // one fault at a time, and the next when the cluster is whole again
	// Dir is where a failure leaves its history and the nodes' logs; a temporary
	// one if empty.
	Dir string

	wrap func(vfs.FS) vfs.FS // each node's disk
}

// usualSync bounds how long a sync of a partition takes. In no time at all nothing
// could happen between a write and its sync.
const usualSync = 8 * time.Millisecond

const (
	startPatience = 2 * time.Minute
	healPatience  = 5 * time.Minute
	readPatience  = 5 * time.Minute
	realPatience  = 2 * time.Minute // of the real clock, for one simulation
)

// Run runs a simulation, and fails the test with what it finds.
func Run(t *testing.T, p Plan) {
	t.Helper()
	// Who waits for a lock stops the bubble's time, and if its holder waits for
	// time to pass, for ever.
	stalled := time.AfterFunc(realPatience, func() { panic(fmt.Sprintf("seed %d (%s): time stands still in the bubble", p.Seed, p.Shape)) })
	defer stalled.Stop()
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{plan: p, logs: &logs{}}
		report, err := s.run(t.Context())
		switch {
		case err != nil:
			t.Errorf("seed %d (%s): %v", p.Seed, p.Shape, err)
		case report.Verdict() != history.Fine:
			t.Errorf("seed %d (%s):\n%s", p.Seed, p.Shape, report)
		default:
			t.Logf("seed %d (%s):\n%s", p.Seed, p.Shape, report)
			return
		}
		if where, err := s.save(); err != nil {
			t.Errorf("the history could not be saved: %v", err)
		} else {
			t.Logf("the history and the nodes' logs are in %s", where)
		}
	})
}

// simulation is one run of a plan.
type simulation struct {
	plan    Plan
	logs    *logs
	cluster *cluster
	work    workload.Options
}

// logs are the nodes' logs, each line with its time on the bubble's clock.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) trace(format string, args ...any) {
	fmt.Fprintf(l, "--- "+format+"\n", args...)
}

func (s *simulation) run(ctx context.Context) (*history.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.work = workload.Options{Topics: topics, Every: 100 * time.Millisecond, Size: 100, Seed: s.plan.Seed, Record: workload.NewRecorder(), Patience: 20 * time.Second,
		Transactions: 2, Copies: workload.Copies{From: "a", To: copied}, Groups: groups}
	var err error
	s.cluster, err = newCluster(s.plan, s.logs)
	defer s.cluster.close()
	if err != nil {
		return nil, err
	}
	starting, stop := context.WithTimeout(ctx, startPatience)
	defer stop()
	if err := s.cluster.createTopics(starting); err != nil {
		return nil, err
	}
	if err := s.cluster.awaitWhole(starting); err != nil {
		return nil, fmt.Errorf("the cluster was not whole at the beginning: %w", err)
	}
	died, err := s.torment(ctx)
	if err != nil {
		return nil, err
	}
	batches, differences, err := s.compare(ctx)
	if err != nil {
		return nil, err
	}
	report := history.Check(s.work.Record.History(), s.plan.Minimum)
	for _, d := range died {
		report.Add("a node ended by itself", d)
	}
	for _, d := range differences {
		report.Add("copies differ", d)
	}
	if batches == 0 {
		report.Add("copies differ", "there was nothing to compare")
	}
	return report, nil
}

// torment runs the clients while faults happen, heals, and reads everything.
func (s *simulation) torment(ctx context.Context) (died []string, err error) {
	s.work.Seeds, s.work.Dial = s.cluster.seeds(), s.cluster.dial
	working, stop := context.WithCancel(ctx)
	defer stop()
	clients := make(chan error, 1)
	go func() { clients <- s.work.Run(working) }()
	m := &nemesis{cluster: s.cluster, only: s.plan.Only, calm: s.plan.Calm, rng: rand.New(rand.NewPCG(s.plan.Seed, 0x51)), record: s.work.Record, excused: map[*node]bool{}, trace: s.logs.trace}
	time.Sleep(time.Second)
	if err := m.rage(ctx, s.plan.Length, s.plan.Minimum.Faults); err != nil {
		stop()
		return nil, errors.Join(err, <-clients)
	}
	s.cluster.network.Heal()
	s.logs.trace("%v: healing", s.work.Record.Now())
	err = m.whole(ctx)
	time.Sleep(2 * time.Second) // of undisturbed work
	stop()
	if failed := <-clients; failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	m.watch()
	reading, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	return m.died, s.work.ReadAll(reading)
}

// compare stops the nodes and compares their copies.
func (s *simulation) compare(ctx context.Context) (batches int, differences []string, err error) {
	ends, err := s.cluster.ends(ctx)
	if err != nil {
		return 0, nil, err
	}
	var stopping sync.WaitGroup
	for _, n := range s.cluster.nodes {
		stopping.Go(func() { n.stop(30 * time.Second) })
	}
	stopping.Wait()
	batches, differences = s.cluster.compare(ends)
	return batches, differences, nil
}

// save writes what a failure leaves.
func (s *simulation) save() (string, error) {
	dir := s.plan.Dir
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "strom-sim")
	}
	dir = filepath.Join(dir, fmt.Sprintf("seed-%d-%d-nodes", s.plan.Seed, s.plan.Nodes))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var saved bytes.Buffer
	if err := s.work.Record.History().Write(&saved); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "history.jsonl"), saved.Bytes(), 0o644); err != nil {
		return "", err
	}
	s.logs.mu.Lock()
	defer s.logs.mu.Unlock()
	return dir, os.WriteFile(filepath.Join(dir, "nodes.log"), s.logs.text.Bytes(), 0o644)
}
