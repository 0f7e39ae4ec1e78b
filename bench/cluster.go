package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wholeTimeout bounds the wait for every broker to be there and every replica to be in sync.
const wholeTimeout = 5 * time.Minute

// clusterHeap is the JVM's heap for each of three nodes: 1 GB, Apache Kafka's default, three times is more than a small
// machine has to give beside the page cache.
const clusterHeap = "512M"

// ahead is the goal of a cluster's rows: ahead of Apache Kafka with fsync on.
var ahead = both(target{Times: 1, Meaning: "ahead of Kafka, which does not sync"})

// aFifth is the goal of the unavailability.
var aFifth = both(target{Times: 5, Meaning: "at most a fifth"})

func clusterThroughput() []metric {
	return []metric{
		{key: "throughput", label: "throughput", unit: "MB/s", better: higher, flow: true, targets: ahead},
		{key: "cpu", label: "CPU of the three brokers", unit: "CPU-s/GB", better: lower, targets: ahead},
	}
}

var unavailability = []metric{
	{key: "median", label: "median", unit: "ms", targets: aFifth},
	{key: "p99", label: "p99", unit: "ms", targets: aFifth},
	{key: "max", label: "longest", unit: "ms", targets: aFifth},
}

// clusterRows are the rows of three nodes. Those that kill come last.
var clusterRows = []row{
	{name: "produce.100B.acksall", label: "produce 100 B, acks=all, 3 copies", metrics: clusterThroughput(), measure: produce(100, "all")},
	{name: "produce.1KB.acksall", label: "produce 1 KB, acks=all, 3 copies", metrics: clusterThroughput(), measure: produce(1024, "all")},
	{name: "latency", label: "end to end at a fixed rate, 100 B, acks=all, 3 copies", measure: measureLatency, metrics: percentileMetrics(ahead, "p50", "p99", "p999")},
	{name: "unavailable.leader", label: "produce unavailable after kill -9 of a partition leader", metrics: unavailability, measure: unavailable(aLeader)},
	{name: "unavailable.controller", label: "produce unavailable after kill -9 of the active controller", metrics: unavailability, measure: unavailable(theController)},
	manyReplicas,
}

// A member is what one node of a cluster is told.
type member struct {
	id         int
	dir        string
	addr       string
	controller string
}

func (m member) file() string { return filepath.Join(m.dir, "server.properties") }

// members makes a directory with properties for each address.
func members(dir string, addrs []string, more ...string) ([]member, error) {
	var all []member
	var controllers []string
	for i, addr := range addrs {
		controller, err := freeAddr()
		if err != nil {
			return nil, err
		}
		controllers = append(controllers, controller)
		all = append(all, member{id: i + 1, dir: filepath.Join(dir, fmt.Sprintf("node-%d", i+1)), addr: addr, controller: controller})
	}
	for _, m := range all {
		if err := os.Mkdir(m.dir, 0o755); err != nil {
			return nil, err
		}
		text := clusterProperties(m, controllers) + strings.Join(more, "\n") + "\n"
		if err := os.WriteFile(m.file(), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// clusterProperties are Apache Kafka's of one node, changed to those of a node among several. Both systems get them.
func clusterProperties(m member, controllers []string) string {
	changed := strings.NewReplacer(
		"node.id=1\n", fmt.Sprintf("node.id=%d\n", m.id),
		"controller.quorum.bootstrap.servers="+m.controller+"\n", "controller.quorum.bootstrap.servers="+strings.Join(controllers, ",")+"\n",
		"replication.factor=1\n", "replication.factor=3\n",
		"min.isr=1\n", "min.isr=2\n",
	).Replace(kafkaProperties(m.dir, m.addr, m.controller))
	return changed + "default.replication.factor=3\nmin.insync.replicas=2\n"
}

// initialControllers names every member as a voter: id@host:port:directory.
func initialControllers(all []member) string {
	var voters []string
	for _, m := range all {
		var directory [16]byte
		directory[0], directory[15] = 0x5b, byte(m.id) // any id that is not reserved
		voters = append(voters, fmt.Sprintf("%d@%s:%s", m.id, m.controller, base64.RawURLEncoding.EncodeToString(directory[:])))
	}
	return strings.Join(voters, ",")
}

func (b *bench) kafkaCluster(name string) system {
	return system{name: name, prepare: func(ctx context.Context, dir string, addrs []string) ([]command, error) {
		all, err := members(dir, addrs)
		if err != nil {
			return nil, err
		}
		var commands []command
		for _, m := range all {
			if err := b.kafkaFormat(ctx, m.file(), "--initial-controllers", initialControllers(all)); err != nil {
				return nil, err
			}
			commands = append(commands, b.kafkaBroker(m.dir, m.file(), clusterHeap))
		}
		return commands, nil
	}}
}

func (b *bench) stromCluster(policy string) system {
	return system{name: policy, prepare: func(ctx context.Context, dir string, addrs []string) ([]command, error) {
		program, err := b.stromProgram()
		if err != nil {
			return nil, err
		}
		all, err := members(dir, addrs, "log.flush.policy="+policy)
		if err != nil {
			return nil, err
		}
		var commands []command
		for _, m := range all {
			format := exec.CommandContext(ctx, program, "storage", "format", "-t", clusterID, "-c", m.file(), "--initial-controllers", initialControllers(all))
			if out, err := format.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("strom storage format: %w: %s", err, out)
			}
			commands = append(commands, command{name: fmt.Sprintf("strom %d (%s)", m.id, policy), args: []string{program, "start", m.file()}})
		}
		return commands, nil
	}}
}

// whole waits until every broker is there and every replica is in sync.
func (s *session) whole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, wholeTimeout)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.seeds()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	for {
		m, err := admin.Metadata(ctx)
		missing := ""
		if err == nil {
			missing = incomplete(m, len(s.nodes))
		}
		if err == nil && missing == "" {
			return nil
		}
		for i, n := range s.nodes {
			select {
			case <-n.done:
				return fmt.Errorf("node %d ended: %v: %s", i+1, n.err, tail(n.output))
			default:
			}
		}
		if failed := pause(ctx, 100*time.Millisecond); failed != nil {
			return fmt.Errorf("the cluster is not whole: %w", errors.Join(failed, err, errors.New(missing)))
		}
	}
}

// incomplete says what a cluster of n brokers lacks, or nothing.
func incomplete(m kadm.Metadata, n int) string {
	if len(m.Brokers) < n {
		return fmt.Sprintf("%d of %d brokers are there", len(m.Brokers), n)
	}
	for _, t := range m.Topics.Sorted() {
		for _, p := range t.Partitions.Sorted() {
			if p.Leader < 0 || len(p.ISR) < len(p.Replicas) {
				return fmt.Sprintf("%s-%d has leader %d and %d of %d replicas in sync", t.Topic, p.Partition, p.Leader, len(p.ISR), len(p.Replicas))
			}
		}
	}
	return ""
}

// A victim picks the node to kill, from who leads the quorum and who leads each partition of a topic.
type victim func(controller int32, leaders []int32) (int32, error)

// aLeader is a node that leads a partition and not the quorum.
func aLeader(controller int32, leaders []int32) (int32, error) {
	for _, leader := range leaders {
		if leader != controller && leader > 0 {
			return leader, nil
		}
	}
	return 0, fmt.Errorf("no partition is led by another node than the active controller, %d: %v", controller, leaders)
}

// theController is the node that leads the quorum; that it leads partitions too is what combined nodes are about.
func theController(controller int32, leaders []int32) (int32, error) {
	for _, leader := range leaders {
		if leader == controller {
			return controller, nil
		}
	}
	return 0, fmt.Errorf("the active controller, %d, leads no partition: %v", controller, leaders)
}

// choose asks for the roles and picks the node to kill, after every partition is led by its first replica again.
func (s *session) choose(ctx context.Context, topic string, pick victim) (*node, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.seeds()...))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	// Where this fails, the leaders are as the last kill left them, and the pick may be refused.
	_, electErr := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, nil)
	m, err := admin.Metadata(ctx, topic)
	if err != nil {
		return nil, err
	}
	var leaders []int32
	for _, p := range m.Topics[topic].Partitions.Sorted() {
		leaders = append(leaders, p.Leader)
	}
	controller, err := quorumLeader(ctx, client)
	if err != nil {
		return nil, err
	}
	id, err := pick(controller, leaders)
	if err != nil {
		return nil, errors.Join(err, electErr)
	}
	if id < 1 || int(id) > len(s.nodes) {
		return nil, fmt.Errorf("node %d is none of ours", id)
	}
	return s.nodes[id-1], nil
}

func quorumLeader(ctx context.Context, client *kgo.Client) (int32, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return -1, fmt.Errorf("describe the quorum: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return -1, errors.New("a quorum without its partition")
	}
	return resp.Topics[0].Partitions[0].LeaderID, nil
}

// restart starts a node that was killed again, with its data, and waits until it is back in every in-sync set.
func (s *session) restart(ctx context.Context, n *node) error {
	p, err := start(n.command)
	if err != nil {
		return err
	}
	n.process = p
	return s.whole(ctx)
}
