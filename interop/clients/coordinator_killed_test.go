//go:build interop

package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/interop/internal/peer"
)

// trio is three nodes, each broker and controller.
type trio struct {
	nodes map[int32]*peer.Node
	admin *kadm.Client
	seeds []string
}

func startTrio(t *testing.T) *trio {
	t.Helper()
	ports, err := peer.FreePorts(6)
	if err != nil {
		t.Fatal(err)
	}
	c := &trio{nodes: map[int32]*peer.Node{}}
	var voters []string
	for id := 1; id <= 3; id++ {
		voters = append(voters, fmt.Sprintf("%d@localhost:%d", id, ports[id+2]))
		c.seeds = append(c.seeds, fmt.Sprintf("localhost:%d", ports[id-1]))
	}
	for id := int32(1); id <= 3; id++ {
		dir := t.TempDir()
		listener, control := "PLAINTEXT://"+c.seeds[id-1], fmt.Sprintf("CONTROLLER://localhost:%d", ports[id+2])
		n, err := peer.Format(t.Context(), peer.Options{Program: []string{broker}, Dir: dir, Addr: c.seeds[id-1], Properties: map[string]string{
			"node.id": strconv.Itoa(int(id)), "process.roles": "broker,controller", "controller.quorum.voters": strings.Join(voters, ","),
			"listeners": listener + "," + control, "advertised.listeners": listener, "controller.listener.names": "CONTROLLER",
			"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT", "log.dirs": filepath.Join(dir, "data"),
			"log.cleaner.dedupe.buffer.size": "2097152", "offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0",
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.Launch(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Kill(); err != nil {
				t.Error(err)
			}
		})
		c.nodes[id] = n
	}
	for _, n := range c.nodes {
		if err := n.Await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.seeds...), kgo.MetadataMaxAge(time.Second), kgo.MetadataMinAge(50*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	c.admin = kadm.NewClient(client)
	return c
}

// verifiable is Kafka's verifiable consumer, which says what happens to it.
type verifiable struct {
	command *exec.Cmd
	ended   chan struct{}

	mu     sync.Mutex
	events map[string]int // by name
}

func startVerifiable(t *testing.T, c *trio, args ...string) *verifiable {
	t.Helper()
	args = append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=../kafka/log4j2.yaml", "-cp", javaLib,
		"org.apache.kafka.tools.VerifiableConsumer", "--bootstrap-server", strings.Join(c.seeds, ",")}, args...)
	v := &verifiable{command: exec.Command("java", args...), ended: make(chan struct{}), events: map[string]int{}}
	v.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := v.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(v.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			v.told(lines.Bytes())
		}
	}()
	t.Cleanup(func() {
		_ = v.command.Process.Kill() // it may have ended
		<-v.ended
		_ = v.command.Wait() // it was killed
	})
	return v
}

func (v *verifiable) told(line []byte) {
	var event struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(line, &event) != nil {
		return // what the library says beside
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.events[event.Name]++
}

func (v *verifiable) count(event string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.events[event]
}

// write writes records to both partitions and waits until the group has committed them.
func (c *trio) write(t *testing.T, ctx context.Context, topic string, count, total int) {
	t.Helper()
	client := c.client(t)
	for i := range count {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: int32(i % 2), Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	sum := int64(0)
	for sum != int64(total) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d of %d records were committed", sum, total)
		}
		if offsets, err := c.admin.FetchOffsets(ctx, topic); err == nil {
			sum = 0
			offsets.Offsets().Each(func(o kadm.Offset) { sum += o.At })
		}
	}
}

func (c *trio) client(t *testing.T) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.seeds...), kgo.MetadataMinAge(50*time.Millisecond), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// TestCoordinatorKilled: Java's consumer, in a group of either protocol, goes on after kill -9 of its coordinator and again
// after that of its next one: it keeps its partitions, and all that is written is read and committed.
func TestCoordinatorKilled(t *testing.T) {
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			c := startTrio(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			inSync := "1"
			for {
				if _, err := c.admin.CreateTopic(ctx, 2, 3, map[string]*string{"min.insync.replicas": &inSync}, protocol); err == nil {
					break
				}
				if ctx.Err() != nil {
					t.Fatal("the topic was not created")
				}
			}
			v := startVerifiable(t, c, "--topic", protocol, "--group-id", protocol, "--group-protocol", protocol, "--reset-policy", "earliest")
			c.write(t, ctx, protocol, 100, 100)
			given, taken := v.count("partitions_assigned"), v.count("partitions_revoked")
			found := c.admin.FindGroupCoordinators(ctx, protocol)
			if err := found.Error(); err != nil {
				t.Fatal(err)
			}
			victim := found[protocol].NodeID
			if err := c.nodes[victim].Kill(); err != nil {
				t.Fatal(err)
			}
			c.write(t, ctx, protocol, 100, 200)
			if err := c.nodes[victim].Launch(); err != nil {
				t.Fatal(err)
			}
			if err := c.nodes[victim].Await(ctx); err != nil {
				t.Fatal(err)
			}
			c.write(t, ctx, protocol, 100, 300)
			if g, r := v.count("partitions_assigned")-given, v.count("partitions_revoked")-taken; g+r > 0 && !reference() {
				t.Errorf("the consumer was given partitions %d times more and lost them %d times", g, r)
			}
		})
	}
}
