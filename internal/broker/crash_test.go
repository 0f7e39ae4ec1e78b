package broker_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
)

// partitionHistory is what clients were told about one partition.
type partitionHistory struct {
	sent         []string // by offset
	acknowledged int      // records, by acks=all
	seen         int      // records that a consumer has read

	// The last batch that an idempotent producer sent and had acknowledged.
	last     batch.Batch
	lastBase int64
}

// violation compares what is left with what was promised: a prefix of what was
// sent, in order, with all that was acknowledged or seen.
func (h *partitionHistory) violation(left []string, promised bool) error {
	switch {
	case len(left) > len(h.sent) || !slices.Equal(left, h.sent[:len(left)]):
		return fmt.Errorf("left %q is no prefix of what was sent %q", left, h.sent)
	case promised && len(left) < max(h.acknowledged, h.seen):
		return fmt.Errorf("%d records are left; %d were acknowledged and %d seen", len(left), h.acknowledged, h.seen)
	}
	return nil
}

// topicHistory is what clients were told about one topic. While a request about
// it is under way, both what was and what is wished for are right.
type topicHistory struct {
	id         model.UUID // zero until its creation was acknowledged
	created    bool
	removing   bool
	partitions []*partitionHistory
}

// story is a scripted workload, and what it was told.
type story struct {
	t        *testing.T
	disk     vfs.FS
	life     *life // nil while down
	settings []string

	topics    map[string]*topicHistory
	gone      map[model.UUID]bool // deletions that were acknowledged
	producers map[model.ProducerID]bool
	producer  batch.Producer
	sequences map[*partitionHistory]int32
}

// crashSettings make much happen on the disk in little time: a snapshot of the
// metadata with each few records, and no records that only tell the time.
var crashSettings = []string{
	"metadata.log.max.record.bytes.between.snapshots=600", "metadata.max.idle.interval.ms=0",
	"internal.metadata.log.segment.bytes=1500", "internal.journal.segment.bytes=16384", "auto.create.topics.enable=false",
}

func newStory(t *testing.T, disk vfs.FS, policy string) *story {
	return &story{t: t, disk: disk, settings: append([]string{"log.flush.policy=" + policy}, crashSettings...),
		topics: map[string]*topicHistory{}, gone: map[model.UUID]bool{}, producers: map[model.ProducerID]bool{},
		sequences: map[*partitionHistory]int32{}}
}

func (s *story) start() (err error) {
	s.life, err = boot(s.t, s.disk, s.settings...)
	return err
}

func (s *story) stop() error {
	if s.life == nil {
		return nil
	}
	err := s.life.stop()
	s.life = nil
	return err
}

func (s *story) create(name string, partitions int) error {
	t := &topicHistory{}
	for range partitions {
		t.partitions = append(t.partitions, &partitionHistory{})
	}
	s.topics[name] = t
	id, err := s.life.createTopic(name, int32(partitions), map[string]string{"internal.segment.bytes": "400"})
	t.id, t.created = id, err == nil
	return err
}

func (s *story) remove(name string) error {
	t := s.topics[name]
	t.removing = true
	err := s.life.deleteTopic(t.id)
	if err == nil {
		s.gone[t.id] = true
		delete(s.topics, name)
	}
	return err
}

func (s *story) newProducer() error {
	id, err := s.life.producerID()
	if err == nil && s.producers[id] {
		return violated("producer id %d was given before", id)
	}
	s.producers[id] = true
	s.producer = batch.Producer{ID: id}
	clear(s.sequences)
	return err
}

// send produces a batch and consumes what is new.
func (s *story) send(topic string, partition int32, acks int16, idempotent bool, values ...string) error {
	t := s.topics[topic]
	h := t.partitions[partition]
	var by *batch.Producer
	if idempotent {
		by = &batch.Producer{ID: s.producer.ID, BaseSequence: s.sequences[h]}
		s.sequences[h] += int32(len(values))
	}
	b := newBatch(s.t, by, values...)
	want := int64(len(h.sent))
	h.sent = append(h.sent, values...)
	base, err := s.life.produce(t.id, partition, acks, slices.Clone(b))
	switch {
	case err != nil:
		return err
	case base != want:
		return violated("%s-%d: base offset %d, want %d", topic, partition, base, want)
	case acks == -1:
		h.acknowledged = len(h.sent)
		if idempotent {
			h.last, h.lastBase = b, base
		}
	}
	return s.consume(t, partition)
}

func (s *story) consume(t *topicHistory, partition int32) error {
	h := t.partitions[partition]
	more, _, err := s.life.fetch(t.id, partition, int64(h.seen))
	if err != nil {
		return err
	}
	if next := h.seen + len(more); next > len(h.sent) || !slices.Equal(more, h.sent[h.seen:next]) {
		return violated("read %q at %d of %q", more, h.seen, h.sent)
	}
	h.seen += len(more)
	return nil
}

// violation is a broken promise, as against a disk or a node that is gone.
type violation struct{ error }

func violated(format string, args ...any) error { return violation{fmt.Errorf(format, args...)} }

// script is the workload: idempotent and plain producers, waiting and not, segments
// that roll, checkpoints in between, deletions, a clean restart. It ends with the
// first thing that does not work.
func (s *story) script() error {
	steps := []func() error{
		s.start,
		func() error { return s.create("a", 2) },
		func() error { return s.create("b", 1) },
		s.newProducer,
		func() error { return s.round("one", 4) },
		s.checkpoints,
		func() error { return s.round("two", 2) },
		func() error { return s.remove("b") },
		func() error { return s.create("b", 1) },
		func() error { return s.round("three", 2) },
		s.stop, s.start,
		s.newProducer,
		func() error { return s.round("four", 2) },
		func() error { return s.create("c", 3) },
		func() error { return s.remove("a") },
		func() error { return s.send("c", 2, -1, true, "last") },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) round(name string, n int) error {
	for i := range n {
		v := fmt.Sprintf("%s-%d", name, i)
		err := s.send("a", 0, -1, true, v, strings.Repeat("y", 100))
		if err == nil {
			err = s.send("a", 1, 1, false, v)
		}
		if err == nil {
			err = s.send("b", 0, -1, false, v, v+"+")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkpoints lets the time pass in which a node does its housekeeping.
func (s *story) checkpoints() error {
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	return nil
}

// check starts the node over what the disk kept and holds it against the story,
// twice: what it found, a clean restart finds again.
func (s *story) check(disk vfs.FS, promised bool) error {
	s.disk = disk
	if err := s.start(); err != nil {
		return err
	}
	found, err := s.compare(promised)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	if err := s.stop(); err != nil {
		return fmt.Errorf("clean stop: %w", err)
	}
	if err := s.start(); err != nil {
		return fmt.Errorf("second start: %w", err)
	}
	again, err := s.read()
	if err == nil && fmt.Sprint(again) != fmt.Sprint(found) {
		err = fmt.Errorf("after a clean restart %v, before it %v", again, found)
	}
	return errors.Join(err, s.stop())
}

// compare holds a running node against the story, and writes to each partition.
func (s *story) compare(promised bool) (map[string][]string, error) {
	there, err := s.life.topics()
	if err != nil {
		return nil, err
	}
	for name, t := range there {
		h := s.topics[name]
		switch {
		case s.gone[t.TopicID]:
			return nil, fmt.Errorf("deleted topic %s is back", name)
		case h == nil || h.created && h.id != t.TopicID:
			return nil, fmt.Errorf("topic %s with id %s was never created", name, t.TopicID)
		case len(t.Partitions) != len(h.partitions):
			return nil, fmt.Errorf("topic %s has %d partitions, want %d", name, len(t.Partitions), len(h.partitions))
		}
		for _, p := range t.Partitions {
			if p.LeaderID < 0 {
				return nil, fmt.Errorf("%s-%d has no leader", name, p.PartitionIndex)
			}
		}
		h.id = t.TopicID
	}
	for name, h := range s.topics {
		if _, ok := there[name]; !ok && h.created && !h.removing {
			return nil, fmt.Errorf("topic %s is gone", name)
		}
	}
	left, err := s.read()
	if err != nil {
		return nil, err
	}
	for name := range there {
		for i, h := range s.topics[name].partitions {
			partition := fmt.Sprintf("%s-%d", name, i)
			if err := h.violation(left[partition], promised); err != nil {
				return nil, fmt.Errorf("%s: %w", partition, err)
			}
			if err := s.continues(s.topics[name].id, int32(i), h, len(left[partition]), promised); err != nil {
				return nil, fmt.Errorf("%s: %w", partition, err)
			}
		}
	}
	if err := s.newProducer(); err != nil {
		return nil, err
	}
	return s.read()
}

// continues checks that a partition goes on where it ended: it knows the last
// batch of an idempotent producer, and takes a record at its end.
func (s *story) continues(id model.UUID, partition int32, h *partitionHistory, end int, promised bool) error {
	if h.last != nil && promised {
		base, err := s.life.produce(id, partition, -1, slices.Clone(h.last))
		if err != nil || base != h.lastBase {
			return fmt.Errorf("a repeated batch: offset %d, want %d: %w", base, h.lastBase, err)
		}
	}
	base, err := s.life.produce(id, partition, -1, newBatch(s.t, nil, "after"))
	if err == nil && base != int64(end) {
		err = fmt.Errorf("the next offset is %d, want %d", base, end)
	}
	return err
}

// read is all that is visible on the node, by partition.
func (s *story) read() (map[string][]string, error) {
	there, err := s.life.topics()
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for name, t := range there {
		for i := range t.Partitions {
			values, err := s.life.all(t.TopicID, int32(i))
			if err != nil {
				return nil, fmt.Errorf("%s-%d: %w", name, i, err)
			}
			all[fmt.Sprintf("%s-%d", name, i)] = values
		}
	}
	return all, nil
}

// fault is what happens to the disk before one of its operations.
type fault int

const (
	powerLost     fault = iota // and of what was not synced, some is there
	processKilled              // and the operating system has all that was written
	syncFailed                 // what it should have covered is dropped; the power goes at the end
	diskFull                   // from now on nothing can be added; the power goes at the end
)

// trial is one run of the story.
type trial struct {
	fault  fault
	policy string
	at     int                 // the operation that the fault hits; 0 is none
	seed   uint64              // of what is kept
	wrap   func(vfs.FS) vfs.FS // between the fault and the disk
	over   func(vfs.FS) vfs.FS // between the node and the fault
}

func (c trial) String() string {
	return fmt.Sprintf("%s, policy %s, before operation %d, seed %d",
		[]string{"power lost", "process killed", "sync failed", "disk full"}[c.fault], c.policy, c.at, c.seed)
}

// run plays the story on a disk that the fault hits, and then looks at what is
// left. operations is how many there were that a fault could hit.
func (c trial) run(t *testing.T) (operations int, broken error) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		below, over := vfs.FS(mem), func(f vfs.FS) vfs.FS { return f }
		if c.wrap != nil {
			below = c.wrap(mem)
		}
		if c.over != nil {
			over = c.over
		}
		var mu sync.Mutex
		var after *vfs.Mem
		disk := vfs.NewFaulty(below, func(op vfs.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if after != nil || !c.hits(op.Kind) {
				return nil
			}
			operations++
			if c.fault == diskFull && c.at > 0 && operations >= c.at {
				return &vfs.ShortWrite{Wrote: op.Length / 2, Err: syscall.ENOSPC}
			}
			if operations != c.at {
				return nil
			}
			switch c.fault {
			case powerLost:
				after = mem.PowerLoss(vfs.KeepRandom(c.seed))
			case processKilled:
				after = mem.Crash()
			case syncFailed:
				return syscall.EIO
			}
			return nil
		})
		s := newStory(t, over(disk), c.policy)
		err := s.script()
		mu.Lock()
		if after == nil { // what is left is never closed cleanly
			after = mem.PowerLoss(vfs.KeepRandom(c.seed))
		}
		mu.Unlock()
		_ = s.stop() // the disk is gone
		if broken = err; !errors.As(err, new(violation)) && c.at > 0 {
			broken = s.check(after, c.policy == "fsync" || c.fault == processKilled && c.at <= operations)
		} else if err == nil {
			broken = s.check(after, c.policy == "fsync")
		}
	})
	return operations, broken
}

func (c trial) hits(k vfs.OpKind) bool {
	switch c.fault {
	case syncFailed:
		return k == vfs.OpSync || k == vfs.OpSyncDir || k == vfs.OpSyncAll
	case diskFull:
		return k == vfs.OpWrite || k == vfs.OpMkdir
	}
	return k.Changes()
}

// everywhere runs the story with the fault at every stride-th operation.
// STROM_CRASH=all leaves none out and tries more seeds of what is kept. How many
// operations there are differs a little from run to run, as goroutines do.
func everywhere(t *testing.T, c trial, stride int) {
	total, broken := c.run(t)
	if broken != nil {
		t.Fatalf("without a fault: %v", broken)
	}
	seeds := uint64(1)
	if os.Getenv("STROM_CRASH") == "all" {
		stride, seeds = 1, 4
	}
	points := 0
	for c.seed = range seeds {
		for c.at = 1; c.at <= total; c.at += stride {
			points++
			if _, broken := c.run(t); broken != nil {
				t.Errorf("%v of %d: %v", c, total, broken)
			}
		}
	}
	t.Logf("%d operations, %d points", total, points)
}

func TestPowerLossAnywhere(t *testing.T) {
	for _, policy := range []string{"fsync", "os"} {
		t.Run(policy, func(t *testing.T) { everywhere(t, trial{fault: powerLost, policy: policy}, 1) })
	}
}

func TestKilledAnywhere(t *testing.T) {
	for _, policy := range []string{"fsync", "os"} {
		t.Run(policy, func(t *testing.T) { everywhere(t, trial{fault: processKilled, policy: policy}, 3) })
	}
}

func TestFailedSyncAnywhere(t *testing.T) {
	for _, policy := range []string{"fsync", "os"} {
		t.Run(policy, func(t *testing.T) { everywhere(t, trial{fault: syncFailed, policy: policy}, 1) })
	}
}

func TestDiskFullAnywhere(t *testing.T) {
	for _, policy := range []string{"fsync", "os"} {
		t.Run(policy, func(t *testing.T) { everywhere(t, trial{fault: diskFull, policy: policy}, 1) })
	}
}

// skipping is a disk that says it has synced some files and directories and has
// not.
type skipping struct {
	vfs.FS
	skips func(path string) bool
}

func (s skipping) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := s.FS.OpenFile(name, flag, perm)
	if skips := s.skips(name); err != nil || !skips {
		return f, err
	}
	return unsynced{f}, nil
}

func (s skipping) SyncDir(name string) error {
	if s.skips(name) {
		return nil
	}
	return s.FS.SyncDir(name)
}

type unsynced struct{ vfs.File }

func (unsynced) Sync() error { return nil }

// since skips from the moment on that a path is seen.
func since(begins string, skips func(path string) bool) func(path string) bool {
	var begun atomic.Bool
	return func(p string) bool {
		if strings.HasSuffix(p, begins) {
			begun.Store(true)
		}
		return begun.Load() && skips(p)
	}
}

func suffix(end string) func(string) bool {
	return func(p string) bool { return strings.HasSuffix(p, end) }
}

// noticed runs the story with a fault at points from the end to the beginning,
// until something is broken.
func noticed(t *testing.T, c trial) {
	total, broken := c.run(t)
	for c.at = total; c.at > 0 && broken == nil; c.at -= 3 {
		_, broken = c.run(t)
	}
	if broken == nil {
		t.Error("nobody noticed")
	}
	t.Log(broken)
}

// The checks above notice each kind of sync that is skipped.
func TestSkippedSyncIsNoticed(t *testing.T) {
	ofMetadata := func(p string) bool { return strings.Contains(p, model.MetadataTopic) }
	for name, skips := range map[string]func() func(string) bool{
		"of a partition": func() func(string) bool {
			return func(p string) bool { return strings.HasSuffix(p, ".log") && !ofMetadata(p) }
		},
		"of the metadata log": func() func(string) bool {
			return func(p string) bool { return strings.HasSuffix(p, ".log") && ofMetadata(p) }
		},
		"of the directory of a new partition":           func() func(string) bool { return since("data/a-0", suffix("data")) },
		"of a partition's directory with a new segment": func() func(string) bool { return suffix("data/a-0") },
	} {
		t.Run(name, func(t *testing.T) {
			noticed(t, trial{fault: powerLost, policy: "fsync", wrap: func(f vfs.FS) vfs.FS { return skipping{f, skips()} }})
		})
	}
}

// blind is a node that takes a failed sync for a good one.
type blind struct{ vfs.FS }

func (b blind) OpenFile(name string, flag int, perm fs.FileMode) (vfs.File, error) {
	f, err := b.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return unminding{f}, nil
}

type unminding struct{ vfs.File }

func (u unminding) Sync() error {
	_ = u.File.Sync() // the fault under test
	return nil
}

func TestFailedSyncThatIsIgnoredIsNoticed(t *testing.T) {
	noticed(t, trial{fault: syncFailed, policy: "fsync", over: func(f vfs.FS) vfs.FS { return blind{f} }})
}

// After a crash a node reads of a partition what was written since the last
// checkpoint, not what was there before.
func TestRestartReadsOnlyWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		l, err := boot(t, mem, crashSettings...)
		if err != nil {
			t.Fatal(err)
		}
		id, err := l.createTopic("t", 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		write := func(n int) {
			for range n {
				if _, err := l.produce(id, 0, -1, newBatch(t, nil, strings.Repeat("x", 10_000))); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(200)
		time.Sleep(2 * time.Minute) // checkpoints
		write(5)
		mem = mem.Crash()
		_ = l.stop() // the disk is gone
		disk := vfs.NewFaulty(mem, nil)
		if l, err = boot(t, disk, crashSettings...); err != nil {
			t.Fatal(err)
		}
		read := disk.Counts("data/t-0/00000000000000000000.log").BytesRead
		if read < 5*10_000 || read > 8*10_000 {
			t.Errorf("read %d bytes, of which 50,000 were new", read)
		}
		values, err := l.all(id, 0)
		if err != nil || len(values) != 205 {
			t.Errorf("%d records, %v", len(values), err)
		}
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
}
