package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	stopTimeout = 30 * time.Second
	clusterID   = "4L6g3nShT-eMCtK--X86sw"
)

// node is one process of the cluster, across its lives.
type node struct {
	id      int
	roles   string
	host    string
	port    int // the broker's listener; 0 without one
	control int // the controller's; 0 without one
	dir     string
	program string
	network network

	mu      sync.Mutex
	process *exec.Cmd // nil while down
	ended   chan struct{}
	lives   int
}

func (n *node) file() string   { return filepath.Join(n.dir, "server.properties") }
func (n *node) data() string   { return filepath.Join(n.dir, "disk", "data") }
func (n *node) disk() string   { return filepath.Join(n.dir, "disk") }
func (n *node) output() string { return filepath.Join(n.dir, "output") }
func (n *node) broker() bool   { return strings.Contains(n.roles, "broker") }
func (n *node) addr() string   { return fmt.Sprintf("%s:%d", n.host, n.port) }

// properties are what the node needs, and what the run was told to set.
func (n *node) properties(voters string, replicas int, set []string) string {
	var listeners []string
	all := map[string]string{
		"node.id": fmt.Sprint(n.id), "process.roles": n.roles, "controller.quorum.voters": voters,
		"controller.listener.names": "CONTROLLER", "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs": n.data(), "min.insync.replicas": fmt.Sprint(max(1, replicas-1)), "log.cleaner.dedupe.buffer.size": "2097152", "auto.create.topics.enable": "false",
		"default.replication.factor": fmt.Sprint(replicas), "offsets.topic.replication.factor": fmt.Sprint(replicas),
		"offsets.topic.num.partitions": "10", "group.initial.rebalance.delay.ms": "0",
		"group.consumer.min.session.timeout.ms": "6000", "group.consumer.session.timeout.ms": "6000",
		"group.consumer.min.heartbeat.interval.ms": "1000", "group.consumer.heartbeat.interval.ms": "1000",
		"transaction.state.log.replication.factor": fmt.Sprint(replicas), "transaction.state.log.num.partitions": "10",
		"transaction.state.log.min.isr":                               fmt.Sprint(max(1, replicas-1)),
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "2000",
	}
	if n.broker() {
		listeners = append(listeners, "PLAINTEXT://"+n.addr())
		all["advertised.listeners"] = "PLAINTEXT://" + n.addr()
	}
	if n.control != 0 {
		listeners = append(listeners, fmt.Sprintf("CONTROLLER://%s:%d", n.host, n.control))
	}
	all["listeners"] = strings.Join(listeners, ",")
	for _, s := range set {
		name, value, _ := strings.Cut(s, "=")
		all[name] = value
	}
	var lines []string
	for name, value := range all {
		lines = append(lines, name+"="+value+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (n *node) format() error {
	out, err := exec.Command(n.program, "storage", "format", "-t", clusterID, "-c", n.file()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("node %d: storage format: %w: %s", n.id, err, out)
	}
	return nil
}

// start begins a life of the node.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		return fmt.Errorf("node %d is running", n.id)
	}
	output, err := os.OpenFile(n.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close() // the child has its own copy
	n.lives++
	fmt.Fprintf(output, "--- life %d of node %d, %s\n", n.lives, n.id, time.Now().Format(time.RFC3339Nano))
	command := exec.Command(n.program, "start", n.file())
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.network.start(n.id, command); err != nil {
		return fmt.Errorf("node %d: %w", n.id, err)
	}
	ended := make(chan struct{})
	n.process, n.ended = command, ended
	go func() {
		_ = command.Wait() // how it ended is in its output; that it did is what counts
		close(ended)
	}()
	return nil
}

// down reports whether the node has ended or was ended.
func (n *node) down() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return true
	}
	select {
	case <-n.ended:
		return true
	default:
		return false
	}
}

// signal is for a node that runs; one that is gone does not hear it.
func (n *node) signal(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil
	}
	if err := n.process.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("node %d: %w", n.id, err)
	}
	return nil
}

// kill ends the node with SIGKILL and waits until it is gone.
func (n *node) kill() error {
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	n.gone()
	return nil
}

// errDeaf is a node that did not stop in time. One that cannot reach the active
// controller may wait for it.
var errDeaf = errors.New("it did not stop in time and was killed")

// stop ends the node with SIGTERM, and with SIGKILL if that is not heard in time.
func (n *node) stop() error {
	if err := n.signal(syscall.SIGTERM); err != nil {
		return err
	}
	n.mu.Lock()
	ended := n.ended
	n.mu.Unlock()
	if ended == nil {
		return nil
	}
	select {
	case <-ended:
	case <-time.After(stopTimeout):
		return errors.Join(errDeaf, n.kill())
	}
	n.gone()
	return nil
}

// gone waits for the end of a life and forgets it.
func (n *node) gone() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		<-n.ended
		n.process, n.ended = nil, nil
	}
}

// tailSize bounds a last line.
const tailSize = 500

// tail is the last line that the node printed.
func (n *node) tail() string {
	text, err := os.ReadFile(n.output())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text[max(0, len(text)-tailSize):])), "\n")
	return lines[len(lines)-1]
}

// broke is the first sign of a program that broke, as against one that was ended.
func (n *node) broke() string {
	text, err := os.ReadFile(n.output())
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(text)) {
		for _, sign := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE", "assertion failed", "java.lang.OutOfMemoryError", "Encountered fatal fault"} {
			if strings.Contains(line, sign) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}
