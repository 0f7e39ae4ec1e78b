package commitlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// kept is a record of the model of a compacted log.
type kept struct {
	key, value string // "" is no value: a tombstone
	producer   model.ProducerID
	txn        int // 0 for none
}

// compactor appends keyed records, in transactions and without, cleans, and
// crashes; and knows what a consumer must find.
type compactor struct {
	t       *testing.T
	fs      *vfs.Mem
	o       Options
	l       *Log
	rng     *rand.Rand
	now     time.Time
	records map[model.Offset]kept
	point   model.Offset
	cleaned model.Offset
	durable model.Offset
	epoch   int16
	seq     map[model.ProducerID]int32
	open    map[model.ProducerID]int
	txns    int
	aborted map[int]bool
	ended   map[int]model.Offset
	values  int
}

func newCompactor(t *testing.T, seed uint64) *compactor {
	c := &compactor{
		t: t, fs: vfs.NewMem(), rng: rand.New(rand.NewPCG(seed, 7)), now: testNow, cleaned: -1,
		records: map[model.Offset]kept{}, seq: map[model.ProducerID]int32{}, open: map[model.ProducerID]int{},
		aborted: map[int]bool{}, ended: map[int]model.Offset{},
	}
	if err := errors.Join(c.fs.MkdirAll("/data", 0o755), c.fs.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	c.o = testOptions(c.fs)
	c.o.Config.Delete, c.o.Config.Compact = false, true
	c.o.Config.SegmentBytes = 1500
	c.o.Config.DeleteRetention = 50 * time.Millisecond
	c.o.Config.ProducerExpiration = 0
	c.o.Now = func() time.Time { return c.now }
	c.reopen(c.fs, false)
	return c
}

func (c *compactor) reopen(fs vfs.FS, clean bool) {
	c.o.FS, c.o.Files = fs, NewFiles(fs, 6)
	c.o.RecoveryPoint, c.o.CleanShutdown = c.point, clean
	var err error
	if c.l, err = Open(c.o); err != nil {
		c.t.Fatal(err)
	}
}

func (c *compactor) stable() model.Offset {
	hw := c.l.Durable()
	if first := c.l.FirstUnstableOffset(hw); first >= 0 {
		return min(first, hw)
	}
	return hw
}

// append writes a batch of a few records.
func (c *compactor) append() error {
	opts := batch.Options{Codec: compress.Codec(c.rng.IntN(5))}
	id := model.ProducerID(c.rng.IntN(5) - 1)
	if id >= 0 {
		opts.Producer = &batch.Producer{ID: id, Epoch: c.epoch, BaseSequence: c.seq[id]}
	}
	if id >= 2 {
		opts.Transactional = true
		if c.open[id] == 0 {
			c.txns++
			c.open[id] = c.txns
		}
	}
	b := batch.New(opts)
	var added []kept
	for range 1 + c.rng.IntN(3) {
		c.values++
		r := kept{key: fmt.Sprint("k", c.rng.IntN(12)), value: fmt.Sprint("value ", c.values), producer: id, txn: c.open[id]}
		value := []byte(r.value)
		if c.rng.IntN(4) == 0 {
			r.value, value = "", nil
		}
		b.Add(c.now.UnixMilli(), []byte(r.key), value, batch.Header{Key: "pad", Value: make([]byte, c.rng.IntN(60))})
		added = append(added, r)
	}
	built, err := b.Build()
	if err != nil {
		return err
	}
	info, err := c.l.AppendLeader(built, Append{Epoch: 1, Now: c.now})
	if err != nil {
		return err
	}
	if id >= 0 {
		c.seq[id] += int32(len(added))
	}
	for i, r := range added {
		c.records[info.FirstOffset+model.Offset(i)] = r
	}
	return nil
}

// end ends a transaction.
func (c *compactor) end(id model.ProducerID, commit bool) error {
	txn := c.open[id]
	if txn == 0 {
		return nil
	}
	m := batch.Marker{Type: batch.ControlAbort}
	if commit {
		m.Type = batch.ControlCommit
	}
	key, value := m.MarkerRecord()
	b := batch.New(batch.Options{Control: true, Transactional: true, Producer: &batch.Producer{ID: id, Epoch: c.epoch, BaseSequence: -1}})
	b.Add(c.now.UnixMilli(), key, value)
	built, err := b.Build()
	if err != nil {
		return err
	}
	info, err := c.l.AppendLeader(built, Append{Epoch: 1, Now: c.now, Origin: Coordinator})
	if err != nil {
		return err
	}
	c.open[id], c.aborted[txn], c.ended[txn] = 0, !commit, info.FirstOffset
	return nil
}

func (c *compactor) clean() error {
	d, err := c.l.Compactable(c.cleaned, c.stable(), c.now)
	if err != nil {
		return err
	}
	if c.point, err = c.l.Checkpoint(); err != nil {
		return err
	}
	o := CleanOptions{Now: c.now, Memory: 24 * 1000, Load: 0.9, Point: c.point}
	if c.rng.IntN(3) == 0 {
		o.Memory = 24 * 12 // full after few keys
	}
	out, err := c.l.Clean(context.Background(), d, o)
	if errors.Is(err, errMapFull) {
		return nil
	}
	if err == nil {
		c.cleaned = out.End
	}
	return err
}

func (c *compactor) flush() error {
	err := c.l.Flush(context.Background(), c.l.End())
	c.durable = max(c.durable, c.l.Durable())
	return err
}

// want is what a read_committed consumer that reads up to stable makes of the
// records.
func (c *compactor) want(stable model.Offset) map[string]string {
	out := map[string]string{}
	for o := model.Offset(0); o < stable; o++ {
		r, ok := c.records[o]
		switch {
		case !ok || r.txn > 0 && c.aborted[r.txn]:
		case r.value == "":
			delete(out, r.key)
		default:
			out[r.key] = r.value
		}
	}
	return out
}

// check reads the log as consumers do.
func (c *compactor) check() error {
	stable := c.stable()
	aborted, err := c.l.AbortedTransactions(c.l.Start(), stable)
	if err != nil {
		return err
	}
	slices.SortFunc(aborted, func(a, b Aborted) int { return int(a.First - b.First) })
	skip := map[model.ProducerID]bool{}
	got := map[string]string{}
	last := model.Offset(-1)
	seen := map[model.Offset]bool{}
	for b, err := range c.l.Batches(c.l.Start()) {
		if err != nil {
			return err
		}
		if err := b.Check(); err != nil {
			return err
		}
		if b.BaseOffset() <= last {
			return fmt.Errorf("batch %d after offset %d", b.BaseOffset(), last)
		}
		last = b.LastOffset()
		for len(aborted) > 0 && aborted[0].First <= b.LastOffset() {
			skip[aborted[0].Producer] = true
			aborted = aborted[1:]
		}
		if err := c.checkBatch(b, stable, skip, got, seen); err != nil {
			return err
		}
	}
	if want := c.want(stable); !maps.Equal(got, want) {
		return fmt.Errorf("consumers find %v, want %v", got, want)
	}
	for o, r := range c.records {
		if hidden := r.txn > 0 && c.aborted[r.txn]; o >= max(c.cleaned, 0) && !seen[o] && !hidden {
			return fmt.Errorf("record %d %+v above the clean part is gone", o, r)
		}
	}
	return nil
}

func (c *compactor) checkBatch(b batch.Batch, stable model.Offset, skip map[model.ProducerID]bool, got map[string]string, seen map[model.Offset]bool) error {
	for r, err := range b.Records(1 << 20) {
		if err != nil {
			return err
		}
		if b.IsControl() {
			if m, _, _ := batch.ParseMarker(r); m.Type == batch.ControlAbort {
				delete(skip, b.ProducerID())
			}
			continue
		}
		want, ok := c.records[r.Offset]
		if !ok || want.key != string(r.Key) || want.value != string(r.Value) || (want.value == "") != (r.Value == nil) {
			return fmt.Errorf("record %d is %q %q, want %+v", r.Offset, r.Key, r.Value, want)
		}
		seen[r.Offset] = true
		if r.Offset >= stable {
			continue
		}
		hidden := b.IsTransactional() && skip[b.ProducerID()]
		if hidden != (want.txn > 0 && c.aborted[want.txn]) {
			return fmt.Errorf("record %d of transaction %d: hidden %v", r.Offset, want.txn, hidden)
		}
		switch {
		case hidden:
		case r.Value == nil:
			delete(got, string(r.Key))
		default:
			got[string(r.Key)] = string(r.Value)
		}
	}
	return nil
}

func (c *compactor) step() error {
	c.now = c.now.Add(time.Duration(c.rng.IntN(4)) * time.Millisecond)
	switch k := c.rng.IntN(100); {
	case k < 55:
		return c.append()
	case k < 70:
		return c.end(model.ProducerID(2+c.rng.IntN(2)), c.rng.IntN(2) == 0)
	case k < 80:
		return c.flush()
	case k < 84:
		return c.l.Roll()
	case k < 93:
		return c.clean()
	case k < 95:
		_, err := c.l.Retain(c.now, c.l.Durable())
		c.now = c.now.Add(time.Hour)
		return err
	case k < 97:
		err := c.l.Close()
		c.point, c.durable = c.l.RecoveryPoint(), c.l.End()
		c.reopen(c.fs, true)
		return err
	case k < 98:
		c.crash(c.fs.Crash())
	default:
		c.crash(c.fs.PowerLoss(vfs.KeepRandom(c.rng.Uint64())))
	}
	return nil
}

// crash goes on with what a disk has.
func (c *compactor) crash(fs *vfs.Mem) {
	c.t.Helper()
	c.fs = fs
	c.reopen(fs, false)
	end := c.l.End()
	if end < c.durable {
		c.t.Fatalf("end %d, durable was %d", end, c.durable)
	}
	for o := range c.records {
		if o >= end {
			delete(c.records, o)
		}
	}
	c.durable = end
	// Who has an open transaction is told by the log; the sequences begin anew.
	clear(c.seq)
	c.epoch++
	for txn, at := range c.ended {
		if at >= end {
			delete(c.ended, txn)
			delete(c.aborted, txn)
		}
	}
	clear(c.open)
	for _, p := range c.l.Producers() {
		if p.TxnStart < 0 {
			continue
		}
		for o := p.TxnStart; o < end; o++ {
			if r, ok := c.records[o]; ok && r.producer == p.ID && r.txn > 0 {
				c.open[p.ID] = r.txn
				break
			}
		}
		if err := c.end(p.ID, false); err != nil {
			c.t.Fatal(err)
		}
	}
}

func TestCompactionModel(t *testing.T) {
	seeds := uint64(25)
	if s, err := strconv.ParseUint(os.Getenv("STROM_SEEDS"), 10, 64); err == nil {
		seeds = s
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := newCompactor(t, seed)
			for i := range 300 {
				if err := c.step(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if err := c.check(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
			}
		})
	}
}

// The power fails before each change of the disk that a cleaning makes, and
// before each that the recovery from it makes.
func TestPowerLossAnywhereInACompaction(t *testing.T) {
	for seed := range uint64(1) {
		for at := 0; ; at++ {
			c := newCompactor(t, seed)
			for range 60 {
				if err := c.append(); err != nil {
					t.Fatal(err)
				}
				if c.rng.IntN(3) == 0 {
					if err := c.end(model.ProducerID(2+c.rng.IntN(2)), c.rng.IntN(2) == 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := errors.Join(c.end(2, true), c.end(3, false), c.flush(), c.l.Roll(), c.clean(), c.append(), c.flush()); err != nil {
				t.Fatal(err)
			}
			c.now = c.now.Add(time.Second)
			if err := errors.Join(c.end(2, true), c.end(3, false), c.l.Roll(), c.l.Close()); err != nil {
				t.Fatal(err)
			}
			c.point, c.durable = c.l.RecoveryPoint(), c.l.End()
			left := cleanUntil(c, at, vfs.KeepRandom(uint64(at)))
			if left == nil {
				if at < 30 {
					t.Fatalf("only %d changes of the disk", at)
				}
				break
			}
			recoverAnywhere(t, c, left, at%5 == 0)
		}
	}
}

// cleanUntil cleans, and is what a power loss before the change at leaves; nil if
// there are not so many.
func cleanUntil(c *compactor, at int, keep func() bool) *vfs.Mem {
	var left *vfs.Mem
	n, mem := 0, c.fs
	faulty := vfs.NewFaulty(mem, nil)
	c.reopen(faulty, true)
	point := c.point
	faulty.SetHook(func(op vfs.Op) error {
		if op.Kind.Changes() {
			if n == at {
				left = mem.PowerLoss(keep)
			}
			n++
		}
		return nil
	})
	d, err := c.l.Compactable(0, c.stable(), c.now)
	if err != nil {
		c.t.Fatal(err)
	}
	o := CleanOptions{Now: c.now, Memory: 24 * 1000, Load: 0.9, Point: point}
	_, err = c.l.Clean(context.Background(), d, o)
	c.cleaned = d.To
	faulty.SetHook(nil)
	if left == nil {
		if err := errors.Join(err, c.check()); err != nil {
			c.t.Fatal(err)
		}
	}
	c.point = point
	return left
}

// recoverAnywhere recovers the disk, losing power again at each of the changes
// which that makes, if it is to happen again.
func recoverAnywhere(t *testing.T, c *compactor, disk *vfs.Mem, again bool) {
	for at := 0; ; at++ {
		mem := disk.PowerLoss(vfs.KeepAll)
		var left *vfs.Mem
		n := 0
		faulty := vfs.NewFaulty(mem, func(op vfs.Op) error {
			if again && op.Kind.Changes() {
				if n == at {
					left = mem.PowerLoss(vfs.KeepRandom(uint64(at)))
				}
				n++
			}
			return nil
		})
		o := c.o
		o.FS, o.Files, o.RecoveryPoint, o.CleanShutdown = faulty, NewFiles(faulty, 6), c.point, false
		l, err := Open(o)
		faulty.SetHook(nil)
		switch c.l = l; {
		case left != nil:
			c.reopen(left, false)
		case err != nil:
			t.Fatal(err)
		}
		if c.l.End() != c.durable {
			t.Fatalf("recovered to %d of %d", c.l.End(), c.durable)
		}
		if err := c.check(); err != nil {
			t.Fatal(err)
		}
		for _, name := range mustList(t, c.l) {
			if hasAnySuffix(name, cleanedSuffix, swapSuffix, deletedSuffix) {
				t.Fatalf("%s is left after a recovery", name)
			}
		}
		if left == nil {
			return
		}
	}
}

func mustList(t *testing.T, l *Log) []string {
	t.Helper()
	names, err := l.list()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func hasAnySuffix(name string, suffixes ...string) bool {
	for _, s := range suffixes {
		if len(name) > len(s) && name[len(name)-len(s):] == s {
			return true
		}
	}
	return false
}
