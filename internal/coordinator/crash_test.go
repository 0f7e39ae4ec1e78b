package coordinator_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
)

// promises are the values that a key may have after a crash: what was last
// acknowledged or shown, or what was asked for after that.
type promises struct{ acknowledged, sent map[string]int }

func (p *promises) put(w *world, key string, value int) bool {
	p.sent[key] = value
	_, err := w.set.Call(w.t.Context(), 0, put{Key: key, Value: strconv.Itoa(value)})
	if err == nil {
		p.acknowledged[key] = value
	}
	return err == nil
}

// transact puts a value in a transaction and commits it.
func (p *promises) transact(w *world, producer machine.Producer, key string, value int) bool {
	if _, err := w.set.Call(w.t.Context(), 0, put{Key: key, Value: strconv.Itoa(value), Producer: &producer}); err != nil {
		return false
	}
	p.sent[key] = value
	err := w.set.Mark(w.t.Context(), 0, coordinator.Marker{Producer: producer, Committed: true})
	if err == nil {
		p.acknowledged[key] = value
	}
	return err == nil
}

func (p *promises) script(w *world) {
	for i := 1; i <= 8; i++ {
		if !p.put(w, "k"+strconv.Itoa(i%3), i) || !p.transact(w, machine.Producer{ID: 1, Epoch: int16(i)}, "t", i) {
			return
		}
	}
}

func (p *promises) broken(values map[string]string) error {
	for key, sent := range p.sent {
		got, _ := strconv.Atoi(values[key])
		if got < p.acknowledged[key] || got > sent {
			return fmt.Errorf("%s is %d; %d was acknowledged, %d sent", key, got, p.acknowledged[key], sent)
		}
	}
	return nil
}

// crash runs the script on a disk that loses power before its operation number
// at, never if that is 0, and compares what a new broker serves with the promises.
func crash(t *testing.T, at int, seed uint64) (operations int) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		var mu sync.Mutex
		var after *vfs.Mem
		disk := vfs.NewFaulty(mem, func(op vfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if !op.Kind.Changes() || after != nil {
				return nil
			}
			if operations++; operations == at {
				after = mem.PowerLoss(vfs.KeepRandom(seed))
			}
			return nil
		})
		policy := replicatest.Fsync
		policy.Log.SegmentBytes = 500
		n := replicatest.New(t, policy)
		set, err := replica.Open(t.Context(), n.Options(disk, "data"))
		if err != nil {
			return // the power went before there was anything to lose
		}
		n.Adopt(set)
		w := opened(t, n, nil)
		p := &promises{map[string]int{}, map[string]int{}}
		p.script(w)
		mu.Lock()
		if after == nil {
			after = mem.PowerLoss(vfs.KeepRandom(seed))
		}
		mu.Unlock()
		w.stop()
		_ = n.Set.Close(-1) // of a machine that is off

		n.Open(n.Options(after, "data"))
		w = open(t, n, nil)
		defer w.close()
		w.set.Publish(n.Image())
		synctest.Wait()
		if err := p.broken(w.call(0, status{}).(state).Values); err != nil {
			t.Errorf("power lost before operation %d, seed %d: %v", at, seed, err)
		}
	})
	return operations
}

// TestPowerLoss: what was acknowledged is there after power was lost at any
// moment, whatever the disk kept of what was not synced.
func TestPowerLoss(t *testing.T) {
	operations := crash(t, 0, 0)
	if operations < 40 {
		t.Fatalf("the script has only %d operations", operations)
	}
	for at := 1; at <= operations; at++ {
		for seed := range uint64(3) {
			crash(t, at, seed)
		}
	}
}
