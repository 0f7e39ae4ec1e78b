//go:build interop

package disk

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Kafka's own tester of compaction writes keys again and again, deletes some, waits, reads all, and compares what is left
// by key with what it wrote.
func TestLogCompactionTester(t *testing.T) {
	n := newNode(t, strom, map[string]string{"log.segment.bytes": "1048576", "log.cleaner.delete.retention.ms": "100"})
	out, err := exec.CommandContext(t.Context(), kafka[0], "org.apache.kafka.tools.LogCompactionTester", "--bootstrap-server", n.Addr,
		"--messages", "100000", "--duplicates", "100", "--topics", "2", "--percent-deletes", "10", "--sleep", "4").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !regexp.MustCompile(`Validated [1-9]\d* values, 0 mismatches`).Match(out) || !strings.Contains(string(out), "Data verification is completed") {
		t.Errorf("the tester says: %s", out)
	}
	reduction := regexp.MustCompile(`\((\d+)[.,]\d% reduction\)`).FindSubmatch(out)
	if reduction == nil {
		t.Fatalf("no reduction: %s", out)
	}
	if percent, err := strconv.Atoi(string(reduction[1])); err != nil || percent < 20 {
		t.Errorf("compaction took %d%%: %s", percent, out)
	}
	n.stop()
	n.dumped("*-[0-9]*")
}
