package replica_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// damaged is a node's disk, and what was on it before.
type damaged struct {
	disk *vfs.Mem
	id   model.TopicID
	want []string // values by offset
}

func undamaged(t *testing.T) damaged {
	t.Helper()
	d := damaged{disk: vfs.NewMem()}
	n := replicatest.New(t, replicatest.Fsync)
	n.Policy.Log.SegmentBytes, n.Policy.Log.IndexInterval = 3000, 200
	n.Open(n.Options(d.disk, "data"))
	d.id = n.CreateTopic("t", 1)
	n.CreateTopic("other", 1)
	p := n.Partition(d.id, 0)
	for i := range 100 {
		b := batch.New(batch.Options{Producer: &batch.Producer{ID: 7, BaseSequence: int32(i)}})
		b.Add(int64(1000+i), []byte("key"), []byte(fmt.Sprint("value ", i)))
		built, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Append(built, 1, replica.Client); err != nil {
			t.Fatal(err)
		}
		d.want = append(d.want, fmt.Sprint("value ", i))
	}
	closeSet(t, n)
	return d
}

// lines is a log that remembers what was written.
func lines() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})), &out
}

// Every kind of file is damaged in every way. What is read afterwards is what was
// written, or is refused by its checksum; and where something is missing, a
// message has named the file or the directory of the partition.
func TestDamagedFiles(t *testing.T) {
	files := []string{
		"t-0/00000000000000000000.log", "t-0/00000000000000000000.index", "t-0/00000000000000000000.timeindex",
		"t-0/LAST.log", "t-0/LAST.index", "t-0/LAST.timeindex", "t-0/LAST.snapshot", "t-0/leader-epoch-checkpoint", "t-0/partition.metadata",
		"recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint", "cleaner-offset-checkpoint",
	}
	for _, file := range files {
		for _, how := range []string{"missing", "empty", "half", "flipped", "longer"} {
			for _, clean := range []bool{true, false} {
				t.Run(fmt.Sprint(file, "/", how, "/clean=", clean), func(t *testing.T) { damageOne(t, file, how, clean) })
			}
		}
	}
}

func damageOne(t *testing.T, file, how string, clean bool) {
	d := undamaged(t)
	if strings.Contains(file, "LAST") {
		all := names(t, d.disk, "data/t-0")
		suffix := path.Ext(file)
		all = slices.DeleteFunc(all, func(s string) bool { return !strings.HasSuffix(s, suffix) })
		file = "t-0/" + all[len(all)-1]
	}
	damage(t, d.disk, "data/"+file, how)
	if !clean {
		if err := d.disk.Remove("data/.kafka_cleanshutdown"); err != nil {
			t.Fatal(err)
		}
	}
	n := replicatest.New(t, replicatest.Fsync)
	o := n.Options(d.disk, "data")
	logger, said := lines()
	o.Logger = logger
	n.Records(&wire.TopicRecord{Name: "t", TopicID: model.UUID(d.id)}, replicatest.PartitionRecord(d.id, 0))
	set, err := replica.Open(t.Context(), o)
	if err != nil {
		if !strings.Contains(err.Error(), path.Base(file)) {
			t.Errorf("does not start, and does not name the file: %v", err)
		}
		return
	}
	n.Adopt(set)
	got, refused := 0, false
	p, err := set.Partition(d.id, 0)
	if err == nil {
		got, refused = readable(t, p, d.want)
	}
	if told := said.String(); got < len(d.want) && !refused && !strings.Contains(told, "t-0") && !strings.Contains(told, path.Base(file)) {
		t.Errorf("%d of %d records are left, and nothing is said but %q", got, len(d.want), told)
	}
	if err == nil && p.Dir().Err() == nil {
		_, _, _ = p.Append(replicatest.Batch("one more"), 1, replica.Client)
	}
	if err := set.Close(1); err != nil && p == nil {
		t.Error(err)
	}
}

// readable reads what can be read, and counts it, up to what a reader refuses:
// each record that passes its checksum is the one that was written at its offset.
func readable(t *testing.T, p *replica.Partition, want []string) (n int, refused bool) {
	t.Helper()
	s, err := p.Status()
	if err != nil {
		return 0, false
	}
	for next := s.LogStart; next < s.LogEnd; {
		r, err := p.Read(replica.ReadRequest{From: next, MaxBytes: 1, MinOne: true, Isolation: replica.LogEnd, LeaderEpoch: model.NoEpoch, LastFetchedEpoch: model.NoEpoch})
		if err != nil {
			return n, false
		}
		data, err := r.Records.Bytes()
		if err != nil || len(data) == 0 {
			return n, false
		}
		b, _, err := batch.Next(data)
		if err != nil || b.Check() != nil || b.NextOffset() <= next {
			return n, true
		}
		for record, err := range b.Records(1 << 20) {
			if err != nil {
				return n, true
			}
			if record.Offset >= next && int(record.Offset) < len(want) && string(record.Value) != want[record.Offset] {
				t.Fatalf("offset %d has %q, want %q", record.Offset, record.Value, want[record.Offset])
			}
			n++
		}
		next = b.NextOffset()
	}
	return n, false
}

func damage(t *testing.T, disk vfs.FS, name, how string) {
	t.Helper()
	if how == "missing" {
		if err := disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return
	}
	f, err := disk.OpenFile(name, vfs.CreateOrOpen, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	switch how {
	case "empty":
		err = f.Truncate(0)
	case "half":
		err = f.Truncate(size / 2)
	case "longer":
		_, err = f.WriteAt([]byte("\x00\x00\x00garbage"), size)
	case "flipped":
		at := max(size/2, 0)
		if strings.HasSuffix(name, ".log") {
			at = 70 // within the records of the first batch, which the checksum covers
		}
		var b [1]byte
		if n, _ := f.ReadAt(b[:], at); n == 1 {
			b[0] ^= 0x10
			_, err = f.WriteAt(b[:], at)
		}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
