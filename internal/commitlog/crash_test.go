package commitlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/journal"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// model of a log: what was appended, and what of it must survive.
type expected struct {
	start   model.Offset
	batches []expectedBatch
	durable model.Offset
	point   model.Offset // in the directory's checkpoint file
	counter int
}

type expectedBatch struct {
	base, next model.Offset
	epoch      model.Epoch
	value      string // of the first record
}

func (m *expected) end() model.Offset {
	if len(m.batches) == 0 {
		return m.start
	}
	return m.batches[len(m.batches)-1].next
}

func (m *expected) cut(to model.Offset) {
	for len(m.batches) > 0 && m.batches[len(m.batches)-1].next > to {
		m.batches = m.batches[:len(m.batches)-1]
	}
	m.durable = min(m.durable, m.end())
}

// compare reads the whole log: it must be a prefix of the model's, and hold all
// that was durable. The model is then cut to what is there.
func (m *expected) compare(l *Log) error {
	i := 0
	for b, err := range l.Batches(l.Start()) {
		if err != nil {
			return err
		}
		if err := b.Check(); err != nil {
			return err
		}
		for i < len(m.batches) && m.batches[i].next <= l.Start() {
			i++
		}
		if i == len(m.batches) {
			return fmt.Errorf("batch %d beyond all that was appended", b.BaseOffset())
		}
		want := m.batches[i]
		i++
		for r, err := range b.Records(1 << 20) {
			if err != nil {
				return err
			}
			if got := string(r.Value); b.BaseOffset() != want.base || b.NextOffset() != want.next || b.LeaderEpoch() != want.epoch || got != want.value {
				return fmt.Errorf("batch %d-%d epoch %d %q, want %+v", b.BaseOffset(), b.NextOffset(), b.LeaderEpoch(), got, want)
			}
			break
		}
	}
	if l.End() < m.durable {
		return fmt.Errorf("end %d, but durable was %d", l.End(), m.durable)
	}
	if l.Start() < m.start {
		return fmt.Errorf("start %d went back from %d", l.Start(), m.start)
	}
	for k := range i {
		if b := m.batches[k]; b.base >= l.Start() && l.EpochAt(b.base) != b.epoch {
			return fmt.Errorf("epoch at %d is %d, want %d (%v)", b.base, l.EpochAt(b.base), b.epoch, l.Epochs())
		}
	}
	return nil
}

// driver does random things to a log and to its model.
type driver struct {
	t     *testing.T
	fs    *vfs.Mem
	o     Options
	l     *Log
	m     expected
	rng   *rand.Rand
	epoch model.Epoch
	seq   map[model.ProducerID]int32

	journalled bool
	os         bool // the policy, for a log that is journalled otherwise
}

func newDriver(t *testing.T, seed uint64, journalled bool) *driver {
	d := &driver{t: t, fs: vfs.NewMem(), rng: rand.New(rand.NewPCG(seed, 1)), epoch: 1, seq: map[model.ProducerID]int32{}, journalled: journalled}
	if err := errors.Join(d.fs.MkdirAll("/data", 0o755), d.fs.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	d.o = testOptions(d.fs)
	d.o.Config.Delete = false
	d.reopen(false)
	return d
}

func (d *driver) reopen(clean bool) {
	d.o.FS = d.fs
	d.o.Files = NewFiles(d.fs, 4)
	if d.journalled && d.rng.IntN(4) > 0 { // else there are too many open files for the journal
		d.o.Files = NewFiles(d.fs, 100)
	}
	d.o.RecoveryPoint, d.o.LogStart, d.o.CleanShutdown = d.m.point, d.m.start, clean
	var err error
	if d.l, err = openJournalled(&d.o, d.journalled); err == nil && d.os {
		err = d.l.SetJournaling(false)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// openJournalled opens a log as a log directory does: over what its journal says.
// The journal is small, so that its slots are used in turn.
func openJournalled(o *Options, journalled bool) (*Log, error) {
	if !journalled {
		return Open(*o)
	}
	if o.Journal != nil {
		_ = o.Journal.Close() // its disk is gone, or its log is closed
	}
	dir := path.Join(path.Dir(o.Dir), journal.Dir)
	found, err := journal.Find(o.FS, dir)
	if err != nil {
		return nil, err
	}
	r, err := NewReplayer(o.FS, path.Dir(o.Dir), []model.Partition{o.Partition}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := errors.Join(found.Replay(r.Apply), r.Finish()); err != nil {
		return nil, err
	}
	if found.Damaged > 0 {
		return nil, fmt.Errorf("%d stretches of the journal are damaged", found.Damaged)
	}
	o.Journal = journal.New(journal.Options{FS: o.FS, Path: dir, Size: 16 << 10, Step: 4 << 10})
	l, err := Open(*o)
	if err != nil {
		return nil, err
	}
	if err := found.Remove(); err != nil {
		return nil, err
	}
	return l, l.SetJournaling(true)
}

func (d *driver) append() error {
	d.m.counter++
	value := strconv.Itoa(d.m.counter)
	opts := batch.Options{}
	if id := model.ProducerID(d.rng.IntN(6) - 3); id >= 0 {
		opts.Producer = &batch.Producer{ID: id, Epoch: int16(d.epoch), BaseSequence: d.seq[id]}
	}
	n := 1 + d.rng.IntN(3)
	b := batch.New(opts)
	for i := range n {
		b.Add(testNow.UnixMilli()+int64(d.m.counter), nil, []byte(value), batch.Header{Key: fmt.Sprint(i), Value: make([]byte, d.rng.IntN(300))})
	}
	built, err := b.Build()
	if err != nil {
		return err
	}
	info, err := d.l.AppendLeader(built, Append{Epoch: d.epoch, Now: testNow})
	if errors.Is(err, kerr.OutOfOrderSequenceNumber) || errors.Is(err, kerr.InvalidProducerEpoch) {
		d.seq[opts.Producer.ID] = 0 // the state was cut by a truncation or crash: a new epoch begins at 0
		d.epoch++
		return nil
	}
	if err != nil {
		return err
	}
	if opts.Producer != nil {
		d.seq[opts.Producer.ID] += int32(n)
	}
	d.m.batches = append(d.m.batches, expectedBatch{info.FirstOffset, info.NextOffset, d.epoch, value})
	return nil
}

func (d *driver) step() error {
	switch k := d.rng.IntN(100); {
	case k < 60:
		return d.append()
	case k < 72:
		upTo := d.m.start + model.Offset(d.rng.Int64N(int64(d.m.end()-d.m.start)+1))
		err := d.l.Flush(context.Background(), upTo)
		d.m.durable = max(d.m.durable, d.l.Durable())
		return err
	case k < 78:
		point, err := d.l.Checkpoint()
		d.m.durable = max(d.m.durable, d.l.Durable())
		if err == nil {
			d.m.point = point
		}
		return err
	case k < 80:
		d.l.Begin() // and nobody waits yet
	case k < 82:
		d.epoch++
		d.l.AssignEpoch(d.epoch, d.l.End())
		clear(d.seq)
	case k < 86:
		to := d.m.start + model.Offset(d.rng.Int64N(int64(d.m.end()-d.m.start)+1))
		end, err := d.l.TruncateTo(to)
		if err != nil {
			return err
		}
		d.m.start, d.m.point = d.l.Start(), d.l.RecoveryPoint()
		d.m.cut(end)
		clear(d.seq)
		d.epoch++
	case k < 90:
		start := d.m.start + model.Offset(d.rng.Int64N(int64(d.l.Durable()-d.m.start)+1))
		if err := d.l.AdvanceStart(start); err != nil {
			return err
		}
		d.m.start = d.l.Start()
		_, err := d.l.Retain(testNow, d.l.Durable())
		return err
	case k < 92:
		return d.l.Roll()
	case k < 94:
		if err := d.l.Close(); err != nil {
			return err
		}
		d.m.durable, d.m.point = d.m.end(), d.l.RecoveryPoint()
		d.reopen(true)
	case k < 95 && d.journalled:
		d.os = !d.os
		if err := d.l.Flush(context.Background(), d.l.End()); err != nil {
			return err
		}
		d.m.durable = d.l.Durable()
		return d.l.SetJournaling(!d.os)
	case k < 97:
		if d.os {
			d.m.durable = d.m.end() // the page cache counts
		}
		d.crash(d.fs.Crash())
	default:
		d.crash(d.fs.PowerLoss(vfs.KeepRandom(d.rng.Uint64())))
	}
	return nil
}

// crash goes on with what is left of the disk.
func (d *driver) crash(fs *vfs.Mem) {
	d.fs = fs
	d.reopen(false)
	if err := d.m.compare(d.l); err != nil {
		d.t.Fatal(err)
	}
	d.m.cut(d.l.End())
	d.m.durable = d.l.Durable()
	if d.l.Durable() != d.l.End() {
		d.t.Fatalf("recovered to %d but durable is %d", d.l.End(), d.l.Durable())
	}
	clear(d.seq)
	d.epoch++
}

func TestModel(t *testing.T) {
	seeds := uint64(60)
	if s, err := strconv.ParseUint(os.Getenv("STROM_SEEDS"), 10, 64); err == nil {
		seeds = s
	}
	for _, journalled := range []bool{false, true} {
		for seed := range seeds {
			t.Run(fmt.Sprint(journalled, seed), func(t *testing.T) { runModel(t, newDriver(t, seed, journalled)) })
		}
	}
}

func runModel(t *testing.T, d *driver) {
	for i := range 300 {
		if err := d.step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if d.l.End() != d.m.end() {
			t.Fatalf("step %d: end %d, want %d", i, d.l.End(), d.m.end())
		}
		if i%10 == 0 {
			if err := d.m.compare(d.l); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
		}
	}
	if err := d.l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A scripted workload is stopped by a power loss before each of its changes of
// the disk in turn; whatever the disk keeps, what was durable is there.
func TestPowerLossAtEveryWriteAndSync(t *testing.T) {
	for _, journalled := range []bool{false, true} {
		for _, keep := range []func(seed uint64) func() bool{
			vfs.KeepRandom,
			func(uint64) func() bool { return vfs.KeepNone },
			func(uint64) func() bool { return vfs.KeepAll },
		} {
			at := 0
			for powerLossAt(t, at, keep(uint64(at)), journalled) {
				at++
			}
			if at < 100 {
				t.Fatalf("only %d changes of the disk", at)
			}
		}
	}
}

// powerLossAt reports whether there was a change of the disk number at.
func powerLossAt(t *testing.T, at int, keep func() bool, journalled bool) bool {
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("/data", 0o755), mem.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // the journal settles logs in the background
	var left *vfs.Mem
	n := 0
	faulty := vfs.NewFaulty(mem, func(op vfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if !op.Kind.Changes() {
			return nil
		}
		if n == at {
			left = mem.PowerLoss(keep)
		}
		n++
		return nil
	})
	var m expected
	err := script(t, faulty, &m, journalled)
	mu.Lock()
	defer mu.Unlock()
	if left == nil {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	o := testOptions(left)
	o.RecoveryPoint, o.LogStart = m.point, m.start
	l, err := openJournalled(&o, journalled)
	if err != nil {
		t.Fatalf("change %d: %v", at, err)
	}
	if err := m.compare(l); err != nil {
		t.Fatalf("change %d: %v", at, err)
	}
	appendN(t, l, 1)
	if err := l.Close(); err != nil {
		t.Fatalf("change %d: %v", at, err)
	}
	return true
}

// script works until the power fails.
func script(t *testing.T, fs vfs.FS, m *expected, journalled bool) error {
	t.Helper()
	o := testOptions(fs)
	l, err := openJournalled(&o, journalled)
	if err != nil {
		return err
	}
	for range 3 {
		for i := range 20 {
			m.counter++
			value := strconv.Itoa(m.counter)
			b := batch.New(batch.Options{Producer: &batch.Producer{ID: 5, BaseSequence: int32(l.End())}})
			b.Add(testNow.UnixMilli(), nil, []byte(value), batch.Header{Key: "pad", Value: make([]byte, 400)})
			built, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			m.batches = append(m.batches, expectedBatch{l.End(), l.End() + 1, 2, value})
			if _, err := l.AppendLeader(built, Append{Epoch: 2, Now: testNow}); err != nil {
				return err
			}
			if i%2 == 1 {
				if err := l.Flush(context.Background(), l.End()); err != nil {
					return err
				}
				m.durable = l.Durable()
			}
		}
		point, err := l.Checkpoint()
		if err != nil {
			return err
		}
		m.durable, m.point = point, point
		if end, err := l.TruncateTo(point - 3); err != nil {
			// The truncation may be on disk or not.
			m.durable = min(m.durable, point-3)
			m.point = min(m.point, point-3)
			return err
		} else {
			m.cut(end)
			m.point = l.RecoveryPoint()
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	m.durable, m.point = m.end(), l.RecoveryPoint()
	return nil
}

func TestNoSpace(t *testing.T) {
	mem := vfs.NewMem()
	if err := mem.MkdirAll("/data", 0o755); err != nil {
		t.Fatal(err)
	}
	faulty := vfs.NewFaulty(mem, nil)
	l := open(t, testOptions(faulty))
	appendN(t, l, 3)
	for wrote := range int64(100) {
		faulty.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpWrite {
				return &vfs.ShortWrite{Wrote: wrote, Err: syscall.ENOSPC}
			}
			return nil
		})
		_, err := l.AppendLeader(records(t, batch.Options{Producer: &batch.Producer{ID: 1}}, 3, 50, 1), Append{Epoch: 1, Now: testNow})
		if !errors.Is(err, kerr.KafkaStorageError) || !errors.Is(err, syscall.ENOSPC) || l.End() != 3 || l.Err() != nil {
			t.Fatalf("append without space: %v, end %d", err, l.End())
		}
	}
	faulty.SetHook(nil)
	// There is room again, and the failed appends have left no trace.
	info, err := l.AppendLeader(records(t, batch.Options{Producer: &batch.Producer{ID: 1}}, 3, 50, 1), Append{Epoch: 1, Now: testNow})
	if err != nil || info.FirstOffset != 3 || info.Duplicate {
		t.Fatalf("append with space again: %+v %v", info, err)
	}
	if got := offsets(t, l, 0); fmt.Sprint(got) != "[0 3]" {
		t.Errorf("read %v", got)
	}
}

func TestFailedSyncIsForever(t *testing.T) {
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("/data", 0o755), mem.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	faulty := vfs.NewFaulty(mem, nil)
	o := testOptions(faulty)
	var told []error
	o.OnFailure = func(err error) { told = append(told, err) }
	l := open(t, o)
	appendN(t, l, 2)
	if err := l.Flush(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	appendN(t, l, 2)
	faulty.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpSync {
			return syscall.EIO
		}
		return nil
	})
	if err := l.Flush(context.Background(), 4); !errors.Is(err, ErrOffline) {
		t.Fatalf("flush: %v", err)
	}
	faulty.SetHook(nil)
	faulty.ResetCounts()
	for name, err := range map[string]error{
		"flush": l.Flush(context.Background(), 4),
		"append": func() error {
			_, err := l.AppendLeader(records(t, batch.Options{}, 1, 1, 1), Append{Now: testNow})
			return err
		}(),
		"read":  func() error { _, err := l.Read(0, 10, 4, true); return err }(),
		"trunc": func() error { _, err := l.TruncateTo(0); return err }(),
	} {
		if !errors.Is(err, kerr.KafkaStorageError) {
			t.Errorf("%s after a failed sync: %v", name, err)
		}
	}
	if len(told) != 1 || !errors.Is(told[0], syscall.EIO) || l.Durable() != 2 || faulty.Total().Syncs != 0 {
		t.Errorf("told %v, durable %d, %d more syncs", told, l.Durable(), faulty.Total().Syncs)
	}
	_ = l.Close()
	o.RecoveryPoint = 0
	l = open(t, o)
	if l.End() != 2 {
		t.Errorf("reopened with end %d, want the durable 2: the failed sync has lost the rest", l.End())
	}
}

func TestRecoveryReadsOnlySinceCheckpoint(t *testing.T) {
	mem := vfs.NewMem()
	if err := errors.Join(mem.MkdirAll("/data", 0o755), mem.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	o := testOptions(mem)
	o.Config = DefaultConfig()
	o.Config.SegmentBytes = 4 << 20
	l := open(t, o)
	for range 1000 {
		if _, err := l.AppendLeader(records(t, batch.Options{Producer: nil}, 1, 10_000, testNow.UnixMilli()), Append{Epoch: 1, Now: testNow}); err != nil {
			t.Fatal(err)
		}
	}
	point, err := l.Checkpoint()
	if err != nil || point != 1000 {
		t.Fatal(point, err)
	}
	for range 5 {
		appendN(t, l, 1)
	}
	faulty := vfs.NewFaulty(mem.Crash(), nil)
	o.FS, o.Files, o.RecoveryPoint = faulty, NewFiles(faulty, 8), point
	l = open(t, o)
	if l.End() != 1005 {
		t.Fatalf("end %d", l.End())
	}
	// One batch before the checkpoint, the batches after it, and the small files.
	if read := faulty.Total().BytesRead; read > 30_000 {
		t.Errorf("%d bytes read to recover some hundred", read)
	}
	if got := l.Segments(); got < 3 {
		t.Errorf("%d segments", got)
	}
}
