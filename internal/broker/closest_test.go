package broker_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/broker/brokertest"
)

// TestClosestReplica: with the rack-aware selector a consumer in a follower's
// rack is told to read there, and reads everything up to the high watermark from
// it; one in the leader's rack, in another one, or in none stays (KIP-392).
func TestClosestReplica(t *testing.T) {
	racks := map[int]map[string]string{1: {"broker.rack": "a"}, 2: {"broker.rack": "b"}, 3: {"broker.rack": "c"}}
	config := map[string]string{"replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"}
	c := startCluster(t, brokertest.Options{Config: config, Node: racks})
	c.create("t", 1)
	c.produce("t", 0, 0, 50)
	leader := c.partitions("t")[0].Leader
	preferred := func(broker int32, rack string, offset int64) (int32, kmsg.FetchResponseTopicPartition) {
		t.Helper()
		topics, err := c.admin.ListTopics(c.ctx, "t")
		if err != nil {
			t.Fatal(err)
		}
		r := kmsg.NewPtrFetchRequest()
		r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.Rack, r.SessionEpoch = 100, 1, 1<<20, rack, -1
		p := kmsg.NewFetchRequestTopicPartition()
		p.FetchOffset, p.PartitionMaxBytes = offset, 1<<20
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID, topic.Partitions = "t", topics["t"].ID, []kmsg.FetchRequestTopicPartition{p}
		r.Topics = append(r.Topics, topic)
		answer, err := c.client.Broker(int(broker)).Request(c.ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		got := answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		return got.PreferredReadReplica, got
	}
	for id, settings := range racks {
		want := int32(id)
		if want == leader {
			want = -1
		}
		got, answer := preferred(leader, settings["broker.rack"], 0)
		if got != want || want != -1 && len(answer.RecordBatches) > 0 {
			t.Errorf("rack of node %d: sent to %d with %d bytes of records, want %d", id, got, len(answer.RecordBatches), want)
		}
		if want != -1 {
			// The follower hears of the high watermark with its next fetch.
			for len(answer.RecordBatches) == 0 && c.ctx.Err() == nil {
				_, answer = preferred(want, settings["broker.rack"], 0)
			}
			if answer.ErrorCode != 0 || answer.HighWatermark != 50 {
				t.Errorf("node %d answers %d, high watermark %d", id, answer.ErrorCode, answer.HighWatermark)
			}
			c.consume("t", 0, 50, kgo.Rack(settings["broker.rack"]))
		}
	}
	for _, rack := range []string{"", "elsewhere"} {
		if got, _ := preferred(leader, rack, 0); got != -1 {
			t.Errorf("rack %q: sent to %d", rack, got)
		}
	}
}
