package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// controllers are three processes with Kafka's properties for a static quorum.
type controllers struct {
	t       *testing.T
	program *program
	address [3]string
	file    [3]string
	running [3]*exec.Cmd
}

func startControllers(t *testing.T) *controllers {
	c := &controllers{t: t, program: buildProgram(t)}
	for i := range c.address {
		c.address[i] = freeAddress(t)
	}
	dir := t.TempDir()
	for i := range c.address {
		c.file[i] = filepath.Join(dir, fmt.Sprintf("controller-%d.properties", i+1))
		text := fmt.Sprintf(`process.roles=controller
node.id=%d
listeners=CONTROLLER://%s
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT
controller.quorum.voters=1@%s,2@%s,3@%s
log.dirs=%s
`, i+1, c.address[i], c.address[0], c.address[1], c.address[2], filepath.Join(dir, fmt.Sprint(i+1)))
		if err := os.WriteFile(c.file[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, p := range c.running {
			if p != nil {
				_ = p.Process.Kill()
				_ = p.Wait()
			}
		}
	})
	return c
}

func (c *controllers) format(i int) {
	c.t.Helper()
	if out, err := exec.Command(c.program.binary, "storage", "format", "-t", "q1Sh-9_ISia_zwGINzRvyQ", "-c", c.file[i]).CombinedOutput(); err != nil {
		c.t.Fatalf("format %d: %v\n%s", i+1, err, out)
	}
}

func (c *controllers) start(i int) {
	c.t.Helper()
	p := exec.Command(c.program.binary, "start", c.file[i])
	p.Stderr = c.t.Output()
	out, err := p.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.running[i] = p
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "is ready") {
		c.t.Fatalf("controller %d said %q, %v", i+1, line, err)
	}
}

// leads asks one controller whether it leads a quorum whose high watermark it
// knows, which is when it has committed a record of its own.
func (c *controllers) leads(i int) bool {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
	defer cancel()
	l, err := link.Dial(ctx, link.Options{Network: transport.TCP(), Address: c.address[i], ClientID: "test"})
	if err != nil {
		return false
	}
	defer l.Close()
	q := &wire.DescribeQuorumRequest{Topics: []wire.DescribeQuorumRequestTopic{{TopicName: model.MetadataTopic, Partitions: make([]wire.DescribeQuorumRequestPartition, 1)}}}
	r, err := l.Do(ctx, q)
	if err != nil {
		return false
	}
	p := r.(*wire.DescribeQuorumResponse).Topics[0].Partitions[0]
	return p.ErrorCode == 0 && p.LeaderID == int32(i+1) && p.HighWatermark > 0
}

// active is the controller that leads, and how long it took to find one.
func (c *controllers) active() (int, time.Duration) {
	c.t.Helper()
	for begin := time.Now(); time.Since(begin) < 20*time.Second; {
		for i, p := range c.running {
			if p != nil && c.leads(i) {
				return i, time.Since(begin)
			}
		}
	}
	c.t.Fatal("no controller leads for 20 s")
	return 0, 0
}

// TestControllerFailover: the active one of three controllers is killed with
// SIGKILL, and another leads, having committed a record of its own, in less than a
// second; it comes back on its own disk. A controller that is told to stop hands
// over first.
func TestControllerFailover(t *testing.T) {
	c := startControllers(t)
	for i := range c.running {
		c.format(i)
		c.start(i)
	}
	c.active()
	var took []time.Duration
	for range 10 {
		time.Sleep(1100 * time.Millisecond) // a quick election is granted once an election time-out
		old, _ := c.active()
		_ = c.running[old].Process.Kill()
		_ = c.running[old].Wait()
		c.running[old] = nil
		_, d := c.active()
		took = append(took, d)
		c.start(old)
	}
	slices.Sort(took)
	t.Logf("failover after SIGKILL: median %v, longest %v", took[len(took)/2], took[len(took)-1])
	if took[len(took)/2] > time.Second {
		t.Errorf("failover took %v", took)
	}

	old, _ := c.active()
	begin := time.Now()
	_ = c.running[old].Process.Signal(syscall.SIGTERM)
	if err := c.running[old].Wait(); err != nil {
		t.Error(err)
	}
	c.running[old] = nil
	_, d := c.active()
	t.Logf("clean stop of the leader: %v, then another leads after %v", time.Since(begin), d)
	if d > 500*time.Millisecond {
		t.Errorf("another leads only %v after a clean stop", d)
	}
}

// TestControllerBadInput: what contradicts is refused by name, and nothing is
// overwritten.
func TestControllerBadInput(t *testing.T) {
	c := startControllers(t)
	refused := func(i int, parts ...string) {
		t.Helper()
		out, err := exec.Command(c.program.binary, "start", c.file[i]).CombinedOutput()
		if err == nil {
			t.Fatalf("controller %d started", i+1)
		}
		for _, part := range parts {
			if !bytes.Contains(out, []byte(part)) {
				t.Errorf("%q is not in: %s", part, out)
			}
		}
	}
	edit := func(i int, from, to string) (undo func()) {
		t.Helper()
		old, err := os.ReadFile(c.file[i])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(old, []byte(from)) {
			t.Fatalf("%q is not in %s", from, old)
		}
		if err := os.WriteFile(c.file[i], bytes.Replace(old, []byte(from), []byte(to), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(c.file[i], old, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	refused(0, "not formatted")
	c.format(0)
	for _, wrong := range []struct{ from, to, name, conflict string }{
		{"node.id=1", "node.id=2", "voter 2 listens on " + c.address[1], c.address[0]},
		{"voters=1@", "voters=7@", "controller.quorum.voters", "node 1"},
		{"voters=1@" + c.address[0], "voters=1@127.0.0.1:9", "controller.quorum.voters", "127.0.0.1:9"},
	} {
		undo := edit(0, wrong.from, wrong.to)
		refused(0, wrong.name, wrong.conflict)
		undo()
	}
}
