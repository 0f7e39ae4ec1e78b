package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// bench is the whole run.
type bench struct {
	options
	dir      string // removed at the end
	lib      string // Apache Kafka's class path
	rows     []row
	results  results
	began    time.Time
	sessions int // so far, for directory names
}

// A session is one broker on an empty directory, or a cluster of several.
type session struct {
	bench  *bench
	dir    string
	addr   string // of all brokers, separated by commas
	nodes  []*node
	ready  time.Duration // from exec to the first acknowledged produce
	loaded bool          // it has been under load
	topics int
}

// A node is one broker of a session: its id is its place, counted from 1.
type node struct {
	*process
	addr    string
	command command
}

// brokers are the processes of all nodes.
func (s *session) brokers() []*process {
	var all []*process
	for _, n := range s.nodes {
		all = append(all, n.process)
	}
	return all
}

// seeds are the addresses of all nodes.
func (s *session) seeds() []string { return strings.Split(s.addr, ",") }

// run takes the sessions in turn, then the profiles, and reports.
func (b *bench) run(ctx context.Context) error {
	if err := b.writeLogging(); err != nil {
		return err
	}
	b.results = newResults(b.plan)
	for round := range b.plan.Runs {
		for _, system := range b.systems() {
			progressf("round %d of %d: %s (%s since the start)", round+1, b.plan.Runs, system.name, time.Since(b.began).Round(time.Second))
			if err := b.session(ctx, system, b.rows, nil); err != nil {
				return err
			}
		}
	}
	if err := b.profiles(ctx); err != nil {
		return err
	}
	b.results.Seconds = time.Since(b.began).Seconds()
	return b.report()
}

// session runs the rows on one broker. A row that fails is a result; only the end of ctx, or a broker that does not
// start, ends the whole.
func (b *bench) session(ctx context.Context, sys system, rows []row, env []string) (err error) {
	s, err := b.open(ctx, sys, env)
	if err != nil {
		return fmt.Errorf("%s: %w", sys.name, err)
	}
	defer func() {
		if failed := s.close(); failed != nil {
			b.results.fail("stop", sys.name, failed)
		}
	}()
	for _, r := range rows {
		if r.once && sys.name == policyOS {
			continue
		}
		taken, err := s.take(ctx, r)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			progressf("  %-22s %v", r.name, err)
			b.results.fail(r.name, sys.name, err)
		default:
			progressf("  %-22s %s", r.name, taken.text(r))
			b.results.add(r.name, sys.name, taken)
		}
	}
	return nil
}

// take measures one row.
func (s *session) take(ctx context.Context, r row) (sample, error) {
	m := measuring{session: s, ctx: ctx, plan: s.bench.plan}
	if r.underLoad() {
		if err := m.heat(); err != nil {
			return sample{}, err
		}
		settle()
	}
	return r.measure(m)
}

// open starts the brokers on an empty directory and produces the first record.
func (b *bench) open(ctx context.Context, sys system, env []string) (*session, error) {
	b.sessions++
	s := &session{bench: b, dir: filepath.Join(b.dir, fmt.Sprintf("%d-%s", b.sessions, sys.name))}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	var addrs []string
	for range b.plan.Nodes {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	s.addr = strings.Join(addrs, ",")
	commands, err := sys.prepare(ctx, s.dir, addrs)
	if err != nil {
		return nil, err
	}
	settle()
	for i, c := range commands {
		c.core, c.output, c.env = b.brokerCore, filepath.Join(s.dir, fmt.Sprintf("output-%d", i+1)), append(c.env, env...)
		n := &node{addr: addrs[i], command: c}
		if n.process, err = start(c); err != nil {
			s.kill()
			return nil, err
		}
		s.nodes = append(s.nodes, n)
	}
	if len(s.nodes) == 1 {
		s.ready, err = s.firstProduce(ctx)
	} else {
		err = s.whole(ctx)
	}
	if err != nil {
		s.kill()
		return nil, err
	}
	return s, nil
}

func (s *session) kill() {
	for _, n := range s.nodes {
		n.process.kill()
	}
}

// close stops the brokers, the last first, and removes what they wrote.
func (s *session) close() error {
	var err error
	for _, n := range slices.Backward(s.nodes[1:]) {
		err = errors.Join(err, n.terminate())
	}
	for _, n := range s.nodes {
		err = errors.Join(err, n.stop())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// newTopic creates a topic: of one partition, or for a cluster of enough for every node to lead.
func (s *session) newTopic(ctx context.Context) (string, error) {
	return s.newTopicOf(ctx, s.bench.plan.partitions())
}

func (s *session) newTopicOf(ctx context.Context, partitions int32) (string, error) {
	return s.newTopicWith(ctx, partitions, nil)
}

func (s *session) newTopicWith(ctx context.Context, partitions int32, configs map[string]*string) (string, error) {
	s.topics++
	name := fmt.Sprintf("row-%d", s.topics)
	client, err := kgo.NewClient(kgo.SeedBrokers(s.seeds()...))
	if err != nil {
		return "", err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(ctx, partitions, int16(s.bench.plan.copies()), configs, name)
	if err != nil {
		return "", fmt.Errorf("create topic %s: %w", name, err)
	}
	return name, nil
}

// profiles runs the rows of -profile once more, each on a Strom of its own that is asked for a CPU profile. The broker
// writes it when it stops.
func (b *bench) profiles(ctx context.Context) error {
	if b.profile == nil {
		return nil
	}
	if err := os.MkdirAll(b.profileDir, 0o755); err != nil {
		return err
	}
	dir, err := filepath.Abs(b.profileDir)
	if err != nil {
		return err
	}
	for _, r := range b.plan.selectRows(b.profile) {
		for _, policy := range []string{policyFsync, policyOS} {
			if r.once && policy == policyOS {
				continue
			}
			file := filepath.Join(dir, r.name+"."+policy+".pprof")
			aside := b.results
			b.results = newResults(b.plan) // a profiled broker is not measured
			err := b.session(ctx, b.stromWith(policy), []row{r}, []string{"STROM_CPUPROFILE=" + file})
			b.results = aside
			if err != nil {
				return err
			}
			if _, err := os.Stat(file); err != nil {
				progressf("no profile of %s: this program does not write STROM_CPUPROFILE", r.name)
			} else {
				progressf("profile: go tool pprof -top %s", filepath.Join(b.profileDir, filepath.Base(file)))
			}
		}
	}
	return nil
}
