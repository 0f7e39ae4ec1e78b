//go:build interop

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestJournalKeepsApacheKafkaOut: what Strom acknowledged may be in its journal only, so Apache Kafka must not start on a
// directory that has one. Strom does, and finds everything; once it has stopped cleanly, the directory is Apache Kafka's.
func TestJournalKeepsApacheKafkaOut(t *testing.T) {
	n := newNode(t, strom, nil)
	n.create("t", 20, nil)
	cl := n.client()
	for i := range 100 {
		r := &kgo.Record{Topic: "t", Partition: int32(i % 20), Value: fmt.Append(nil, i)}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cl.Close()
	n.up = false
	if err := n.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(n.path("journal", "0")); err != nil {
		t.Fatalf("after a kill: %v", err)
	}
	n.dumped("t-*") // beside the journal

	n.As(kafka, nil)
	if err := n.Launch(); err != nil {
		t.Fatal(err)
	}
	if err := n.Await(t.Context()); err == nil || !strings.Contains(err.Error(), "the node ended while starting") {
		t.Errorf("Apache Kafka on a directory with a journal: %v", err)
	}
	if !strings.Contains(n.Log(), "'journal' is not in the form of topic-partition") {
		t.Errorf("Apache Kafka does not say why: %s", n.Output())
	}

	n.start(strom)
	n.holds(5)
	n.stop()
	if _, err := os.Stat(n.path("journal")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a clean stop: %v", err)
	}
	n.dumped("*-[0-9]*")
	n.start(kafka)
	n.holds(5)
	n.stop()
}

// holds checks that each partition of t has the records that were written to it.
func (n *node) holds(each int) {
	n.t.Helper()
	for p := range int32(20) {
		var got []string
		for _, r := range n.read("t", p) {
			got = append(got, string(r.Value))
		}
		if len(got) != each || got[0] != fmt.Sprint(p) || got[each-1] != fmt.Sprint(80+p) {
			n.t.Errorf("partition %d: %q", p, got)
		}
	}
}
