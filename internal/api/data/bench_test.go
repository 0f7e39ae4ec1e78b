package data_test

import (
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// One batch of 1 KB to one partition, from request to response, in memory.
func benchmarkProduce(b *testing.B, policy replica.TopicConfig, acks int16) {
	broker := newBroker(b, vfs.NewMem(), policy)
	records := replicatest.Batch(string(make([]byte, 1024)))
	req := request(9, produceTo("t", 0, acks, records))
	b.ReportAllocs()
	b.SetBytes(int64(len(records)))
	for b.Loop() {
		clear(records[:8]) // the offset that the last append gave it
		broker.produce.Begin(b.Context(), req).Wait(b.Context())
	}
}

func BenchmarkProduceAll(b *testing.B)   { benchmarkProduce(b, replicatest.Fsync, -1) }
func BenchmarkProduceAllOS(b *testing.B) { benchmarkProduce(b, replicatest.OS, -1) }
func BenchmarkProduceOne(b *testing.B)   { benchmarkProduce(b, replicatest.OS, 1) }

// One record to one of 100 partitions in a session, and the fetch that returns
// it: the 99 others cost nothing.
func BenchmarkFetchOneOf100(b *testing.B) { benchmarkFetch(b, 100) }

// The same with a session of one partition, to compare.
func BenchmarkFetchOneOf1(b *testing.B) { benchmarkFetch(b, 1) }

func benchmarkFetch(b *testing.B, partitions int) {
	broker := newBroker(b, vfs.NewMem(), replicatest.OS)
	id := broker.node.CreateTopic("wide", partitions)
	broker.id = id
	all := make([]int32, partitions)
	for i := range all {
		all[i] = int32(i)
	}
	first := broker.fetchRequest(13, all...)
	first.SessionEpoch = 0
	session := broker.get(13, first)
	req := broker.fetchRequest(13, 0)
	req.SessionID = session.SessionID
	req.MaxWaitMS = 1000
	p := broker.node.Partition(id, 0)
	records := slices.Clone(replicatest.Batch("x"))
	b.ReportAllocs()
	for i := int32(0); b.Loop(); i++ {
		clear(records[:8])
		if _, _, err := p.Append(records, 1, replica.Client); err != nil {
			b.Fatal(err)
		}
		req.SessionEpoch = i + 1
		req.Topics[0].Partitions[0].FetchOffset = int64(i)
		got := broker.fetch.Handle(b.Context(), request(13, req)).(*wire.FetchResponse)
		if len(got.Responses) != 1 || len(got.Responses[0].Partitions) != 1 || got.SessionID == 0 {
			b.Fatalf("%d: %+v", i, got)
		}
	}
}

// A fetch in a session whose 100 partitions are all idle, without waiting.
func BenchmarkFetchIdle100(b *testing.B) {
	broker := newBroker(b, vfs.NewMem(), replicatest.OS)
	broker.id = broker.node.CreateTopic("wide", 100)
	all := make([]int32, 100)
	for i := range all {
		all[i] = int32(i)
	}
	first := broker.fetchRequest(13, all...)
	first.SessionEpoch = 0
	req := broker.fetchRequest(13)
	req.Topics, req.SessionID = nil, broker.get(13, first).SessionID
	r := request(13, req)
	b.ReportAllocs()
	for i := int32(1); b.Loop(); i++ {
		req.SessionEpoch = i
		broker.fetch.Handle(b.Context(), r)
	}
}
