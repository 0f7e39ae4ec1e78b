package simtest

import (
	"flag"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/history"
)

var (
	seeds = flag.Int("seeds", 3, "how many seeds of each shape")
	first = flag.Uint64("seed", 1, "the first seed")
)

// Clusters under faults lose nothing, invent nothing and heal.
func TestSimulation(t *testing.T) {
	for _, s := range []Shape{{Nodes: 1, Replicas: 1}} {
		for i := range *seeds {
			Run(t, Plan{Shape: s, Seed: *first + uint64(i), Length: 30 * time.Second,
				Minimum: history.Minimum{Acknowledged: 200, Read: 500, Faults: 3}})
			if t.Failed() {
				return // with the first seed's history
			}
		}
	}
}
