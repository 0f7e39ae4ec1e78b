package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// describe asks one controller about the quorum; nil if it does not lead or
// answer.
func (c *controllers) describe(i int) *wire.DescribeQuorumResponsePartition {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
	defer cancel()
	l, err := link.Dial(ctx, link.Options{Network: transport.TCP(), Address: c.address[i], ClientID: "test"})
	if err != nil {
		return nil
	}
	defer l.Close()
	q := &wire.DescribeQuorumRequest{Topics: []wire.DescribeQuorumRequestTopic{{TopicName: model.MetadataTopic, Partitions: make([]wire.DescribeQuorumRequestPartition, 1)}}}
	r, err := l.Do(ctx, q)
	if err != nil {
		return nil
	}
	p := &r.(*wire.DescribeQuorumResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 || p.LeaderID != int32(i+1) {
		return nil
	}
	return p
}

// active is the controller that leads in an epoch after the given one, and that
// epoch, once it has committed a record of its own and the voters that run have
// all there is.
func (c *controllers) active(after int32) (leader int, epoch int32) {
	c.t.Helper()
	for begin := time.Now(); time.Since(begin) < 60*time.Second; {
		for i, p := range c.running {
			if p == nil {
				continue
			}
			if q := c.describe(i); q != nil && q.LeaderEpoch > after && q.HighWatermark > 0 && c.caughtUp(q) {
				return i, q.LeaderEpoch
			}
		}
	}
	c.t.Fatalf("no controller leads in an epoch after %d", after)
	return 0, 0
}

func (c *controllers) caughtUp(q *wire.DescribeQuorumResponsePartition) bool {
	for _, v := range q.CurrentVoters {
		if c.running[v.ReplicaID-1] != nil && v.LogEndOffset < q.HighWatermark {
			return false
		}
	}
	return true
}

// settled waits until the other voters of a new quorum have heard what is committed,
// before which they elect nobody without their first leader: each has fetched twice
// again. The first of these fetches may have been on its way when the leader
// committed; the second follows the answer that told.
func (c *controllers) settled(leader int) {
	c.t.Helper()
	last, fetches := map[int32]int64{}, map[int32]int{}
	for begin := time.Now(); time.Since(begin) < 60*time.Second; {
		q := c.describe(leader)
		if q == nil {
			continue
		}
		heard := 0
		for _, v := range q.CurrentVoters {
			if at, ok := last[v.ReplicaID]; !ok || at != v.LastFetchTimestamp {
				last[v.ReplicaID] = v.LastFetchTimestamp
				fetches[v.ReplicaID]++
			}
			if v.ReplicaID != q.LeaderID && fetches[v.ReplicaID] > 2 {
				heard++
			}
		}
		if heard == len(q.CurrentVoters)-1 {
			return
		}
	}
	c.t.Fatalf("the voters do not fetch from controller %d: %v", leader+1, fetches)
}

// TestControllerFailover: the active one of three controllers is killed with
// SIGKILL, and another leads, having committed a record of its own; it comes back
// on its own disk. A controller that is told to stop ends only when another leads.
// How long that takes is the bench's business.
func TestControllerFailover(t *testing.T) {
	c := startControllers(t)
	for i := range c.running {
		c.format(i)
		c.start(i)
	}
	old, epoch := c.active(0)
	c.settled(old)
	for range 5 {
		_ = c.running[old].Process.Kill()
		_ = c.running[old].Wait()
		c.running[old] = nil
		next, later := c.active(epoch)
		if next == old {
			t.Errorf("controller %d leads, which was killed", old+1)
		}
		c.start(old)
		old, epoch = c.active(later - 1)
	}

	_ = c.running[old].Process.Signal(syscall.SIGTERM)
	if err := c.running[old].Wait(); err != nil {
		t.Error(err)
	}
	c.running[old] = nil
	leading := 0
	for i := range c.running {
		if q := c.describe(i); q != nil && q.LeaderEpoch > epoch {
			leading++
		}
	}
	if leading != 1 {
		t.Errorf("controller %d has stopped and %d others lead", old+1, leading)
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
