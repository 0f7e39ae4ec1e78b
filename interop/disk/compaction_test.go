//go:build interop

package disk

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/twmb/franz-go/pkg/kgo"
)

// write puts keyed records into a compacted topic and returns the newest values; every ninth is a
// tombstone, whose value is "".
func (n *node) write(topic string, records, keys int, seed uint64, opts ...kgo.Opt) map[string]string {
	n.t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	cl := n.client(opts...)
	defer cl.Close()
	want := map[string]string{}
	for i := 0; i < records; i += 50 {
		var batch []*kgo.Record
		for j := range min(50, records-i) {
			r := &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key %d", rng.IntN(keys)), Value: fmt.Appendf(nil, "value %d of %d: %s", i+j, seed, hexadecimal(rng, 100))}
			if (i+j)%9 == 0 {
				r.Value = nil
				want[string(r.Key)] = ""
			} else {
				want[string(r.Key)] = string(r.Value)
			}
			batch = append(batch, r)
		}
		if err := cl.ProduceSync(n.t.Context(), batch...).FirstErr(); err != nil {
			n.t.Fatal(err)
		}
	}
	return want
}

func hexadecimal(rng *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%016x", rng.Uint64())
	}
	return b.String()[:n]
}

// cleaned waits until cleanings have come to an offset.
func (n *node) cleaned(topic string, to int64) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		offsets, err := commitlog.ReadOffsets(vfs.OS(), n.path("cleaner-offset-checkpoint"))
		if err == nil && int64(offsets[model.Partition{Topic: topic}]) >= to {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			n.t.Fatalf("not cleaned up to %d: %v %v: %s", to, offsets, err, n.Output())
		}
	}
}

var compactedTopic = map[string]string{"cleanup.policy": "compact", "segment.bytes": "1048576", "delete.retention.ms": "100"}

// A topic is compacted by one program after the other; each finds what the others left, and kafka-dump-log reads it.
func TestCompactionInTurns(t *testing.T) {
	n := newNode(t, strom, nil)
	n.create("compacted", 1, compactedTopic)
	want := map[string]string{}
	for turn, program := range [][]string{strom, kafka, strom, kafka} {
		if turn > 0 {
			n.start(program)
		}
		if got := newest(n.read("compacted", 0)); !maps.Equal(got, want) {
			t.Fatalf("turn %d: %d keys, want %d", turn, len(got), len(want))
		}
		codec := []kgo.CompressionCodec{kgo.NoCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(), kgo.SnappyCompression()}[turn]
		for key, value := range n.write("compacted", 30_000, 500, uint64(turn), kgo.ProducerBatchCompression(codec)) {
			if want[key] = value; value == "" {
				delete(want, key)
			}
		}
		n.cleaned("compacted", int64(turn)*30_000+12_000)
		if got := newest(n.read("compacted", 0)); !maps.Equal(got, want) {
			t.Fatalf("turn %d, cleaned: %d keys, want %d", turn, len(got), len(want))
		}
		n.stop()
		if program[0] == strom[0] {
			n.dumped("compacted-0")
		}
	}
	var size int64
	files, err := os.ReadDir(n.path("compacted-0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil && strings.HasSuffix(f.Name(), ".log") {
			size += info.Size()
		}
	}
	if size > 10<<20 {
		t.Errorf("%d bytes are left of 120,000 records with 500 keys", size)
	}
}
