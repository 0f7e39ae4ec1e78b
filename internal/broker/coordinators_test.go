package broker_test

import (
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// findCoordinator asks until there is a coordinator.
func (l *life) findCoordinator(kind int8, key string) (node int32, err error) {
	for {
		answer, err := ask[*wire.FindCoordinatorResponse](l, &wire.FindCoordinatorRequest{KeyType: kind, CoordinatorKeys: []string{key}})
		if err != nil {
			return -1, err
		}
		c := answer.Coordinators[0]
		if c.ErrorCode != kerr.CoordinatorNotAvailable.Code {
			return c.NodeID, kerr.FromCode(c.ErrorCode)
		}
	}
}

// Who asks for a coordinator brings the internal topic about, even if clients
// cannot, and with the settings that Kafka gives it. Clients cannot write to it.
func TestInternalTopics(t *testing.T) {
	l, err := boot(t, vfs.NewMem(), "auto.create.topics.enable=false", "offsets.topic.num.partitions=7", "transaction.state.log.num.partitions=3",
		"transaction.state.log.segment.bytes=2000000")
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[int8]struct {
		topic      string
		partitions int
		configs    map[string]string
	}{
		wire.CoordinatorOfGroup: {model.OffsetsTopic, 7, map[string]string{"cleanup.policy": "compact", "compression.type": "producer", "segment.bytes": "104857600"}},
		wire.CoordinatorOfTransaction: {model.TransactionsTopic, 3, map[string]string{"cleanup.policy": "compact", "compression.type": "uncompressed",
			"segment.bytes": "2000000", "unclean.leader.election.enable": "false"}},
	} {
		node, err := l.findCoordinator(kind, "key")
		if err != nil || node != 1 {
			t.Errorf("%s: node %d, %v", want.topic, node, err)
		}
		topics, err := l.topics()
		if err != nil {
			t.Fatal(err)
		}
		topic := topics[want.topic]
		if len(topic.Partitions) != want.partitions || !topic.IsInternal {
			t.Errorf("%s: %+v", want.topic, topic)
		}
		described, err := ask[*wire.DescribeConfigsResponse](l, &wire.DescribeConfigsRequest{
			Resources: []wire.DescribeConfigsRequestResource{{ResourceType: topicConfigs, ResourceName: want.topic}}})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range described.Results[0].Configs {
			got[c.Name] = *c.Value
		}
		for key, value := range want.configs {
			if got[key] != value {
				t.Errorf("%s: %s is %q, want %q", want.topic, key, got[key], value)
			}
		}
		if _, err := l.produce(topic.TopicID, 0, -1, newBatch(t, nil, "x")); kerr.Code(err) != kerr.InvalidTopicException.Code {
			t.Errorf("%s: a client's produce: %v", want.topic, err)
		}
	}
	if err := l.stop(); err != nil {
		t.Error(err)
	}
}
