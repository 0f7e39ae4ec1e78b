package coordinator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
)

// sink is a machine that reads records and keeps nothing, and tells when it
// serves.
type sink struct {
	toy
	records int
	started chan int
}

func (m *sink) Fold(machine.Origin, machine.Record) error {
	m.records++
	return nil
}

func (m *sink) Start(time.Time, *metadata.Image) machine.Effects {
	m.started <- m.records
	return machine.Effects{}
}

// BenchmarkLoad loads a million records of the size of a committed offset,
// written in batches of some.
func BenchmarkLoad(b *testing.B) {
	const records = 1_000_000
	for _, size := range []int{1, 10} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			n := replicatest.New(b, replicatest.OS)
			n.Open(n.Options(vfs.OS(), b.TempDir()))
			defer n.Set.Close(-1)
			p := n.Partition(n.CreateTopic(topic, 1), 0)
			for i := 0; i < records; i += size {
				builder := batch.New(batch.Options{})
				for j := range size {
					builder.Add(0, fmt.Appendf(nil, "some-group some-topic %07d", (i+j)%5000), make([]byte, 24))
				}
				data, err := builder.Build()
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := p.Append(data, -1, replica.Client); err != nil {
					b.Fatal(err)
				}
			}
			started := make(chan int)
			b.ResetTimer()
			for b.Loop() {
				set := coordinator.New(coordinator.Options{Topic: topic, Self: replicatest.Self, Partitions: n.Set, Count: 1, Now: time.Now, Logger: quiet,
					New: func(int32) machine.Machine { return &sink{started: started} }})
				set.Publish(n.Image())
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan error)
				go func() { done <- set.Run(ctx) }()
				if got := <-started; got != records {
					b.Errorf("%d records", got)
				}
				cancel()
				<-done
			}
		})
	}
}

// BenchmarkCall is one caller's write at a time, committed at once.
func BenchmarkCall(b *testing.B) {
	n := replicatest.Start(b, vfs.NewMem(), replicatest.OS)
	defer n.Set.Close(-1)
	set := coordinator.New(coordinator.Options{Topic: topic, Self: replicatest.Self, Partitions: n.Set, Count: 1, Now: time.Now, Logger: quiet, New: newToy})
	n.CreateTopic(topic, 1)
	set.Publish(n.Image())
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- set.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for {
		if _, err := set.Call(ctx, 0, ping{}); err == nil {
			break
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := set.Call(ctx, 0, put{Key: "a", Value: "1"}); err != nil {
			b.Fatal(err)
		}
	}
}
