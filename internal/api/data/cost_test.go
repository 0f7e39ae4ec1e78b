package data_test

import (
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
)

// How often a Produce and a Fetch may allocate, with what a file in memory takes
// for itself.
func TestAllocationsOfProduceAndFetch(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.OS)
	records := replicatest.Batch(string(make([]byte, 1024)))
	produce := request(9, produceTo("t", 0, 1, records))
	if got := testing.AllocsPerRun(500, func() {
		clear(records[:8]) // the offset that the last append gave it
		b.produce.Begin(t.Context(), produce).Wait(t.Context())
	}); got > 8 {
		t.Errorf("%.1f allocations for a Produce", got)
	}
	first := b.fetchRequest(13, 1)
	first.SessionEpoch = 0
	req := b.fetchRequest(13, 1)
	req.SessionID = b.get(13, first).SessionID
	p := b.node.Partition(b.id, 1)
	small := slices.Clone(replicatest.Batch("x"))
	i := int32(0)
	if got := testing.AllocsPerRun(500, func() {
		clear(small[:8])
		if _, _, err := p.Append(small, 1, replica.Client); err != nil {
			t.Fatal(err)
		}
		req.SessionEpoch, req.Topics[0].Partitions[0].FetchOffset = i+1, int64(i)
		i++
		b.fetch.Handle(t.Context(), request(13, req))
	}); got > 16 {
		t.Errorf("%.1f allocations for an append and its Fetch", got)
	}
}
