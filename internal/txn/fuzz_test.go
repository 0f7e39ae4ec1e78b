package txn

import (
	"bytes"
	"testing"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// FuzzFold: no record makes the machine panic, and what it takes in it writes
// again in the same way.
func FuzzFold(f *testing.F) {
	e := entry{producer: machine.Producer{ID: 7, Epoch: 3}, previous: 6, next: 8, timeout: 1000, state: PrepareCommit,
		partitions: []model.Partition{{Topic: "t", Index: 1}, {Topic: "u", Index: 0}}, updated: 5, started: 4, client: 2}
	for _, level := range []int16{0, 1} {
		r := e.record("id", level)
		f.Add(r.Key, r.Value)
	}
	f.Add(encodeKey(""), []byte(nil))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		m := New(Config{})
		if err := m.Fold(machine.Origin{}, machine.Record{Key: key, Value: value}); err != nil || len(m.txns) == 0 {
			return
		}
		for id, x := range m.txns {
			again := x.entry.record(id, 1)
			second := New(Config{})
			if err := second.Fold(machine.Origin{}, again); err != nil {
				t.Fatalf("what was encoded does not decode: %v", err)
			}
			third := second.txns[id].entry.record(id, 1)
			if !bytes.Equal(third.Value, again.Value) || !bytes.Equal(third.Key, again.Key) {
				t.Fatalf("encoding is not stable: %x, %x", again.Value, third.Value)
			}
		}
	})
}
