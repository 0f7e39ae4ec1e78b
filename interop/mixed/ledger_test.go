//go:build interop

package mixed

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
