package main

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// fake is a broker in this process with one topic of one partition.
func fake(t *testing.T, topic string) string {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic), kfake.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

func TestLatencyCountsFromWhenARecordWasDue(t *testing.T) {
	addr := fake(t, "latency")
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("latency"), kgo.ProducerLinger(0),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"latency": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// All were due a second ago, so each is at least that late, however fast the broker.
	const total, warm = 50, 20
	s := schedule{began: time.Now().Add(-time.Second), interval: time.Microsecond}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go s.send(ctx, client, total, func(err error) { t.Error(err) })
	h, err := s.receive(ctx, client, total, warm)
	if err != nil {
		t.Fatal(err)
	}
	if h.TotalCount() != total-warm {
		t.Errorf("%d counted, want %d", h.TotalCount(), total-warm)
	}
	if got := percentiles(h); got["p50"] < 990 || got["p999"] < got["p50"] {
		t.Errorf("%v", got)
	}
}

func TestLatencyDemandsEveryRecord(t *testing.T) {
	addr := fake(t, "latency")
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("latency"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"latency": {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	value := make([]byte, latencyRecord)
	value[7] = 1 // record 1 where record 0 is due
	if err := client.ProduceSync(t.Context(), &kgo.Record{Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if _, err := (schedule{began: time.Now(), interval: time.Millisecond}).receive(t.Context(), client, 2, 0); err == nil {
		t.Error("a missing record passed")
	}
}

func TestProbeIsAcknowledged(t *testing.T) {
	addr := fake(t, "other")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for try := 0; ; try++ { // the fake may answer that the topic is being created
		if err = produceOne(conn); err == nil {
			return
		}
		if try == 100 {
			t.Fatal(err)
		}
	}
}
