package simtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/copies"
	"github.com/stromkafka/strom/internal/history"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/workload"
)

// Shape is what the cluster looks like.
type Shape struct {
	Nodes    int // brokers, each a controller too unless there are Controllers
	Replicas int
	// Controllers are nodes of their own.
	Controllers int
}

func (s Shape) String() string {
	if s.Controllers > 0 {
		return fmt.Sprintf("%d brokers, %d controllers, %d replicas", s.Nodes, s.Controllers, s.Replicas)
	}
	return fmt.Sprintf("%d nodes, %d replicas", s.Nodes, s.Replicas)
}

// minInSync is how many replicas acknowledge a record at least.
func (s Shape) minInSync() int { return max(1, s.Replicas-1) }

// topics are what the clients work on, by partitions; copies is where copiers write
// what they read of a.
var topics = map[string]int32{"a": 2, "b": 1, copied: 2}

const copied = "copies"

// groups read a, one in each protocol.
var groups = []workload.Group{{Name: "classic", Topic: "a", Members: 2}, {Name: "consumer", Topic: "a", Members: 2, Consumer: true}}

// clients is the host of all clients.
const clients = "clients"

// cluster is the nodes and what reaches them.
type cluster struct {
	shape   Shape
	network *Network
	nodes   []*node // brokers first
	client  *kgo.Client
	admin   *kadm.Client
	host    *Host // of the clients
}

// newCluster formats the nodes and starts them.
func newCluster(p Plan, logs io.Writer) (*cluster, error) {
	s := p.Shape
	c := &cluster{shape: s, network: NewNetwork()}
	c.host = c.network.Host(clients)
	for i := range s.Nodes {
		roles := "broker,controller"
		if s.Controllers > 0 {
			roles = "broker"
		}
		c.add(i+1, roles, logs)
	}
	for i := range s.Controllers {
		c.add(s.Nodes+i+1, "controller", logs)
	}
	var voters []string
	for _, n := range c.nodes {
		if strings.Contains(n.roles, "controller") {
			voters = append(voters, fmt.Sprintf("%d@%s", n.id, n.controller()))
		}
	}
	for _, n := range c.nodes {
		n.settings = append(n.settings, "controller.quorum.voters="+strings.Join(voters, ","),
			"internal.journal.segment.bytes=65536") // so that its slots are used in turn
		n.settings = append(n.settings, p.Settings...)
		n.wrap, n.sync = p.wrap, cmp.Or(p.Sync, usualSync)
		if err := n.format(); err != nil {
			return c, err
		}
		if err := n.start(); err != nil {
			return c, err
		}
	}
	var err error
	c.client, err = kgo.NewClient(kgo.SeedBrokers(c.seeds()...), kgo.Dialer(c.dial), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.DialTimeout(2*time.Second), kgo.RequestTimeoutOverhead(5*time.Second))
	if err != nil {
		return c, err
	}
	c.admin = kadm.NewClient(c.client)
	return c, nil
}

func (c *cluster) add(id int, roles string, logs io.Writer) {
	n := &node{id: model.NodeID(id), name: fmt.Sprintf("n%d", id), roles: roles, network: c.network, logs: logs}
	var listeners []string
	if strings.Contains(roles, "broker") {
		listeners = append(listeners, "PLAINTEXT://"+n.address())
		n.settings = append(n.settings, "advertised.listeners=PLAINTEXT://"+n.address())
	}
	if strings.Contains(roles, "controller") {
		listeners = append(listeners, "CONTROLLER://"+n.controller())
	}
	n.settings = append(n.settings, fmt.Sprintf("node.id=%d", id), "process.roles="+roles, "listeners="+strings.Join(listeners, ","),
		"controller.listener.names=CONTROLLER", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs=data", "auto.create.topics.enable=false", fmt.Sprintf("min.insync.replicas=%d", c.shape.minInSync()),
		fmt.Sprintf("offsets.topic.replication.factor=%d", c.shape.Replicas), "offsets.topic.num.partitions=3", "group.initial.rebalance.delay.ms=0",
		fmt.Sprintf("transaction.state.log.replication.factor=%d", c.shape.Replicas), "transaction.state.log.num.partitions=3",
		fmt.Sprintf("transaction.state.log.min.isr=%d", c.shape.minInSync()), "transaction.abort.timed.out.transaction.cleanup.interval.ms=2000",
		"group.consumer.min.session.timeout.ms=6000", "group.consumer.session.timeout.ms=6000",
		"group.consumer.min.heartbeat.interval.ms=1000", "group.consumer.heartbeat.interval.ms=1000")
	c.nodes = append(c.nodes, n)
}

// brokers are the nodes that hold partitions.
func (c *cluster) brokers() []*node { return c.nodes[:c.shape.Nodes] }

func (c *cluster) seeds() []string {
	var all []string
	for _, n := range c.brokers() {
		all = append(all, n.address())
	}
	return all
}

func (c *cluster) dial(ctx context.Context, _, address string) (net.Conn, error) {
	return c.host.Dial(ctx, address)
}

// createTopics waits for all brokers and makes the topics.
func (c *cluster) createTopics(ctx context.Context) error {
	if err := c.whole().AwaitBrokers(ctx, c.client); err != nil {
		return fmt.Errorf("the brokers did not come up: %w", err)
	}
	inSync := fmt.Sprint(c.shape.minInSync())
	for topic, partitions := range topics {
		configs := map[string]*string{"min.insync.replicas": &inSync}
		if _, err := c.admin.CreateTopic(ctx, partitions, int16(c.shape.Replicas), configs, topic); err != nil {
			return fmt.Errorf("topic %s: %w", topic, err)
		}
	}
	return nil
}

// awaitWhole waits until every broker is there and every partition has all its
// replicas in sync.
func (c *cluster) awaitWhole(ctx context.Context) error { return c.whole().Await(ctx, c.client) }

func (c *cluster) whole() workload.Whole {
	return workload.Whole{Brokers: c.shape.Nodes, Replicas: c.shape.Replicas, Topics: topics}
}

// ends are where each partition ends, and on which nodes it lies.
func (c *cluster) ends(ctx context.Context) (map[history.Partition]partitionEnd, error) {
	listed, err := c.admin.ListEndOffsets(ctx)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, err
	}
	metadata, err := c.admin.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	all := map[history.Partition]partitionEnd{}
	for topic, n := range topics {
		for i := range n {
			end, _ := listed.Lookup(topic, i)
			all[history.Partition{Topic: topic, Index: i}] = partitionEnd{model.Offset(end.Offset), metadata.Topics[topic].Partitions[i].Replicas}
		}
	}
	return all, nil
}

type partitionEnd struct {
	end      model.Offset
	replicas []int32
}

// compare compares the copies of all partitions once their nodes have stopped.
func (c *cluster) compare(ends map[history.Partition]partitionEnd) (batches int, differences []string) {
	for p, e := range ends {
		var all []copies.Copy
		for _, id := range e.replicas {
			all = append(all, copies.Copy{Node: model.NodeID(id), FS: c.nodes[id-1].mem, Dir: "data/" + p.String()})
		}
		r, err := copies.Compare(all, e.end)
		if err != nil {
			differences = append(differences, fmt.Sprintf("%s: %v", p, err))
		}
		for _, d := range r.Differences {
			differences = append(differences, fmt.Sprintf("%s: %s", p, d))
		}
		batches += r.Batches
	}
	return batches, differences
}

// close ends everything; goroutines of lives that ended long ago as well.
func (c *cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
	c.network.Heal()
	for _, n := range c.nodes {
		n.mu.Lock()
		n.over = true
		n.mu.Unlock()
		n.kill()
		n.network.Power(n.name, true)
	}
	for _, n := range c.nodes {
		n.lives.Wait()
	}
	c.host.End()
	time.Sleep(time.Minute) // the links carry the last words
}

// wait waits, or returns why there is no more time to.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errUnhealed = errors.New("the cluster is not whole although all faults have ended")
