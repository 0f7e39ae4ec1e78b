package replica_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// cost is what a process holds.
type cost struct {
	heap       uint64
	goroutines int
	files      int
}

func costNow(files *commitlog.Files) cost {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return cost{m.HeapAlloc, runtime.NumGoroutine(), files.Open()}
}

// scale is for how many partitions a test is made: 10,000 take half a minute on a
// busy machine.
func scale() int {
	if os.Getenv("STROM_COST") == "all" {
		return 10_000
	}
	return 1000
}

// What idle partitions may cost a node that has started with them: no goroutine
// each, no open file each, and memory in the tens of megabytes for 10,000.
func TestIdlePartitionsCostLittle(t *testing.T) {
	partitions := scale()
	mem := vfs.NewMem()
	n := replicatest.New(t, replicatest.Fsync)
	n.Open(n.Options(mem, "data"))
	id := n.CreateTopic("idle", partitions)
	if err := n.Set.Close(1); err != nil {
		t.Fatal(err)
	}

	disk := vfs.NewFaulty(mem, nil)
	o := n.Options(disk, "data")
	n.Set = nil // with all it holds
	before := costNow(o.Files)
	set, err := replica.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	n.Adopt(set)
	after := costNow(o.Files)
	if read := disk.Total().BytesRead; read > int64(partitions)*300 {
		t.Errorf("%d bytes read", read)
	}
	if got := after.goroutines - before.goroutines; got > 50 {
		t.Errorf("%d goroutines", got)
	}
	if after.files > 100 {
		t.Errorf("%d open files", after.files)
	}
	if got := int64(after.heap) - int64(before.heap); got > int64(partitions)*5<<10 {
		t.Errorf("%d bytes of memory for each partition", got/int64(partitions))
	}
	if p := n.Partition(id, int32(partitions-1)); p.Size() != 0 {
		t.Errorf("size %d", p.Size())
	}
	if err := set.Close(1); err != nil {
		t.Error(err)
	}
}

// sparse makes the files of a partition whose log is of one size and mostly a
// hole: what lies before the last index entry is never looked at.
func sparse(t *testing.T, dir string, id model.TopicID, size int64) (end model.Offset) {
	t.Helper()
	const last = 1_000_000
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := batch.New(batch.Options{BaseOffset: last, LeaderEpoch: 0})
	b.Add(1, nil, []byte("the last of many"))
	built, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	at := size - int64(len(built))
	f, err := os.OpenFile(filepath.Join(dir, "00000000000000000000.log"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(built, at)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	index := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), uint32(at))
	times := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, 1), last)
	snapshot := binary.BigEndian.AppendUint32([]byte{0, 1}, 0x48674bc7) // of no entries
	snapshot = append(snapshot, 0, 0, 0, 0)
	for name, data := range map[string][]byte{
		"00000000000000000000.index": index, "00000000000000000000.timeindex": times,
		fmt.Sprintf("%020d.snapshot", last+1): snapshot, "leader-epoch-checkpoint": []byte("0\n1\n0 0\n"),
		"partition.metadata": fmt.Appendf(nil, "version: 0\ntopic_id: %v", id),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return last + 1
}

// After a kill the bytes that a start reads do not depend on how much there is in
// its partitions.
func TestStartReadsNoMoreOfLargerLogs(t *testing.T) {
	const partitions = 100
	read := map[int64]int64{}
	id := model.TopicID{0: 77, 15: 7}
	records := []wire.Record{&wire.TopicRecord{Name: "large", TopicID: model.UUID(id)}}
	for i := range int32(partitions) {
		records = append(records, replicatest.PartitionRecord(id, i))
	}
	for _, size := range []int64{1 << 20, 1 << 30} {
		dir := t.TempDir()
		points := map[model.Partition]model.Offset{}
		for i := range partitions {
			name := model.Partition{Topic: "large", Index: int32(i)}
			points[name] = sparse(t, filepath.Join(dir, name.String()), id, size)
		}
		for _, file := range []string{commitlog.RecoveryPointFile, commitlog.HighWatermarkFile} {
			if err := commitlog.WriteOffsets(vfs.OS(), filepath.Join(dir, file), points); err != nil {
				t.Fatal(err)
			}
		}
		n, disk := replicatest.New(t, replicatest.Fsync), vfs.NewFaulty(vfs.OS(), nil)
		set, err := replica.Open(t.Context(), n.Options(disk, dir))
		if err != nil {
			t.Fatal(err)
		}
		read[size] = disk.Total().BytesRead
		n.Records(records...)
		n.Adopt(set)
		for i := range int32(partitions) {
			if p := n.Partition(id, i); p.Size() != size {
				t.Fatalf("partition %d has %d bytes", i, p.Size())
			}
		}
		if values, _ := replicatest.Consume(t, n.Partition(id, 7), 1_000_000); len(values) != 1 || values[0] != "the last of many" {
			t.Errorf("consumed %v", values)
		}
		if err := set.Close(1); err != nil {
			t.Error(err)
		}
	}
	small, large := read[1<<20], read[1<<30]
	if small == 0 || math.Abs(float64(large-small)) > float64(small)/100 {
		t.Errorf("%d bytes read of small logs, %d of large ones", small, large)
	}
	if large > partitions*2000 {
		t.Errorf("%d bytes read for each partition", large/partitions)
	}
}
