//go:build interop

package disk

import (
	"context"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/interop/internal/peer"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var program = flag.String("program", os.Getenv("PROGRAM"), "what runs the nodes of Strom: a path; without it cmd/strom is built")

// strom and kafka are the programs.
var strom, kafka []string

const root = "../.."

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peer.Main(root, *program, func(ours, theirs string) { strom, kafka = []string{ours}, []string{theirs} }, m.Run))
}

// node is one whose program changes.
type node struct {
	*peer.Node
	t  *testing.T
	up bool
}

func newNode(t *testing.T, program []string, set map[string]string) *node {
	t.Helper()
	all := map[string]string{
		"log.cleaner.backoff.ms": "500", "log.initial.task.delay.ms": "100", "log.cleaner.min.cleanable.ratio": "0.01",
		"log.cleaner.min.compaction.lag.ms": "0", "transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1",
		"group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "3", "transaction.state.log.num.partitions": "3",
	}
	maps.Copy(all, set)
	p, err := peer.Format(t.Context(), peer.Options{Program: program, Dir: t.TempDir(), Set: all})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Node: p, t: t}
	t.Cleanup(func() {
		if n.up {
			if err := n.Kill(); err != nil {
				t.Error(err)
			}
		}
	})
	n.start(program)
	return n
}

// start runs a program on the node's files.
func (n *node) start(program []string) {
	n.t.Helper()
	n.As(program, nil)
	if err := n.Launch(); err != nil {
		n.t.Fatal(err)
	}
	n.up = true
	if err := n.Await(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) stop() {
	n.t.Helper()
	n.up = false
	if err := n.Stop(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) client(opts ...kgo.Opt) *kgo.Client {
	n.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.Addr), kgo.RetryTimeout(20 * time.Second), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(cl.Close)
	return cl
}

func (n *node) create(topic string, partitions int32, configs map[string]string) {
	n.t.Helper()
	set := map[string]*string{}
	for k, v := range configs {
		set[k] = &v
	}
	cl := n.client()
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(n.t.Context(), partitions, 1, set, topic); err != nil {
		n.t.Fatal(err)
	}
}

// read is all of a partition up to its end: the records by offset.
func (n *node) read(topic string, partition int32, opts ...kgo.Opt) []*kgo.Record {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	cl := n.client(append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))...)
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		n.t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, partition)
	starts, err := kadm.NewClient(cl).ListStartOffsets(ctx, topic)
	if err != nil {
		n.t.Fatal(err)
	}
	start, _ := starts.Lookup(topic, partition)
	if start.Offset >= end.Offset {
		return nil
	}
	// A last record that nobody may see does not come: one that does is put behind all.
	mark := &kgo.Record{Topic: topic, Partition: partition, Key: []byte("the end"), Value: []byte("is here")}
	producer := n.client()
	defer producer.Close()
	if err := producer.ProduceSync(ctx, mark).FirstErr(); err != nil {
		n.t.Fatal(err)
	}
	var all []*kgo.Record
	for {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			n.t.Fatalf("read %s-%d after %d records: %v", topic, partition, len(all), err)
		}
		for _, r := range fetches.Records() {
			if r.Offset == mark.Offset {
				return slices.DeleteFunc(all, func(r *kgo.Record) bool { return string(r.Key) == "the end" })
			}
			all = append(all, r)
		}
	}
}

// newest is what a consumer makes of records by key.
func newest(records []*kgo.Record) map[string]string {
	out := map[string]string{}
	for _, r := range records {
		if r.Value == nil {
			delete(out, string(r.Key))
		} else {
			out[string(r.Key)] = string(r.Value)
		}
	}
	return out
}

func (n *node) path(name ...string) string {
	return filepath.Join(append([]string{n.Data}, name...)...)
}

// dumped reads every file of the node's partitions with kafka-dump-log, which must find nothing to complain of.
func (n *node) dumped(prefix string) {
	n.t.Helper()
	var logs, indexes []string
	dirs, err := filepath.Glob(n.path(prefix))
	if err != nil || len(dirs) == 0 {
		n.t.Fatalf("no directories %s: %v", prefix, err)
	}
	for _, dir := range dirs {
		files, err := os.ReadDir(dir)
		if err != nil {
			n.t.Fatal(err)
		}
		for _, f := range files {
			name := filepath.Join(dir, f.Name())
			switch filepath.Ext(name) {
			case ".log", ".snapshot", ".txnindex":
				logs = append(logs, name)
			case ".index", ".timeindex":
				indexes = append(indexes, name)
			}
		}
	}
	n.dump(append([]string{"--deep-iteration", "--files"}, strings.Join(logs, ","))...)
	if len(indexes) > 0 {
		n.dump("--index-sanity-check", "--files", strings.Join(indexes, ","))
		n.dump("--files", strings.Join(indexes, ","))
	}
}

func (n *node) dump(args ...string) {
	n.t.Helper()
	out, err := exec.CommandContext(n.t.Context(), kafka[0], append([]string{"org.apache.kafka.tools.DumpLogSegments"}, args...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("kafka-dump-log %v: %v: %s", args, err, out)
	}
	for _, wrong := range []string{"mismatch", "Mismatch", "isvalid: false", "not found", "Could not", "corrupt", "Exception"} {
		if strings.Contains(string(out), wrong) {
			n.t.Errorf("kafka-dump-log %v says %q: %.3000s", args, wrong, out)
		}
	}
}
