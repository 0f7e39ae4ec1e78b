package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// large is a cluster of three brokers with room for partitions of replication
// factor 3. It uses the real configurations, whose resolution is most of the work.
func large(b *testing.B) *harness {
	values, err := config.Load(config.Sources{})
	if err != nil {
		b.Fatal(err)
	}
	h := newHarness(1, func(c *Config) {
		c.DefaultReplicas, c.Topics = 3, NewTopicConfigs(values)
	})
	ids := 0
	h.cfg.NewUUID = func() model.UUID {
		ids++
		return model.UUID{0: 0x70, 13: byte(ids >> 16), 14: byte(ids >> 8), 15: byte(ids)}
	}
	must := func(r Result) {
		if err := h.commit(r); r.Err != nil || err != nil {
			b.Fatal(r.Err, err)
		}
	}
	must(h.Claim(h.image, h.now, h.next, nil))
	for id := 1; id <= 3; id++ {
		must(h.request(registerRequest(id, byte(id), -1, ""), 4))
		must(h.request(h.beat(id, false, false), 2))
	}
	return h
}

func topics(n, partitions, from int) *wire.CreateTopicsRequest {
	r := &wire.CreateTopicsRequest{}
	for i := range n {
		r.Topics = append(r.Topics, wire.CreateTopicsRequestTopic{Name: fmt.Sprintf("t%d", from+i), NumPartitions: int32(partitions), ReplicationFactor: 3})
	}
	return r
}

// BenchmarkCreate10000 creates 10,000 partitions of replication factor 3.
func BenchmarkCreate10000(b *testing.B) {
	for _, c := range []struct{ requests, topics, partitions int }{{1, 9, 1110}, {10, 500, 1}, {10000, 1, 1}} {
		b.Run(fmt.Sprintf("%dx%dx%d", c.requests, c.topics, c.partitions), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				h := large(b)
				b.StartTimer()
				for i := range c.requests {
					result := h.request(topics(c.topics, c.partitions, i*c.topics), 7)
					if result.Err != nil || len(result.Records) == 0 {
						b.Fatal(result.Err, result.Response)
					}
					h.next += model.Offset(len(result.Records))
				}
			}
		})
	}
}

// BenchmarkLost10000 fences one of three brokers that hold 10,000 partitions; it
// leads a third of them and is in sync in all.
func BenchmarkLost10000(b *testing.B) {
	for _, c := range []struct{ topics, partitions int }{{10, 1000}, {10000, 1}} {
		b.Run(fmt.Sprintf("%dx%d", c.topics, c.partitions), func(b *testing.B) {
			h := large(b)
			for done := 0; done < c.topics; done += 9 {
				n := min(9, c.topics-done)
				if err := h.commit(h.request(topics(n, c.partitions, done), 7)); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			for b.Loop() {
				result := h.Lost(h.now, h.next, 1, h.image.Broker(1).Epoch)
				b.StopTimer()
				if len(result.Records) < 10000 {
					b.Fatalf("%d records", len(result.Records))
				}
				h.Renounce()
				h.Claim(h.image, h.now, h.next, nil)
				h.now = h.now.Add(time.Millisecond)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkShrink is a leader's proposal for one of 10,000 partitions of a topic.
func BenchmarkShrink(b *testing.B) {
	h := large(b)
	if err := h.commit(h.request(topics(1, 9999, 0), 7)); err != nil {
		b.Fatal(err)
	}
	t := h.image.Topic("t0")
	leader := h.image.Broker(t.Partitions[0].Leader)
	wish := wire.AlterPartitionRequestPartition{LeaderEpoch: 0}
	for i := 0; b.Loop(); i++ {
		ids := []int32{int32(leader.ID)}
		if i%2 == 1 {
			ids = append(ids, int32(leader.ID)%3+1)
		}
		wish.PartitionEpoch, wish.NewISRWithEpochs = int32(i), nil
		for _, id := range ids {
			wish.NewISRWithEpochs = append(wish.NewISRWithEpochs, wire.AlterPartitionRequestNewISRWithEpoch{BrokerID: id, BrokerEpoch: -1})
		}
		result := h.request(&wire.AlterPartitionRequest{BrokerID: int32(leader.ID), BrokerEpoch: int64(leader.Epoch),
			Topics: []wire.AlterPartitionRequestTopic{{TopicID: model.UUID(t.ID), Partitions: []wire.AlterPartitionRequestPartition{wish}}}}, 3)
		if len(result.Records) != 1 {
			b.Fatalf("%+v", result)
		}
		h.next++
	}
}
