//go:build interop

package mixed

import (
	"bufio"
	"bytes"
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ledger is what was acknowledged: topic, partition, values by offset.
type ledger map[string]map[int32][]string

func (l ledger) add(topic string, values map[int32][]string) {
	if l[topic] == nil {
		l[topic] = map[int32][]string{}
	}
	for p, v := range values {
		l[topic][p] = append(l[topic][p], v...)
	}
}

// verify reads everything that was ever acknowledged.
func (c *cluster) verify(l ledger) {
	c.t.Helper()
	for topic, want := range l {
		c.verifyConsumed(topic, want)
	}
}

// verifyReplicas has Kafka's own tools read what is there, then compares the replicas' files.
func (c *cluster) verifyReplicas(l ledger, ids []int32) {
	c.t.Helper()
	topics := slices.Sorted(maps.Keys(l))
	for partition, values := range l[topics[0]] {
		c.verifyConsoleConsumer(topics[0], partition, values)
	}
	c.verifyReplicaVerificationTool(strings.Join(topics, "|"))
	for _, topic := range topics {
		c.verifyFiles(topic, placed(ids))
	}
}

func (c *cluster) verifyConsoleConsumer(topic string, partition int32, values []string) {
	c.t.Helper()
	out := tool(c.t, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", c.bootstrap(), "--topic", topic, "--partition",
		strconv.Itoa(int(partition)), "--offset", "earliest", "--max-messages", strconv.Itoa(len(values)), "--timeout-ms", "30000")
	var got []string
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, topic) {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(got, values) {
		c.t.Errorf("kafka-console-consumer read %d records of %s-%d, %d were acknowledged, or in another order", len(got), topic, partition, len(values))
	}
}

// verifyReplicaVerificationTool runs kafka-replica-verification, which fetches from every replica, until it has compared
// everything.
func (c *cluster) verifyReplicaVerificationTool(topics string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, programs[kafka], "org.apache.kafka.tools.ReplicaVerificationTool", "--broker-list", c.bootstrap(),
		"--topics-include", topics, "--time", "-2", "--report-interval-ms", "500")
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	last, done := "", false
	for lines := bufio.NewScanner(out); !done && lines.Scan(); {
		last = lines.Text()
		if strings.Contains(last, "match") {
			c.t.Errorf("kafka-replica-verification: %s", last)
		}
		done = strings.Contains(last, "max lag is 0 for")
	}
	cancel()
	if err := command.Wait(); err == nil || !done {
		c.t.Errorf("kafka-replica-verification did not come to the end: %v: %s%s", err, last, c.outputs())
	}
}

// verifyFiles compares the logs of a partition on all of its replicas, byte for byte, and has kafka-dump-log read each of
// them. Nothing may be written meanwhile.
func (c *cluster) verifyFiles(topic string, replicas [][]int32) {
	c.t.Helper()
	var segments []string
	for p, ids := range replicas {
		var first []byte
		for i, id := range ids {
			files := c.nodes[id].segments(c, topic, p)
			segments = append(segments, files...)
			content := contents(c, files)
			if i == 0 {
				first = content
			} else if !bytes.Equal(first, content) {
				c.t.Errorf("%s-%d: %d bytes on node %d, %d others on node %d", topic, p, len(first), ids[0], len(content), id)
			}
		}
	}
	dump := tool(c.t, "org.apache.kafka.tools.DumpLogSegments", "--files", strings.Join(segments, ","), "--deep-iteration")
	for line := range strings.Lines(dump) {
		if strings.Contains(line, "isvalid: false") || strings.Contains(line, "Mismatches") || strings.Contains(line, "Non-consecutive") {
			c.t.Errorf("kafka-dump-log: %s", line)
		}
	}
	if !strings.Contains(dump, "isvalid: true") {
		c.t.Errorf("kafka-dump-log found no batch in %v", segments)
	}
}

func (n *node) segments(c *cluster, topic string, partition int) []string {
	files, err := filepath.Glob(filepath.Join(n.Data, partitionName(topic, partition), "*.log"))
	if err != nil || len(files) == 0 {
		c.t.Fatalf("node %d has no segments of %s-%d: %v", n.id, topic, partition, err)
	}
	slices.Sort(files)
	return files
}

func contents(c *cluster, files []string) []byte {
	var all []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}
