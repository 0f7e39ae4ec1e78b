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
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"github.com/stromkafka/strom/internal/copies"
	"github.com/stromkafka/strom/internal/history"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/workload"
)

// Findings of the run itself, beside those of the history.
const (
	foundUnhealed  = "did not heal"
	foundDied      = "a node ended by itself"
	foundBroke     = "a node broke"
	foundDifferent = "copies differ"
)

// topics are what the clients work on, by partitions; copies is where copiers write
// what they read of events.
var topics = map[string]int32{"orders": 6, "events": 3, "alone": 1, "copies": 2}

// groups read orders, one in each protocol.
var groups = []workload.Group{{Name: "classic", Topic: "orders", Members: 3}, {Name: "consumer", Topic: "orders", Members: 3, Consumer: true}}

// replicas of each partition, if there are as many brokers.
const replicas = 3

// controllers is how many there are beside isolated brokers.
const controllers = 3

const (
	startPatience = 2 * time.Minute
	healPatience  = 2 * time.Minute
	readPatience  = 2 * time.Minute
	sendPatience  = 30 * time.Second
)

// run is one cluster's life.
type run struct {
	*options
	dir   string
	began time.Time

	network network
	nodes   []*node // brokers first
	record  *workload.Recorder
	client  *kgo.Client
	admin   *kadm.Client
	work    workload.Options
	found   []finding
}

type finding struct{ kind, text string }

func (r *run) find(kind, format string, args ...any) {
	f := finding{kind, fmt.Sprintf(format, args...)}
	r.say("FOUND %s: %s", f.kind, f.text)
	r.found = append(r.found, f)
}

// say tells what happens, with the time since the beginning.
func (r *run) say(format string, args ...any) {
	fmt.Printf("%8.2fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

func (r *run) historyFile() string { return filepath.Join(r.dir, "history.jsonl") }

// do is the whole run. An error says that it did not come to its end.
func (r *run) do(ctx context.Context) (_ *history.Report, err error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	defer func() {
		for _, n := range r.nodes {
			err = errors.Join(err, n.kill())
		}
	}()
	r.say("seed %d: %d nodes of %s, faults %s for %v", r.seed, len(r.nodes), filepath.Base(r.program), strings.Join(r.faults, ","), r.time)
	if err := r.startAll(ctx); err != nil {
		return nil, err
	}
	r.record = workload.NewRecorder()
	clients, err := os.Create(filepath.Join(r.dir, "clients"))
	if err != nil {
		return nil, err
	}
	defer clients.Close()
	r.work.Log = clients
	defer func() { err = errors.Join(err, r.save()) }()
	if err := r.torment(ctx); err != nil {
		return nil, err
	}
	report := history.Check(r.record.History(), minimum(r.time))
	for _, f := range r.found {
		report.Add(f.kind, f.text)
	}
	return report, nil
}

func (r *run) save() error {
	file, err := os.Create(r.historyFile())
	if err != nil {
		return err
	}
	return errors.Join(r.record.History().Write(file), file.Close())
}

// prepare makes network, directories and properties.
func (r *run) prepare() error {
	program, err := resolve(r.program)
	if err != nil {
		return err
	}
	for i := range r.options.nodes {
		n := &node{id: i + 1, roles: "broker,controller", program: program}
		if r.isolated {
			n.roles = "broker"
		}
		r.nodes = append(r.nodes, n)
	}
	if r.isolated {
		for range controllers {
			r.nodes = append(r.nodes, &node{id: len(r.nodes) + 1, roles: "controller", program: program})
		}
	}
	r.network = loopback{}
	if r.options.network != networkLoopback {
		if r.network, err = newBridged(len(r.nodes)); err != nil {
			return fmt.Errorf("network: %w", err)
		}
	}
	if err := r.address(); err != nil {
		return err
	}
	return r.furnish()
}

// address gives each node its host and ports.
func (r *run) address() error {
	for _, n := range r.nodes {
		n.network, n.host = r.network, r.network.host(n.id)
		n.dir = filepath.Join(r.dir, fmt.Sprintf("node%d", n.id))
		ports := [2]int{9092, 9093}
		if _, shared := r.network.(loopback); shared {
			for i := range ports {
				port, err := freePort()
				if err != nil {
					return err
				}
				ports[i] = port
			}
		}
		if n.broker() {
			n.port = ports[0]
		}
		if strings.Contains(n.roles, "controller") {
			n.control = ports[1]
		}
	}
	return nil
}

// furnish makes the nodes' directories, each a file system of its own if it is to
// be filled.
func (r *run) furnish() error {
	var voters []string
	for _, n := range r.nodes {
		if n.control != 0 {
			voters = append(voters, fmt.Sprintf("%d@%s:%d", n.id, n.host, n.control))
		}
	}
	for _, n := range r.nodes {
		if err := os.MkdirAll(n.disk(), 0o755); err != nil {
			return err
		}
		if slices.Contains(r.faults, faultFull) {
			if err := unix.Mount("none", n.disk(), "tmpfs", 0, fmt.Sprintf("size=%dm", r.disk)); err != nil {
				return fmt.Errorf("a disk for node %d (leave %s out of -faults where mounting is not permitted): %w", n.id, faultFull, err)
			}
		}
		text := n.properties(strings.Join(voters, ","), r.factor(), r.set)
		if err := os.WriteFile(n.file(), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// unmount takes the nodes' file systems away, and keeps what is on them if wished.
func (r *run) unmount(keep bool) error {
	if !slices.Contains(r.faults, faultFull) {
		return nil
	}
	var all []error
	for _, n := range r.nodes {
		if keep {
			all = append(all, os.CopyFS(filepath.Join(n.dir, "kept"), os.DirFS(n.disk())))
		}
		all = append(all, unix.Unmount(n.disk(), 0))
	}
	return errors.Join(all...)
}

// factor is the replication factor.
func (r *run) factor() int { return min(replicas, r.options.nodes) }

// resolve is the program's absolute path.
func resolve(program string) (string, error) {
	if program == "apache-kafka" {
		program = "interop/kafka/apache-kafka"
		if _, err := os.Stat("interop/kafka/target/lib.done"); err != nil {
			return "", fmt.Errorf("run interop/kafka/install first (from the module's root): %w", err)
		}
	}
	path, err := filepath.Abs(program)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("nothing to torture: %w (make build)", err)
	}
	return path, nil
}

// startAll formats and starts the nodes and makes the topics.
func (r *run) startAll(ctx context.Context) error {
	var formatting sync.WaitGroup
	failed := make([]error, len(r.nodes))
	for i, n := range r.nodes {
		formatting.Go(func() { failed[i] = n.format() })
	}
	formatting.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	var seeds []string
	for _, n := range r.nodes {
		if n.broker() {
			seeds = append(seeds, n.addr())
		}
		if err := n.start(); err != nil {
			return err
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(seeds...), kgo.MetadataMinAge(50*time.Millisecond), kgo.DialTimeout(time.Second), kgo.RequestTimeoutOverhead(3*time.Second))
	if err != nil {
		return err
	}
	r.client, r.admin = client, kadm.NewClient(client)
	r.work = workload.Options{Seeds: seeds, Topics: topics, Every: r.every, Size: 200, Seed: r.seed, Patience: sendPatience,
		Transactions: 3, Copies: workload.Copies{From: "events", To: "copies"}, Groups: groups}
	return r.createTopics(ctx)
}

func (r *run) createTopics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := r.whole().AwaitBrokers(ctx, r.client); err != nil {
		return fmt.Errorf("the brokers did not come up: %w: %s", err, r.nodes[0].tail())
	}
	inSync := fmt.Sprint(max(1, r.factor()-1))
	for topic, partitions := range topics {
		if _, err := r.admin.CreateTopic(ctx, partitions, int16(r.factor()), map[string]*string{"min.insync.replicas": &inSync}, topic); err != nil {
			return fmt.Errorf("topic %s: %w", topic, err)
		}
	}
	r.say("%d brokers serve, with topics %v", r.options.nodes, topics)
	return nil
}

// torment runs the clients while faults happen, heals, and reads everything.
func (r *run) torment(ctx context.Context) error {
	r.work.Record = r.record
	working, stop := context.WithCancel(ctx)
	defer stop()
	clients := make(chan error, 1)
	go func() { clients <- r.work.Run(working) }()
	n := &nemesis{run: r, rng: rand.New(rand.NewPCG(r.seed, 0x7023)), filled: map[*node]bool{}}
	err := n.rage(ctx)
	if err == nil {
		r.say("healing")
		r.heal(ctx, n)
		err = wait(ctx, 2*time.Second) // of undisturbed work
	}
	stop()
	r.say("the clients finish")
	if err = errors.Join(err, <-clients, ctx.Err()); err != nil {
		return err
	}
	r.say("reading everything")
	reading, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	if err := r.work.ReadAll(reading); err != nil {
		r.find(foundUnhealed, "%v", err)
	}
	return r.compare(ctx)
}

// heal brings every node back and waits until the cluster is whole.
func (r *run) heal(ctx context.Context, n *nemesis) {
	n.watch()
	err := r.awaitWhole(ctx, healPatience)
	if n.watch() { // one whose disk was full may end after its room is back
		err = r.awaitWhole(ctx, healPatience)
	}
	if err != nil && ctx.Err() == nil {
		r.find(foundUnhealed, "%v after all faults had ended: %v", healPatience, err)
	}
	for _, one := range r.nodes {
		if sign := one.broke(); sign != "" && !n.filled[one] {
			r.find(foundBroke, "node %d: %s", one.id, sign)
		}
	}
}

// awaitWhole waits until every partition has all its replicas in sync.
func (r *run) awaitWhole(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.whole().Await(ctx, r.client)
}

func (r *run) whole() workload.Whole {
	return workload.Whole{Brokers: r.options.nodes, Replicas: r.factor(), Topics: topics}
}

// compare stops the nodes and compares their copies of all partitions.
func (r *run) compare(ctx context.Context) error {
	if err := wait(ctx, time.Second); err != nil { // followers hear of the last high watermark
		return err
	}
	ends, err := r.admin.ListEndOffsets(ctx, topicNames()...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("the ends of the partitions: %w", err)
	}
	metadata, err := r.admin.Metadata(ctx, topicNames()...)
	if err != nil {
		return fmt.Errorf("the replicas of the partitions: %w", err)
	}
	r.say("stopping the nodes")
	if err := r.stopAll(); err != nil {
		return err
	}
	batches, partitions := 0, 0
	for topic, n := range topics {
		for i := range n {
			partitions++
			end, _ := ends.Lookup(topic, i)
			batches += r.comparePartition(history.Partition{Topic: topic, Index: i}, metadata.Topics[topic].Partitions[i].Replicas, model.Offset(end.Offset))
		}
	}
	r.say("compared %d batches of %d partitions on %d replicas each", batches, partitions, r.factor())
	return nil
}

// stopAll stops all nodes at once. The last ones have no quorum any more, so they
// may wait for it in vain.
func (r *run) stopAll() error {
	var stopping sync.WaitGroup
	failed := make([]error, len(r.nodes))
	for i, n := range r.nodes {
		stopping.Go(func() { failed[i] = r.stop(n) })
	}
	stopping.Wait()
	return errors.Join(failed...)
}

// stop stops a node, if need be by force.
func (r *run) stop(n *node) error {
	err := n.stop()
	if errors.Is(err, errDeaf) {
		r.say("node %d: %v", n.id, errDeaf)
		return nil
	}
	return err
}

func topicNames() []string {
	var names []string
	for topic := range topics {
		names = append(names, topic)
	}
	return names
}

func (r *run) comparePartition(p history.Partition, on []int32, end model.Offset) int {
	var all []copies.Copy
	for _, id := range on {
		all = append(all, copies.Copy{Node: model.NodeID(id), FS: vfs.OS(), Dir: filepath.Join(r.nodes[id-1].data(), p.String())})
	}
	result, err := copies.Compare(all, end)
	if err != nil {
		r.find(foundDifferent, "%s: %v", p, err)
	}
	for _, d := range result.Differences {
		r.find(foundDifferent, "%s: %s", p, d)
	}
	return result.Batches
}

// wait waits, or returns why there is no more time to.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
