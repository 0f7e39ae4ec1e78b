// Package peer runs a broker program for a test: any program that takes Kafka's server.properties with two verbs,
//
//	PROGRAM storage format -t CLUSTER_ID -c FILE
//	PROGRAM start FILE
//
// so that the same test runs against Strom and against Apache Kafka. The node is its own cluster, with an empty
// directory and free ports.
package peer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stromkafka/strom/interop/internal/raw"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ClusterID is the id every node is formatted with.
const ClusterID = "4L6g3nShT-eMCtK--X86sw"

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// Options say what to run.
type Options struct {
	Program []string          // the program and arguments before the verb
	Env     []string          // added to the environment
	Addr    string            // of the broker's listener; a free port of localhost when empty
	Dir     string            // holds the node's properties, data and output; made by the caller
	Set     map[string]string // properties beside those a node needs
	Wrap    []string          // a command in front of `start`, such as taskset

	// A node of a larger cluster: all its properties, Addr being its broker's listener if it has one, and what
	// `storage format` is told beside them. Without, a node is a cluster of its own.
	Properties map[string]string
	Format     []string
}

// Node is a running node.
type Node struct {
	Addr       string // of the broker's listener
	Controller string // of the controller's listener
	Data       string // log.dirs
	Started    time.Time

	options Options
	file    string
	output  *os.File
	cmd     *exec.Cmd
	done    chan error
}

// Reference is the script that runs Apache Kafka, under the repository's root.
const Reference = "interop/kafka/apache-kafka"

// Resolve turns the name of a program into its absolute path: apache-kafka is Apache Kafka; a name is a file under root
// or an absolute path; without a name Strom is built into dir.
func Resolve(root, name, dir string) (string, error) {
	switch name {
	case "":
		return build(root, dir)
	case "apache-kafka":
		name = Reference
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(root, name)
	}
	return filepath.Abs(name)
}

func build(root, dir string) (string, error) {
	binary := filepath.Join(dir, "strom")
	command := exec.Command("go", "build", "-o", binary, "./cmd/strom")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/strom: %w: %s", err, out)
	}
	return binary, nil
}

// IsReference tells whether the program is Apache Kafka itself.
func IsReference(program string) bool { return filepath.Base(program) == "apache-kafka" }

// Format writes the node's properties and formats its directory.
func Format(ctx context.Context, options Options) (*Node, error) {
	n := &Node{options: options, file: filepath.Join(options.Dir, "server.properties")}
	if options.Properties != nil {
		n.Addr, n.Data = options.Addr, options.Properties["log.dirs"]
	} else if err := n.alone(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(n.file, []byte(n.properties()), 0o644); err != nil {
		return nil, err
	}
	args := append(slices.Clone(options.Program[1:]), "storage", "format", "-t", ClusterID, "-c", n.file)
	args = append(args, options.Format...)
	format := exec.CommandContext(ctx, options.Program[0], args...)
	format.Env = append(os.Environ(), options.Env...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("storage format: %w: %s", err, out)
	}
	return n, nil
}

// alone gives a node that is a cluster of its own its places.
func (n *Node) alone() error {
	ports, err := FreePorts(2)
	if err != nil {
		return err
	}
	n.Addr = fmt.Sprintf("localhost:%d", ports[0])
	n.Controller = fmt.Sprintf("localhost:%d", ports[1])
	n.Data = filepath.Join(n.options.Dir, "data")
	if n.options.Addr != "" {
		n.Addr = n.options.Addr
	}
	return nil
}

// Start formats a node, runs it and waits until it serves.
func Start(ctx context.Context, options Options) (*Node, error) {
	n, err := Format(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := n.Launch(); err != nil {
		return nil, err
	}
	if err := n.Await(ctx); err != nil {
		return nil, errors.Join(err, n.Kill())
	}
	return n, nil
}

func (n *Node) properties() string {
	all := maps.Clone(n.options.Properties)
	if all == nil {
		all = n.aloneProperties()
	}
	maps.Copy(all, n.options.Set)
	var lines []string
	for key, value := range all {
		lines = append(lines, key+"="+value+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (n *Node) aloneProperties() map[string]string {
	return map[string]string{
		"node.id":                                  "1",
		"process.roles":                            "broker,controller",
		"controller.quorum.voters":                 "1@" + n.Controller,
		"listeners":                                "PLAINTEXT://" + n.Addr + ",CONTROLLER://" + n.Controller,
		"advertised.listeners":                     "PLAINTEXT://" + n.Addr,
		"controller.listener.names":                "CONTROLLER",
		"listener.security.protocol.map":           "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                                 n.Data,
		"log.cleaner.dedupe.buffer.size":           "2097152",
		"offsets.topic.replication.factor":         "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
	}
}

// Launch runs a formatted node without waiting.
func (n *Node) Launch() error {
	output, err := os.OpenFile(filepath.Join(n.options.Dir, "output"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	words := slices.Concat(n.options.Wrap, n.options.Program, []string{"start", n.file})
	n.cmd = exec.Command(words[0], words[1:]...)
	n.cmd.Env = append(os.Environ(), n.options.Env...)
	n.cmd.Stdout, n.cmd.Stderr = output, output
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	n.output = output
	n.Started = time.Now()
	if err := n.cmd.Start(); err != nil {
		return errors.Join(err, output.Close())
	}
	n.done = make(chan error, 1)
	go func() { n.done <- n.cmd.Wait() }()
	return nil
}

// As makes another program run the node from its next Launch on: on the same
// properties and directories.
func (n *Node) As(program []string, env []string) {
	n.options.Program, n.options.Env = program, env
}

// PID is the node's process id.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// Await waits until the node answers Metadata with itself as a broker.
func (n *Node) Await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := serves(n.Addr)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%v, not serving: %w: %s", ctx.Err(), err, n.Output())
		case end := <-n.done:
			n.done <- end
			return fmt.Errorf("the node ended while starting: %v: %s", end, n.Output())
		case <-tick.C:
		}
	}
}

func serves(addr string) error {
	conn, err := raw.Dial(addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(9)
	req.Topics = []kmsg.MetadataRequestTopic{}
	_, resp, err := conn.Do(req)
	if err != nil {
		return err
	}
	if len(resp.(*kmsg.MetadataResponse).Brokers) == 0 {
		return errors.New("no broker registered")
	}
	return nil
}

// Log is all that the node printed in all its lives.
func (n *Node) Log() string {
	text, err := os.ReadFile(n.output.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Output is the end of what the node printed.
func (n *Node) Output() string {
	text := n.Log()
	if len(text) > 4000 {
		text = text[len(text)-4000:]
	}
	return text
}

// Stop ends the node with SIGTERM and reports an unclean end, a panic, or an end before it was asked for.
func (n *Node) Stop() error {
	select {
	case end := <-n.done:
		n.done <- end
		return fmt.Errorf("the node had ended by itself: %v: %s", end, n.Output())
	default:
	}
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-n.done:
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("the node did not stop in %v: %s", stopTimeout, n.Output()), n.Kill())
	}
	text := n.Output()
	if strings.Contains(text, "panic: ") || strings.Contains(text, "fatal error: ") || strings.Contains(text, "WARNING: DATA RACE") {
		return errors.New("the node broke: " + text)
	}
	return n.output.Close()
}

// Kill ends the node with SIGKILL.
func (n *Node) Kill() error {
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-n.done
	return n.output.Close()
}

// FreePorts finds ports that nobody listens on now.
func FreePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
