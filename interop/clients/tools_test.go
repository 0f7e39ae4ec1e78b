//go:build interop

package clients

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/interop/internal/peer"
)

const (
	topicsTool     = "org.apache.kafka.tools.TopicCommand"
	offsetsTool    = "org.apache.kafka.tools.GetOffsetShell"
	producerTool   = "org.apache.kafka.tools.ConsoleProducer"
	consumerTool   = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	quorumTool     = "org.apache.kafka.tools.MetadataQuorumCommand"
	dumpTool       = "org.apache.kafka.tools.DumpLogSegments"
	shellTool      = "org.apache.kafka.shell.MetadataShell"
	versionsTool   = "org.apache.kafka.tools.BrokerApiVersionsCommand"
	configsTool    = "kafka.admin.ConfigCommand"
	electionTool   = "org.apache.kafka.tools.LeaderElectionCommand"
	featuresTool   = "org.apache.kafka.tools.FeatureCommand"
	clusterTool    = "org.apache.kafka.tools.ClusterTool"
	dirsTool       = "org.apache.kafka.tools.LogDirsCommand"
	movesTool      = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
	metadataFolder = "__cluster_metadata-0"
)

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

// TestTopicsTool makes, lists, describes and deletes topics with kafka-topics.
func TestTopicsTool(t *testing.T) {
	topics := func(args ...string) string {
		return tool(t, topicsTool, "", append([]string{"--bootstrap-server", shared.Addr}, args...)...)
	}
	contains(t, topics("--create", "--topic", "tool", "--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=1000"), "Created topic tool.")
	if list := strings.Fields(topics("--list")); !slices.Contains(list, "tool") {
		t.Errorf("listed: %v", list)
	}
	contains(t, topics("--describe", "--topic", "tool"), "PartitionCount: 3", "ReplicationFactor: 1", "retention.ms=1000",
		"Partition: 2\tLeader: 1\tReplicas: 1\tIsr: 1")
	topics("--delete", "--topic", "tool")
	if list := strings.Fields(topics("--list")); slices.Contains(list, "tool") {
		t.Errorf("still listed: %v", list)
	}
}

// TestAdminTools changes topics, configs and features with Kafka's tools, on the broker's listener and on the controller's.
func TestAdminTools(t *testing.T) {
	broker := []string{"--bootstrap-server", shared.Addr}
	controller := []string{"--bootstrap-controller", shared.Controller}
	run := func(class string, server []string, args ...string) string {
		return tool(t, class, "", slices.Concat(server, args)...)
	}
	create(t, shared.Addr, "admin", 1)
	run(topicsTool, broker, "--alter", "--topic", "admin", "--partitions", "3")
	contains(t, run(topicsTool, broker, "--describe", "--topic", "admin"), "PartitionCount: 3")
	contains(t, run(configsTool, broker, "--alter", "--entity-type", "topics", "--entity-name", "admin", "--add-config", "retention.ms=1234"),
		"Completed updating config for topic admin.")
	contains(t, run(configsTool, broker, "--describe", "--entity-type", "topics", "--entity-name", "admin"),
		"retention.ms=1234 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1234")
	contains(t, run(configsTool, controller, "--alter", "--entity-type", "brokers", "--entity-default", "--add-config", "log.retention.ms=99999999"),
		"Completed updating default config for brokers in the cluster.")
	contains(t, run(configsTool, broker, "--describe", "--entity-type", "brokers", "--entity-default"),
		"log.retention.ms=99999999 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=99999999")
	contains(t, run(electionTool, broker, "--election-type", "unclean", "--topic", "admin", "--partition", "0"),
		"Valid replica already elected for partitions admin-0")
	contains(t, run(featuresTool, broker, "downgrade", "--feature", "transaction.version=1"), "transaction.version was downgraded to 1.")
	contains(t, run(featuresTool, controller, "upgrade", "--feature", "transaction.version=2"), "transaction.version was upgraded to 2.")
	contains(t, tool(t, clusterTool, "", slices.Concat([]string{"list-endpoints"}, broker, []string{"--include-fenced-brokers"})...), "unfenced   broker")
	contains(t, tool(t, clusterTool, "", slices.Concat([]string{"list-endpoints"}, controller)...), "controller")
	contains(t, run(dirsTool, broker, "--describe", "--topic-list", "admin"), `"partition":"admin-2","size":0,"offsetLag":0,"isFuture":false`)
	contains(t, run(movesTool, broker, "--list"), "No partition reassignments found.")
}

// TestConsoleTools writes with kafka-console-producer, reads with kafka-console-consumer without a group, and asks
// kafka-get-offsets.
func TestConsoleTools(t *testing.T) {
	create(t, shared.Addr, "console", 2)
	for _, codec := range everyCodec {
		in := fmt.Sprintf("key\t%s one\nkey\t%s two\n", codec, codec)
		tool(t, producerTool, in, "--bootstrap-server", shared.Addr, "--topic", "console", "--compression-codec", codec,
			"--reader-property", "parse.key=true", "--command-property", "acks=all")
	}
	offsets := tool(t, offsetsTool, "", "--bootstrap-server", shared.Addr, "--topic-partitions", "console:0,console:1")
	var partition, count string
	for line := range strings.Lines(offsets) {
		if fields := strings.Split(strings.TrimSpace(line), ":"); len(fields) == 3 && fields[2] != "0" {
			partition, count = fields[1], fields[2]
		}
	}
	if count != "10" {
		t.Fatalf("one key lies in one partition, 10 times: %s", offsets)
	}
	got := tool(t, consumerTool, "", "--bootstrap-server", shared.Addr, "--topic", "console", "--partition", partition, "--offset", "earliest",
		"--max-messages", "10", "--timeout-ms", "20000", "--formatter-property", "print.key=true", "--formatter-property", "print.offset=true")
	var want strings.Builder
	for i, codec := range everyCodec {
		fmt.Fprintf(&want, "Offset:%d\tkey\t%s one\nOffset:%d\tkey\t%s two\n", 2*i, codec, 2*i+1, codec)
	}
	if got != want.String() {
		t.Errorf("read:\n%s\nwant:\n%s", got, want.String())
	}
	for time, want := range map[string]string{"earliest": "0", "latest": "10", "-3": "9"} {
		got := tool(t, offsetsTool, "", "--bootstrap-server", shared.Addr, "--topic", "console", "--partitions", partition, "--time", time)
		if fields := strings.Split(strings.TrimSpace(got), ":"); time != "-3" && fields[2] != want || len(fields) != 3 {
			t.Errorf("--time %s: %s", time, got)
		}
	}
}

// TestQuorumTool describes the quorum of one with kafka-metadata-quorum.
func TestQuorumTool(t *testing.T) {
	for flag, server := range map[string]string{"--bootstrap-server": shared.Addr, "--bootstrap-controller": shared.Controller} {
		status := tool(t, quorumTool, "", flag, server, "describe", "--status")
		contains(t, status, "ClusterId:              "+peer.ClusterID, "LeaderId:               1", "MaxFollowerLag:         0")
		if !regexp.MustCompile(`HighWatermark: +[1-9]`).MatchString(status) {
			t.Errorf("nothing is committed:\n%s", status)
		}
		replication := tool(t, quorumTool, "", flag, server, "describe", "--replication")
		if !regexp.MustCompile(`(?m)^1\s.*\sLeader\s*$`).MatchString(replication) {
			t.Errorf("node 1 does not lead:\n%s", replication)
		}
	}
}

// TestVersionsTool asks for the versions of every API with kafka-broker-api-versions.
func TestVersionsTool(t *testing.T) {
	contains(t, tool(t, versionsTool, "", "--bootstrap-server", shared.Addr), "Produce(0): 0 to 13", "Fetch(1): 4 to 18", "Metadata(3): 0 to 13")
}

// TestFiles stops a node that has data of every kind and reads all its files with kafka-dump-log and kafka-metadata-shell.
func TestFiles(t *testing.T) {
	t.Parallel()
	node, err := peer.Start(t.Context(), options(t.TempDir(), map[string]string{
		"metadata.log.max.record.bytes.between.snapshots": "1", "log.index.interval.bytes": "100",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range everyCodec {
		topic := "files-" + codec
		create(t, node.Addr, topic, 1)
		for range 3 {
			if _, err := (franz{}).produce(t.Context(), node.Addr, topic, codec, samples(true)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := node.Stop(); err != nil {
		t.Fatal(err)
	}
	dumped := map[string]int{}
	err = filepath.WalkDir(node.Data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if kind := dump(t, path); kind != "" {
			dumped[kind]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{".log", ".index", ".timeindex", ".snapshot", ".checkpoint", "metadata"} {
		if dumped[kind] == 0 {
			t.Errorf("no file of kind %s: %v", kind, dumped)
		}
	}
	t.Logf("dumped: %v", dumped)
	shell(t, node.Data)
}

// dump reads one file with kafka-dump-log, which finds nothing wrong in it, and returns what kind it was.
func dump(t *testing.T, path string) string {
	t.Helper()
	metadata := filepath.Base(filepath.Dir(path)) == metadataFolder
	kind := filepath.Ext(path)
	args := []string{"--files", path}
	switch {
	case !regexp.MustCompile(`^\d{20}`).MatchString(filepath.Base(path)):
		return "" // not a file of the log
	case kind == ".checkpoint", metadata && kind == ".log":
		args = append(args, "--cluster-metadata-decoder")
	case kind == ".log":
		args = append(args, "--deep-iteration", "--print-data-log")
	}
	out := tool(t, dumpTool, "", args...)
	for _, wrong := range []string{"mismatch", "Mismatch", "isvalid: false", "Non-consecutive", "not found", "Could not", "corrupt", "Could not decode"} {
		if strings.Contains(out, wrong) {
			t.Errorf("%s: %s", path, out)
		}
	}
	if !metadata && kind == ".log" {
		// Three times the samples, each record with its offset.
		if n := strings.Count(out, "| offset: "); n != 3*len(samples(true)) {
			t.Errorf("%s: %d records", path, n)
		}
	}
	if metadata && kind == ".log" {
		contains(t, out, `"type":"REGISTER_BROKER_RECORD"`, `"type":"TOPIC_RECORD"`, `"type":"PARTITION_RECORD"`, `"name":"files-zstd"`)
		return "metadata"
	}
	return kind
}

// shell looks at the newest snapshot of the metadata with kafka-metadata-shell.
func shell(t *testing.T, data string) {
	t.Helper()
	snapshots, err := filepath.Glob(filepath.Join(data, metadataFolder, "*.checkpoint"))
	if err != nil || len(snapshots) == 0 {
		t.Fatalf("no snapshot: %v", err)
	}
	newest := slices.Max(snapshots)
	looks := map[string]string{"ls /": "local", "find /image/features": "metadataVersion", "ls /image/cluster/brokers": "1", "ls /image/topics/byName": "files-zstd"}
	for look, want := range looks {
		// In a JVM of its own: the shell is not made to be run twice in one, and then hangs now and then.
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		kafka, err := filepath.Abs(filepath.Join(root, peer.Reference))
		if err != nil {
			t.Fatal(err)
		}
		out, err := execute(ctx, "", append([]string{kafka, shellTool, "--snapshot", newest}, strings.Fields(look)...)...)
		if err != nil {
			t.Fatal(err)
		}
		contains(t, out, want)
	}
}
