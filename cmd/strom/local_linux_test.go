package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"
)

// A localCluster is `strom cluster local` as a process.
type localCluster struct {
	command   *exec.Cmd
	bootstrap string
}

// startLocal runs a cluster of one node until it says where it is.
func (p *program) startLocal(dir string) *localCluster {
	p.t.Helper()
	c := &localCluster{command: exec.Command(p.binary, "cluster", "local", "--nodes", "1", "--data", dir)}
	c.command.Stderr = p.t.Output()
	out, err := c.command.StdoutPipe()
	if err == nil {
		err = c.command.Start()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "bootstrap "); ok {
			c.bootstrap = strings.TrimSpace(rest)
		}
		if strings.Contains(lines.Text(), "Ctrl-C") {
			return c
		}
	}
	p.t.Fatalf("it ended before it was ready: %v", c.command.Wait())
	return nil
}

// children are the processes that a process has started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, child)
		}
	}
	return all
}

// A local cluster keeps its records over a stop by Ctrl-C, and leaves no node
// behind when it is killed.
func TestClusterLocal(t *testing.T) {
	p := buildProgram(t)
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	first := p.startLocal(dir)
	client, err := kgo.NewClient(kgo.SeedBrokers(first.bootstrap), kgo.DefaultProduceTopic("kept"), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord("one")).FirstErr(); err != nil {
		t.Error(err)
	}
	client.Close()
	if err := first.command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := first.command.Wait(); err != nil {
		t.Fatalf("after Ctrl-C: %v", err)
	}

	second := p.startLocal(dir)
	defer func() { _ = second.command.Wait() }() // killed
	defer func() { _ = second.command.Process.Kill() }()
	client, err = kgo.NewClient(kgo.SeedBrokers(second.bootstrap), kgo.ConsumeTopics("kept"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if records := client.PollFetches(ctx).Records(); len(records) != 1 || string(records[0].Value) != "one" {
		t.Errorf("read %v", records)
	}
	nodes := children(t, second.command.Process.Pid)
	if len(nodes) != 1 {
		t.Fatalf("%d nodes: %v", len(nodes), nodes)
	}
	node, err := unix.PidfdOpen(nodes[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(node)
	if err := second.command.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The descriptor of a process can be read once it has ended.
	for {
		ended, err := unix.Poll([]unix.PollFd{{Fd: int32(node), Events: unix.POLLIN}}, 30_000)
		if errors.Is(err, unix.EINTR) {
			continue // the runtime's own signals
		}
		if err != nil || ended != 1 {
			t.Fatalf("the node outlives the cluster: %d, %v", ended, err)
		}
		break
	}
}
