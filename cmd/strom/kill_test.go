package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// program is the real binary, over a directory that stays.
type program struct {
	t       *testing.T
	binary  string
	address string
	dir     string
	command *exec.Cmd
}

func buildProgram(t *testing.T) *program {
	t.Helper()
	p := &program{t: t, binary: filepath.Join(t.TempDir(), "strom"), address: freeAddress(t), dir: t.TempDir()}
	build := exec.Command("go", "build", "-o", p.binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return p
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the program until it says that it is ready.
func (p *program) start() {
	p.t.Helper()
	p.run(exec.Command(p.binary, "start", "--set", "log.dirs="+p.dir, "--set", "listeners=PLAINTEXT://"+p.address))
}

// run runs a command of the program until it says that it is ready.
func (p *program) run(command *exec.Cmd) {
	p.t.Helper()
	p.command = command
	p.command.Stderr = p.t.Output()
	out, err := p.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "is ready") {
		p.kill()
		p.t.Fatalf("the program said %q, %v", line, err)
	}
}

// kill is kill -9.
func (p *program) kill() {
	_ = p.command.Process.Kill() // it may have ended by itself, which Wait tells
	_ = p.command.Wait()         // "signal: killed"
}

// stream produces numbers, one after the other in each partition, and notes which
// were acknowledged.
type stream struct {
	client     *kgo.Client
	partitions int

	mu           sync.Mutex
	acknowledged []int // numbers, by partition; they come in order
	failed       error
	progress     chan struct{} // an element for each acknowledgement
}

const killTopic = "numbers"

func (s *stream) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		for p := range s.partitions {
			value := binary.BigEndian.AppendUint64(nil, uint64(n))
			s.client.Produce(ctx, &kgo.Record{Topic: killTopic, Partition: int32(p), Value: value}, func(r *kgo.Record, err error) {
				s.done(ctx, r, n, err)
			})
		}
	}
}

func (s *stream) done(ctx context.Context, r *kgo.Record, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.acknowledged[r.Partition] = n + 1
	case ctx.Err() == nil && s.failed == nil:
		s.failed = err
	}
	select {
	case s.progress <- struct{}{}:
	case <-ctx.Done():
	}
}

// A process that is killed again and again while clients produce loses nothing
// that was acknowledged, doubles nothing, and each start leads every partition.
func TestKill9(t *testing.T) {
	p := buildProgram(t)
	p.start()
	defer func() { p.kill() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.address), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(300), kgo.ProducerLinger(0), kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const partitions = 3
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, killTopic); err != nil {
		t.Fatal(err)
	}
	s := &stream{client: client, partitions: partitions, acknowledged: make([]int, partitions), progress: make(chan struct{}, 1)}
	producing, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.run(producing) })
	for life := range 6 {
		for range 500 + 200*life {
			select {
			case <-s.progress:
			case <-ctx.Done():
				t.Fatalf("life %d: no progress: %v", life, ctx.Err())
			}
		}
		p.kill()
		p.start()
		leaders(t, ctx, p.address, partitions)
	}
	stop()
	running.Wait()
	client.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		t.Errorf("a record failed: %v", s.failed)
	}
	for i := range partitions {
		got := numbers(t, ctx, p.address, int32(i))
		t.Logf("partition %d: %d acknowledged, %d there", i, s.acknowledged[i], len(got))
		if len(got) < s.acknowledged[i] {
			t.Errorf("partition %d: %d acknowledged, %d there", i, s.acknowledged[i], len(got))
		}
		for at, n := range got {
			if n != uint64(at) {
				t.Fatalf("partition %d: %d at offset %d", i, n, at)
			}
		}
	}
}

// leaders checks that every partition is led.
func leaders(t *testing.T, ctx context.Context, address string, partitions int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(ctx, killTopic)
	if err != nil || len(topics[killTopic].Partitions) != partitions {
		t.Fatalf("topics %v, %v", topics, err)
	}
	for _, p := range topics[killTopic].Partitions {
		if p.Err != nil || p.Leader < 0 {
			t.Errorf("partition %d: leader %d, %v", p.Partition, p.Leader, p.Err)
		}
	}
}

// numbers reads a partition to its end.
func numbers(t *testing.T, ctx context.Context, address string, partition int32) (all []uint64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		killTopic: {partition: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, killTopic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(killTopic, partition)
	for int64(len(all)) < end.Offset {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("partition %d after %d of %d: %v", partition, len(all), end.Offset, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(len(all)) {
				t.Errorf("partition %d: offset %d where %d is next", partition, r.Offset, len(all))
			}
			all = append(all, binary.BigEndian.Uint64(r.Value))
		})
	}
	return all
}
