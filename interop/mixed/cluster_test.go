//go:build interop

package mixed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stromkafka/strom/interop/internal/peer"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kind is the program that a node runs.
type kind string

const (
	strom kind = "strom"
	kafka kind = "kafka"
)

// spec is one node of a cluster.
type spec struct {
	id    int32
	kind  kind
	roles string // as process.roles has them
	set   map[string]string
	late  bool // formatted, and started by the test
}

func controller(id int32, k kind) spec { return spec{id: id, kind: k, roles: "controller"} }
func broker(id int32, k kind) spec     { return spec{id: id, kind: k, roles: "broker"} }

func combined(id int32, k kind) spec { return spec{id: id, kind: k, roles: "broker,controller"} }

// with names a property that only this node has.
func (s spec) with(key, value string) spec {
	set := map[string]string{key: value}
	for k, v := range s.set {
		set[k] = v
	}
	s.set = set
	return s
}

func (s spec) later() spec {
	s.late = true
	return s
}

func (s spec) isBroker() bool     { return strings.Contains(s.roles, "broker") }
func (s spec) isController() bool { return strings.Contains(s.roles, "controller") }

// cluster is a set of running nodes with one quorum. A test ends with every node stopped cleanly and every log read for
// what no node says in a cluster of its own kind.
type cluster struct {
	t     *testing.T
	nodes map[int32]*node
	keys  map[string]string // of groups and transactions, by what they are for
}

type node struct {
	spec
	*peer.Node
	controller string // address of the controller's listener
	down       bool
}

// features are the levels the metadata starts with that are not those of Apache Kafka: what Strom does not have is not
// finalised.
var features = []string{"share.version=0", "streams.version=0"}

// newCluster formats the nodes and runs them.
func newCluster(t *testing.T, specs ...spec) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: map[int32]*node{}, keys: map[string]string{}}
	ports, err := peer.FreePorts(2 * len(specs))
	if err != nil {
		t.Fatal(err)
	}
	var voters []string
	for i, s := range specs {
		n := &node{spec: s, down: true, controller: fmt.Sprintf("localhost:%d", ports[2*i+1])}
		c.nodes[s.id] = n
		if s.isController() {
			voters = append(voters, fmt.Sprintf("%d@%s", s.id, n.controller))
		}
	}
	dir := t.TempDir() // before the cleanup, which then still finds it
	t.Cleanup(c.close)
	c.each(specs, func(i int, s spec) error {
		return c.nodes[s.id].format(t.Context(), ports[2*i], strings.Join(voters, ","), filepath.Join(dir, strconv.Itoa(int(s.id))))
	})
	c.each(specs, func(_ int, s spec) error {
		if s.late {
			return nil
		}
		return c.nodes[s.id].run(t.Context())
	})
	c.awaitBrokers(c.running()...)
	return c
}

// each does the same for all nodes at once.
func (c *cluster) each(specs []spec, do func(int, spec) error) {
	c.t.Helper()
	var group sync.WaitGroup
	failures := make([]error, len(specs))
	for i, s := range specs {
		group.Go(func() {
			if err := do(i, s); err != nil {
				failures[i] = fmt.Errorf("node %d (%s): %w", s.id, s.kind, err)
			}
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		c.t.Fatal(err)
	}
}

func (n *node) format(ctx context.Context, port int, voters, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	addr, listeners := "", []string{}
	if n.isBroker() {
		addr = fmt.Sprintf("localhost:%d", port)
		listeners = append(listeners, "PLAINTEXT://"+addr)
	}
	if n.isController() {
		listeners = append(listeners, "CONTROLLER://"+n.controller)
	}
	properties := map[string]string{
		"node.id":                                         strconv.Itoa(int(n.id)),
		"process.roles":                                   n.roles,
		"controller.quorum.voters":                        voters,
		"listeners":                                       strings.Join(listeners, ","),
		"controller.listener.names":                       "CONTROLLER",
		"listener.security.protocol.map":                  "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                                        filepath.Join(dir, "data"),
		"log.cleaner.dedupe.buffer.size":                  "2097152",
		"auto.create.topics.enable":                       "false",
		"offsets.topic.replication.factor":                "3",
		"offsets.topic.num.partitions":                    "6",
		"transaction.state.log.replication.factor":        "3",
		"transaction.state.log.num.partitions":            "6",
		"transaction.state.log.min.isr":                   "2",
		"group.initial.rebalance.delay.ms":                "0",
		"broker.session.timeout.ms":                       "6000",
		"broker.heartbeat.interval.ms":                    "500",
		"replica.lag.time.max.ms":                         "5000",
		"metadata.log.max.record.bytes.between.snapshots": "20000",
	}
	options := peer.Options{Program: []string{programs[n.kind]}, Addr: addr, Dir: dir, Properties: properties, Set: n.set}
	for _, f := range features {
		options.Format = append(options.Format, "--feature", f)
	}
	var err error
	n.Node, err = peer.Format(ctx, options)
	return err
}

// run starts the process and waits until it serves.
func (n *node) run(ctx context.Context) error {
	if err := n.Launch(); err != nil {
		return err
	}
	n.down = false
	if n.isBroker() {
		return n.Await(ctx)
	}
	return awaitPort(ctx, n.controller)
}

func awaitPort(ctx context.Context, addr string) error {
	for deadline := time.Now().Add(time.Minute); ; {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func (c *cluster) brokerIDs() []int32 {
	var ids []int32
	for id, n := range c.nodes {
		if n.isBroker() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// running are the brokers that run.
func (c *cluster) running() []int32 {
	return slices.DeleteFunc(c.brokerIDs(), func(id int32) bool { return c.nodes[id].down })
}

func (c *cluster) bootstrap() string {
	var addresses []string
	for _, id := range c.brokerIDs() {
		addresses = append(addresses, c.nodes[id].Addr)
	}
	return strings.Join(addresses, ",")
}

// client is of the whole cluster, or of the one node it is given to begin with.
func (c *cluster) client(options ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	options = append([]kgo.Opt{kgo.SeedBrokers(strings.Split(c.bootstrap(), ",")...), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.MetadataMaxAge(time.Second)}, options...)
	client, err := kgo.NewClient(options...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	return client
}

func (c *cluster) admin(id int32) *kadm.Client {
	return kadm.NewClient(c.client(kgo.SeedBrokers(c.nodes[id].Addr)))
}

// await tries until the condition holds.
func (c *cluster) await(what string, condition func(context.Context) error) {
	c.t.Helper()
	c.awaitFor(time.Minute, what, condition)
}

func (c *cluster) awaitFor(limit time.Duration, what string, condition func(context.Context) error) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
		err := condition(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %v%s", what, err, c.outputs())
		}
	}
}

// awaitBrokers waits until every broker of the list names exactly these as the cluster's.
func (c *cluster) awaitBrokers(ids ...int32) {
	c.t.Helper()
	for _, id := range ids {
		admin := c.admin(id)
		c.await(fmt.Sprintf("brokers as node %d sees them", id), func(ctx context.Context) error {
			metadata, err := admin.BrokerMetadata(ctx)
			if err != nil {
				return err
			}
			if got := metadata.Brokers.NodeIDs(); !slices.Equal(got, ids) {
				return fmt.Errorf("%v, expected %v", got, ids)
			}
			return nil
		})
	}
}

// kill ends a node with SIGKILL; start runs it again.
func (c *cluster) kill(id int32) {
	c.t.Helper()
	if err := c.nodes[id].Kill(); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[id].down = true
}

func (c *cluster) stop(id int32) {
	c.t.Helper()
	if err := c.nodes[id].Stop(); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[id].down = true
}

func (c *cluster) start(id int32) {
	c.t.Helper()
	if err := c.nodes[id].run(c.t.Context()); err != nil {
		c.t.Fatal(err, c.outputs())
	}
}

// close stops brokers before controllers, and reads what all of them said.
func (c *cluster) close() {
	for _, roles := range []string{"broker", "broker,controller", "controller"} {
		for _, id := range slices.Sorted(maps.Keys(c.nodes)) {
			n := c.nodes[id]
			if n.Node == nil || n.down || n.roles != roles {
				continue
			}
			// A combined node that stops asks the controllers first, as Apache Kafka does: without a majority it would ask
			// for five minutes. A controller of several would complain that nobody takes over.
			end := n.Stop
			if n.isController() && c.majority() > 1 && c.runningVoters() <= c.majority() {
				end = n.Kill
			}
			if err := end(); err != nil {
				c.t.Errorf("node %d (%s): %v", n.id, n.kind, err)
			}
			n.down = true
		}
	}
	for _, n := range c.nodes {
		if n.Node != nil && !n.Started.IsZero() {
			n.judgeLog(c.t)
		}
	}
}

func (c *cluster) majority() int { return c.count(func(*node) bool { return true })/2 + 1 }

func (c *cluster) runningVoters() int { return c.count(func(n *node) bool { return !n.down }) }

// count counts voters.
func (c *cluster) count(which func(*node) bool) int {
	total := 0
	for _, n := range c.nodes {
		if n.isController() && which(n) {
			total++
		}
	}
	return total
}

var (
	// complaint is a line that a node of either kind logs when something is wrong.
	complaint = regexp.MustCompile(`(?m)^.*(\b(ERROR|FATAL)\b|level=ERROR|panic: ).*$`)
)

func (n *node) judgeLog(t *testing.T) {
	t.Helper()
	for _, line := range complaint.FindAllString(n.Log(), -1) {
		if !slices.ContainsFunc(usual, func(u *regexp.Regexp) bool { return u.MatchString(line) }) {
			t.Errorf("node %d (%s) logged: %s", n.id, n.kind, line)
		}
	}
}

// usual are complaints that Apache Kafka's nodes log among their own when one of them goes away.
var usual = []*regexp.Regexp{
	regexp.MustCompile(`Overriding internal\.metadata\.log\.segment\.bytes is only supported for testing`),
	// A controller that does not lead any more, or not yet, refuses what it is asked.
	regexp.MustCompile(`ControllerApis nodeId=\d+\] Unexpected error handling request RequestHeader\(apiKey=(BROKER_HEARTBEAT|CONTROLLER_REGISTRATION|BROKER_REGISTRATION|ALTER_PARTITION),`),
	regexp.MustCompile(`RegistrationResponseHandler: channel manager timed out`), // while nobody leads the quorum
	regexp.MustCompile(`processExpiredBrokerHeartbeat: controller event queue overloaded`),
}

func (c *cluster) outputs() string {
	var text strings.Builder
	for _, id := range slices.Sorted(maps.Keys(c.nodes)) {
		if n := c.nodes[id]; n.Node != nil && !n.Started.IsZero() {
			fmt.Fprintf(&text, "\n--- node %d (%s)\n%s", id, n.kind, n.Output())
		}
	}
	return text.String()
}

// tool runs one of Kafka's tools, by its class.
func tool(t *testing.T, class string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), programs[kafka], append([]string{class}, args...)...)
	command.Env = os.Environ()
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", class, strings.Join(args, " "), err, out)
	}
	return string(out)
}
