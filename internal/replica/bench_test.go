package replica_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path"
	"testing"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

func onDisk(b *testing.B, policy replica.TopicConfig) *replicatest.Node {
	n := replicatest.New(b, policy)
	n.Open(n.Options(vfs.OS(), path.Join(b.TempDir(), "data")))
	b.Cleanup(func() {
		if err := n.Set.Close(1); err != nil {
			b.Error(err)
		}
	})
	return n
}

func BenchmarkCreateTopics(b *testing.B) {
	n := onDisk(b, replicatest.Fsync)
	i := 0
	for b.Loop() {
		var records []wire.Record
		for range 100 {
			id := model.TopicID{0: byte(i), 1: byte(i >> 8), 2: byte(i >> 16), 15: 200}
			records = append(records, &wire.TopicRecord{Name: fmt.Sprintf("t%d", i), TopicID: model.UUID(id)}, replicatest.PartitionRecord(id, 0))
			i++
		}
		n.Records(records...)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(i), "µs/topic")
}

// A topic of many partitions: what one sync for all of them is for.
func BenchmarkCreatePartitions(b *testing.B) {
	n := onDisk(b, replicatest.Fsync)
	const partitions = 1000
	i := 0
	for b.Loop() {
		n.CreateTopic(fmt.Sprintf("t%d", i), partitions)
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(i*partitions), "µs/partition")
}

func benchmarkAppend(b *testing.B, policy replica.TopicConfig) {
	n := onDisk(b, policy)
	p := n.Partition(n.CreateTopic("t", 1), 0)
	records := replicatest.Batch(string(make([]byte, 1024)))
	b.ReportAllocs()
	b.SetBytes(int64(len(records)))
	for b.Loop() {
		clear(records[:8]) // the offset that the last append gave it
		token, _, err := p.Append(records, -1, replica.Client)
		if err != nil {
			b.Fatal(err)
		}
		if err := token.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// One producer that waits for each record of 1 KB.
func BenchmarkAppendFsync(b *testing.B) { benchmarkAppend(b, replicatest.Fsync) }
func BenchmarkAppendOS(b *testing.B)    { benchmarkAppend(b, replicatest.OS) }

// Many producers over many partitions, who share syncs.
func BenchmarkAppendFsyncParallel(b *testing.B) {
	n := onDisk(b, replicatest.Fsync)
	id := n.CreateTopic("t", 8)
	b.ReportAllocs()
	b.SetParallelism(100)
	b.RunParallel(func(pb *testing.PB) {
		records := replicatest.Batch(string(make([]byte, 1024)))
		for i := int32(0); pb.Next(); i++ {
			clear(records[:8])
			token, _, err := n.Partition(id, i%8).Append(records, -1, replica.Client)
			if err != nil {
				b.Error(err)
				return
			}
			if err := token.Wait(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
}

// benchmarkFollow appends what a leader sends of one partition: batches of a
// record of 1 KB, as many as an answer holds.
func benchmarkFollow(b *testing.B, policy replica.TopicConfig, batches int) {
	n := onDisk(b, policy)
	id := model.TopicID{0: 200, 15: 200}
	led := replicatest.PartitionRecord(id, 0)
	led.Replicas, led.ISR, led.Leader = []int32{1, 2}, []int32{1, 2}, 2
	led.Directories = append(led.Directories, led.Directories[0])
	n.Records(&wire.TopicRecord{Name: "t", TopicID: model.UUID(id)}, led)
	p := n.Partition(id, 0)
	one := replicatest.Batch(string(make([]byte, 1024)))
	binary.BigEndian.PutUint32(one[12:], 0) // the leader's epoch, which the checksum leaves out
	answer := bytes.Repeat(one, batches)
	next := uint64(0)
	b.ReportAllocs()
	b.SetBytes(int64(len(answer)))
	for b.Loop() {
		for i := range batches {
			binary.BigEndian.PutUint64(answer[i*len(one):], next)
			next++
		}
		if err := replica.Follow(p, 0, answer, model.Offset(next)); err != nil {
			b.Fatal(err)
		}
	}
}

// A follower of a producer that waits for each record, and one that catches up.
func BenchmarkFollowFsync(b *testing.B)  { benchmarkFollow(b, replicatest.Fsync, 1) }
func BenchmarkFollowOS(b *testing.B)     { benchmarkFollow(b, replicatest.OS, 1) }
func BenchmarkCatchUpFsync(b *testing.B) { benchmarkFollow(b, replicatest.Fsync, 1000) }
func BenchmarkCatchUpOS(b *testing.B)    { benchmarkFollow(b, replicatest.OS, 1000) }

// Small batches to many partitions at once, each waited for: what one sync covers.
func BenchmarkCommit(b *testing.B) {
	for _, partitions := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) { benchmarkCommit(b, partitions, 100) })
	}
}

// Batches of growing size to ten partitions: from where on each is synced by itself.
func BenchmarkCommitSizes(b *testing.B) {
	for _, size := range []int{1, 16, 64, 128, 256, 512} {
		b.Run(fmt.Sprintf("KB=%d", size), func(b *testing.B) { benchmarkCommit(b, 10, size<<10) })
	}
}

func benchmarkCommit(b *testing.B, partitions, size int) {
	n := replicatest.New(b, replicatest.Fsync)
	o := n.Options(vfs.OS(), path.Join(b.TempDir(), "data"))
	o.JournalSize, o.JournalStep, o.Flushers = 0, 0, 0
	n.Open(o)
	b.Cleanup(func() {
		if err := n.Set.Close(1); err != nil {
			b.Error(err)
		}
	})
	id := n.CreateTopic("t", partitions)
	records := replicatest.Batch(string(make([]byte, size)))
	tokens := make([]replica.Token, partitions)
	b.SetBytes(int64(partitions * len(records)))
	b.ReportAllocs()
	for b.Loop() {
		for i := range tokens {
			clear(records[:8])
			var err error
			if tokens[i], _, err = n.Partition(id, int32(i)).Append(records, -1, replica.Client); err != nil {
				b.Fatal(err)
			}
		}
		for i := range tokens {
			if err := tokens[i].Wait(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(partitions*b.N)/b.Elapsed().Seconds(), "batches/s")
}
