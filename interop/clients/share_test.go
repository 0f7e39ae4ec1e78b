//go:build interop

package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sharingClient reads in a group with others until it is told to leave. A topic that begins with ^ is a regular
// expression.
type sharingClient interface {
	groupClient
	share(ctx context.Context, server, group, protocol, topic string) (*sharing, error)
}

// sharing is one member: what it has said it is assigned, and has read.
type sharing struct {
	leave func() // asks it to; ended closes when it has
	ended chan struct{}

	mu       sync.Mutex
	assigned []string // topic/partition
	read     []string
	err      error
	changed  chan struct{} // replaced and closed at every change
}

func newSharing() *sharing { return &sharing{ended: make(chan struct{}), changed: make(chan struct{})} }

func (s *sharing) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sharing) now() (assigned, read []string, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.assigned), slices.Clone(s.read), s.changed, s.err
}

// await waits until members are as they should be.
func await(t *testing.T, ctx context.Context, what string, done func(assigned, read [][]string) bool, members ...*sharing) {
	t.Helper()
	for {
		var assigned, read [][]string
		again, cancel := context.WithCancel(ctx)
		for _, m := range members {
			a, r, changed, err := m.now()
			if err != nil {
				cancel()
				t.Fatalf("%s: %v", what, err)
			}
			assigned, read = append(assigned, a), append(read, r)
			go func() {
				select {
				case <-changed:
					cancel()
				case <-again.Done():
				}
			}()
		}
		if done(assigned, read) {
			cancel()
			return
		}
		<-again.Done()
		cancel()
		if ctx.Err() != nil {
			t.Fatalf("%s: %v, assigned %v, read %.300v", what, ctx.Err(), assigned, read)
		}
	}
}

// assignedOf waits until members have that many partitions together, each at least one, and none twice.
func assignedOf(t *testing.T, ctx context.Context, count int, members ...*sharing) {
	t.Helper()
	await(t, ctx, fmt.Sprintf("%d members of %d partitions", len(members), count), func(assigned, _ [][]string) bool {
		all := slices.Concat(assigned...)
		slices.Sort(all)
		return len(all) == count && len(slices.Compact(all)) == count && !slices.ContainsFunc(assigned, func(a []string) bool { return len(a) == 0 })
	}, members...)
}

// readBy waits until members have read that many records together, which must be the ones wanted, each once.
func readBy(t *testing.T, ctx context.Context, want []string, members ...*sharing) {
	t.Helper()
	await(t, ctx, fmt.Sprintf("%d members reading %d records", len(members), len(want)), func(_, read [][]string) bool {
		return len(slices.Concat(read...)) >= len(want)
	}, members...)
	var got []string
	for _, m := range members {
		_, read, _, _ := m.now()
		got = append(got, read...)
	}
	slices.Sort(got)
	if want = slices.Sorted(slices.Values(want)); !slices.Equal(got, want) {
		t.Fatalf("read %d records, first %.80v, want %d, first %.80v", len(got), got, len(want), want)
	}
}

func left(t *testing.T, ctx context.Context, m *sharing) {
	t.Helper()
	m.leave()
	select {
	case <-m.ended:
	case <-ctx.Done():
		t.Fatal("a member was told to leave and does not")
	}
	if _, _, _, err := m.now(); err != nil {
		t.Fatal(err)
	}
}

// TestSharing: a member has all partitions, shares them with a second one, and has them again when that has left; what is
// written in each of these times is read once.
func TestSharing(t *testing.T) {
	t.Parallel()
	for _, c := range everyClient() {
		c, ok := c.(sharingClient)
		if !ok {
			continue
		}
		for _, protocol := range c.groupProtocols() {
			if !*everything && c.name() == "java" && protocol == "classic" {
				continue // each member is a JVM; the releases before run it
			}
			t.Run(c.name()+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				shareTopic(t, ctx, c, protocol, "share-"+c.name()+"-"+protocol)
			})
		}
	}
}

func shareTopic(t *testing.T, ctx context.Context, c sharingClient, protocol, topic string) {
	create(t, shared.Addr, topic, groupPartitions)
	join := func() *sharing {
		m, err := c.share(ctx, shared.Addr, topic, protocol, topic)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	first := join()
	assignedOf(t, ctx, groupPartitions, first)
	want := spread(t, ctx, topic, 0, 60)
	readBy(t, ctx, want, first)

	second := join()
	assignedOf(t, ctx, groupPartitions, first, second)
	want = append(want, spread(t, ctx, topic, 1, 60)...)
	readBy(t, ctx, want, first, second)
	if _, read, _, _ := second.now(); len(read) == 0 {
		t.Error("the second member has read nothing")
	}

	left(t, ctx, second)
	assignedOf(t, ctx, groupPartitions, first)
	want = append(want, spread(t, ctx, topic, 2, 60)...)
	readBy(t, ctx, want, first, second)
	members(t, ctx, topic, protocol, 1)
	left(t, ctx, first)
	members(t, ctx, topic, protocol, 0)
	committed(t, ctx, topic, topic)
}

// members checks what the coordinator tells about a group.
func members(t *testing.T, ctx context.Context, group, protocol string, count int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(shared.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin, want, state, n := kadm.NewClient(client), "Stable", "", 0
	if count == 0 {
		want = "Empty"
	}
	if protocol == "consumer" {
		all, err := admin.DescribeConsumerGroups(ctx, group)
		if err != nil {
			t.Fatal(err)
		}
		state, n = all[group].State, len(all[group].Members)
	} else {
		all, err := admin.DescribeGroups(ctx, group)
		if err != nil {
			t.Fatal(err)
		}
		state, n = all[group].State, len(all[group].Members)
	}
	if state != want || n != count {
		t.Errorf("%s is %s with %d members, want %s with %d", group, state, n, want, count)
	}
}

// TestSubscribedByExpression: a member of a regular expression is assigned what matches, and nothing else, and what comes
// to match while it is there. With the newer protocol the coordinator decides, which looks every ten seconds: of those
// librdkafka is the one that is always run.
func TestSubscribedByExpression(t *testing.T) {
	t.Parallel()
	for _, c := range everyClient() {
		c, ok := c.(sharingClient)
		if !ok || !subscribesByExpression(c) {
			continue
		}
		for _, protocol := range c.groupProtocols() {
			if !*everything && (c.name() != "confluent-kafka" || protocol != "consumer") {
				continue
			}
			t.Run(c.name()+"/"+protocol, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				base := "express-" + c.name() + "-" + protocol
				create(t, shared.Addr, base+"-0", 2)
				create(t, shared.Addr, "not-"+base+"-0", 2)
				m, err := c.share(ctx, shared.Addr, base, protocol, "^"+regexp.QuoteMeta(base)+"-[0-9]+$")
				if err != nil {
					t.Fatal(err)
				}
				assignedOf(t, ctx, 2, m)
				create(t, shared.Addr, base+"-x", 2)
				create(t, shared.Addr, base+"-1", groupPartitions)
				assignedOf(t, ctx, 2+groupPartitions, m)
				readBy(t, ctx, spread(t, ctx, base+"-1", 0, 30), m)
				left(t, ctx, m)
			})
		}
	}
}

// subscribesByExpression leaves out who knows no expressions, or only for topics that are there before.
func subscribesByExpression(c kafkaClient) bool {
	return !slices.Contains([]string{"kafka-go", "sarama", "kafkajs"}, c.name())
}

// share runs a program that prints what it is assigned, and records.
func (s *script) share(ctx context.Context, server, group, protocol, topic string) (*sharing, error) {
	m := newSharing()
	words := append(slices.Clone(s.command), "share", server, group, protocol, topic)
	command, stdin, stdout, err := member(ctx, words)
	if err != nil {
		return nil, err
	}
	m.leave = func() { stdin.Close() }
	return m, m.follow(command, stdout, func(line string) error {
		var said struct {
			Assigned *[]string `json:"assigned"`
			record
		}
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		m.change(func() {
			if said.Assigned != nil {
				m.assigned = *said.Assigned
			} else {
				m.read = append(m.read, string(plain(said.Value)))
			}
		})
		return nil
	})
}

// member prepares a process that ends with the test.
func member(ctx context.Context, words []string) (*exec.Cmd, io.WriteCloser, io.ReadCloser, error) {
	program := words[0]
	if strings.Contains(program, "target/") {
		path, err := filepath.Abs(program)
		if err != nil {
			return nil, nil, nil, err
		}
		program = path
	}
	command := exec.CommandContext(ctx, program, words[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	stdout, err := command.StdoutPipe()
	return command, stdin, stdout, err
}

// follow runs a command and hands over its lines until it ends.
func (s *sharing) follow(command *exec.Cmd, lines io.Reader, line func(string) error) error {
	var stderr strings.Builder
	if command.Stderr == nil {
		command.Stderr = &stderr
	}
	if err := command.Start(); err != nil {
		return err
	}
	go func() {
		defer close(s.ended)
		var failed error
		for scan := bufio.NewScanner(lines); scan.Scan(); {
			failed = errors.Join(failed, line(scan.Text()))
		}
		if err := command.Wait(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%w: %s", err, stderr.String()))
		}
		s.change(func() { s.err = failed })
	}()
	return nil
}

// share runs Java's newest clients in a process of their own.
func (javaClient) share(ctx context.Context, server, group, protocol, topic string) (*sharing, error) {
	return (&script{command: javaCommand(javaLib)}).share(ctx, server, group, protocol, topic)
}

var kcatRebalanced = regexp.MustCompile(`^% Group \S+ rebalanced .*: (assigned|revoked): (.*)$`)

// share follows what kcat writes to its standard error about its group, and the values to its standard output.
func (kcat) share(ctx context.Context, server, group, _, topic string) (*sharing, error) {
	m := newSharing()
	command, _, stdout, err := member(ctx, []string{"kcat", "-b", server, "-u", "-f", `%s\n`, "-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=300",
		"-X", "topic.metadata.refresh.interval.ms=500", "-G", group, topic})
	if err != nil {
		return nil, err
	}
	said, stderr := io.Pipe()
	command.Stderr = stderr
	go func() {
		for scan := bufio.NewScanner(said); scan.Scan(); {
			if parts := kcatRebalanced.FindStringSubmatch(scan.Text()); parts != nil {
				m.change(func() { m.assigned = kcatPartitions(parts[1], parts[2]) })
			}
		}
	}()
	m.leave = func() { command.Process.Signal(syscall.SIGTERM) }
	return m, m.follow(command, stdout, func(line string) error {
		m.change(func() { m.read = append(m.read, line) })
		return nil
	})
}

func kcatPartitions(verb, text string) (all []string) {
	if verb == "revoked" {
		return nil
	}
	for part := range strings.SplitSeq(text, ", ") {
		if name, number, ok := strings.Cut(strings.TrimSuffix(part, "]"), " ["); ok {
			all = append(all, name+"/"+number)
		}
	}
	return all
}

// share is a member in this process.
func (franz) share(ctx context.Context, server, group, protocol, topic string) (*sharing, error) {
	m := newSharing()
	update := func(add bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.change(func() {
				for topic, numbers := range partitions {
					for _, n := range numbers {
						name := fmt.Sprintf("%s/%d", topic, n)
						if m.assigned = slices.DeleteFunc(m.assigned, func(a string) bool { return a == name }); add {
							m.assigned = append(m.assigned, name)
						}
					}
				}
			})
		}
	}
	opts := append(franzMember(server, group, protocol, topic), kgo.OnPartitionsAssigned(update(true)), kgo.OnPartitionsRevoked(update(false)),
		kgo.OnPartitionsLost(update(false)), kgo.BlockRebalanceOnPoll())
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	polling, cancel := context.WithCancel(ctx)
	m.leave = cancel
	go func() {
		defer close(m.ended)
		defer client.CloseAllowingRebalance()
		for polling.Err() == nil {
			fetches := client.PollFetches(polling)
			var values []string
			fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
			err := client.CommitUncommittedOffsets(ctx)
			m.change(func() { m.read, m.err = append(m.read, values...), err })
			client.AllowRebalance()
		}
	}()
	return m, nil
}
