package group

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// BenchmarkFold reads a million committed offsets, as a broker does that becomes
// the leader of their partition: a thousand groups, each with ten topics of a
// hundred partitions. It reports what they take in memory.
func BenchmarkFold(b *testing.B) {
	const groups, topics, partitions = 1000, 10, 100
	records := make([]machine.Record, 0, groups*topics*partitions)
	for g := range groups {
		for t := range topics {
			for p := range partitions {
				c := commit{partition: int32(p), epoch: 1, offset: int64(p), at: 1_700_000_000_000, topic: model.TopicID{15: byte(t + 1)}}
				records = append(records, commitRecord(fmt.Sprintf("group-%d", g), fmt.Sprintf("topic-number-%d", t), &c))
			}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		before := inUse()
		b.StartTimer()
		m := New(Options{Config: &Config{CheckInterval: time.Minute}})
		for i, r := range records {
			if err := m.Fold(machine.Origin{Offset: model.Offset(i), Producer: noProducer}, r); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		b.ReportMetric(float64(inUse()-before)/float64(len(records)), "bytes-kept/offset")
		runtime.KeepAlive(m)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/offset")
}

func inUse() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
