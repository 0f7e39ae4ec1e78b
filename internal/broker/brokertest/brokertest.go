// Package brokertest runs several brokers in one process for tests: over a
// network in memory, each with a disk of its own. Node 1 is a controller and, like
// all others, a broker. While it is the only one nobody else can take over what it
// does: to kill it, give the cluster three.
package brokertest

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/broker"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/storage"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
)

// Options say how a cluster differs from the plain one.
type Options struct {
	Nodes int // 0 is 3
	// Controllers says how many of the nodes are controllers, from node 1 on; 0 is 1.
	Controllers int
	Config      map[string]string // of every node
	Node        map[int]map[string]string
	Log         io.Writer // nil is nowhere
	// Network is what the nodes listen on and dial; nil is one in memory.
	// Address is where a node listens for clients and controllers.
	Network transport.Network
	Address func(node int) (broker, controller string)
	// FS is a node's disk; nil is one in memory each.
	FS func(node int) vfs.FS
}

// Cluster is brokers 1 to N.
type Cluster struct {
	t     testing.TB
	o     Options
	Nodes map[int]*Node
}

// Node is one broker.
type Node struct {
	c      *Cluster
	ID     int
	mem    *vfs.Mem // nil if Options.FS gave another
	fs     vfs.FS
	wire   *wire
	cancel context.CancelCauseFunc // nil while it is down
	ended  chan error
}

// clusterID is every cluster's.
const clusterID = "5L6g3nShT-eMCtK--X86sw"

// Start starts all nodes, waits until they serve, and stops them when the test
// ends.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Nodes == 0 {
		o.Nodes = 3
	}
	if o.Controllers == 0 {
		o.Controllers = 1
	}
	if o.Network == nil {
		o.Network = transport.NewPipe()
	}
	if o.Address == nil {
		o.Address = func(node int) (string, string) {
			return fmt.Sprintf("127.0.0.%d:9092", node), fmt.Sprintf("127.0.0.%d:9093", node)
		}
	}
	c := &Cluster{t: t, o: o, Nodes: map[int]*Node{}}
	for id := 1; id <= o.Nodes; id++ {
		n := &Node{c: c, ID: id}
		if o.FS != nil {
			n.fs = o.FS(id)
		} else {
			n.mem = vfs.NewMem()
			n.fs = n.mem
		}
		c.Nodes[id] = n
	}
	t.Cleanup(func() {
		for id := o.Nodes; id >= 1; id-- {
			if n := c.Nodes[id]; n.cancel != nil {
				n.Kill()
			}
		}
	})
	c.startAll()
	return c
}

// startAll starts the nodes: of several controllers a majority must be there before
// the first serves, and their disks must have been formatted.
func (c *Cluster) startAll() {
	c.t.Helper()
	var waits []func() error
	for id := 1; id <= c.o.Nodes; id++ {
		n := c.Nodes[id]
		if c.o.Controllers > 1 {
			n.format()
		}
		if waits = append(waits, n.Begin()); id >= c.o.Controllers {
			for _, wait := range waits {
				if err := wait(); err != nil {
					c.t.Fatal(err)
				}
			}
			waits = nil
		}
	}
}

func (n *Node) format() {
	n.c.t.Helper()
	o := storage.FormatOptions{Values: n.values(), ClusterID: clusterID, Now: time.Now(), Random: rand.Reader}
	if err := storage.Format(n.fs, o, io.Discard); err != nil {
		n.c.t.Fatalf("format node %d: %v", n.ID, err)
	}
}

// Addresses are where clients reach the nodes.
func (c *Cluster) Addresses() []string {
	var all []string
	for id := 1; id <= c.o.Nodes; id++ {
		at, _ := c.o.Address(id)
		all = append(all, at)
	}
	return all
}

// Dial connects to an address of the cluster's network, as kgo.Dialer asks.
func (c *Cluster) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	return c.o.Network.Dial(ctx, address)
}

// Client is a client of the cluster, closed at the test's end.
func (c *Cluster) Client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	all := append([]kgo.Opt{kgo.SeedBrokers(c.Addresses()...), kgo.Dialer(c.Dial), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)
	client, err := kgo.NewClient(all...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

// Start starts a node and waits until it serves.
func (n *Node) Start() {
	n.c.t.Helper()
	if err := n.Begin()(); err != nil {
		n.c.t.Fatal(err)
	}
}

// Begin starts a node. The result waits until it serves.
func (n *Node) Begin() (wait func() error) {
	n.c.t.Helper()
	log := slog.New(slog.DiscardHandler)
	if n.c.o.Log != nil {
		log = slog.New(slog.NewTextHandler(n.c.o.Log, nil)).With("node", n.ID)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	ready, ended := make(chan struct{}, 1), make(chan error, 1)
	n.wire = &wire{Network: n.c.o.Network, open: map[io.Closer]bool{}}
	o := broker.Options{Values: n.values(), FS: n.fs, Network: n.wire, Log: log, Ready: func(broker.Ready) { ready <- struct{}{} }}
	n.cancel, n.ended = cancel, ended
	go func() { ended <- broker.Run(ctx, o) }()
	return func() error {
		select {
		case <-ready:
			return nil
		case err := <-ended:
			cancel(nil)
			n.cancel = nil
			return fmt.Errorf("node %d did not start: %w", n.ID, err)
		}
	}
}

func (n *Node) values() *config.Values {
	n.c.t.Helper()
	values, err := config.Load(config.Sources{Set: n.settings()})
	if err != nil {
		n.c.t.Fatalf("configuration of node %d: %v", n.ID, err)
	}
	return values
}

func (n *Node) settings() []string {
	at, controller := n.c.o.Address(n.ID)
	var voters []string
	for id := 1; id <= n.c.o.Controllers; id++ {
		_, at := n.c.o.Address(id)
		voters = append(voters, fmt.Sprintf("%d@%s", id, at))
	}
	s := []string{
		fmt.Sprintf("node.id=%d", n.ID), fmt.Sprintf("log.dirs=/node-%d", n.ID),
		"controller.quorum.voters=" + strings.Join(voters, ","), "controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
	}
	if len(voters) == 1 {
		s = append(s, "cluster.id="+clusterID) // formats itself
	}
	if n.ID <= len(voters) {
		s = append(s, "process.roles=broker,controller", "listeners=PLAINTEXT://"+at+",CONTROLLER://"+controller)
	} else {
		s = append(s, "process.roles=broker", "listeners=PLAINTEXT://"+at)
	}
	for _, more := range []map[string]string{n.c.o.Config, n.c.o.Node[n.ID]} {
		for k, v := range more {
			s = append(s, k+"="+v)
		}
	}
	return s
}

// Stop stops the node cleanly.
func (n *Node) Stop() {
	n.c.t.Helper()
	if err := n.end(nil); err != nil {
		n.c.t.Errorf("node %d did not stop cleanly: %v", n.ID, err)
	}
}

// FS is the node's disk in this life.
func (n *Node) FS() vfs.FS { return n.fs }

// Kill ends the node as kill -9 does: nothing more reaches its disk or leaves it.
func (n *Node) Kill() {
	n.c.t.Helper()
	n.wire.cut()
	if n.mem != nil {
		n.mem = n.mem.Crash()
		n.fs = n.mem
	}
	_ = n.end(broker.ErrKilled) // it has lost its disk; whatever it says is about that
}

// PowerLoss ends the node as a power cut does, keeping or losing by seed what was
// not synced.
func (n *Node) PowerLoss(seed uint64) {
	n.c.t.Helper()
	n.wire.cut()
	n.mem = n.mem.PowerLoss(vfs.KeepRandom(seed))
	n.fs = n.mem
	_ = n.end(broker.ErrKilled) // as in Kill
}

func (n *Node) end(cause error) error {
	n.c.t.Helper()
	if n.cancel == nil {
		n.c.t.Fatalf("node %d is not running", n.ID)
	}
	n.cancel(cause)
	n.cancel = nil
	return <-n.ended
}
