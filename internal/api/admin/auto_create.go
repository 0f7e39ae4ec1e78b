package admin

import (
	"strconv"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/wire"
)

// internalTopic is where an internal topic's size and configs come from.
type internalTopic struct {
	partitions, replicas string            // broker keys
	fromBroker           map[string]string // topic key by the broker key it is taken from
	fixed                map[string]string
}

var internalTopicSettings = map[string]internalTopic{
	"__consumer_offsets": {
		"offsets.topic.num.partitions", "offsets.topic.replication.factor",
		map[string]string{"segment.bytes": "offsets.topic.segment.bytes"},
		map[string]string{"cleanup.policy": "compact", "compression.type": "producer"},
	},
	"__transaction_state": {
		"transaction.state.log.num.partitions", "transaction.state.log.replication.factor",
		map[string]string{"segment.bytes": "transaction.state.log.segment.bytes", "min.insync.replicas": "transaction.state.log.min.isr"},
		map[string]string{"cleanup.policy": "compact", "compression.type": "uncompressed", "unclean.leader.election.enable": "false"},
	},
	"__share_group_state": {
		"share.coordinator.state.topic.num.partitions", "share.coordinator.state.topic.replication.factor",
		map[string]string{"segment.bytes": "share.coordinator.state.topic.segment.bytes", "min.insync.replicas": "share.coordinator.state.topic.min.isr"},
		map[string]string{"cleanup.policy": "delete", "compression.type": "producer", "retention.ms": "-1"},
	},
}

// NewTopicDefaults fills in a new topic's size and configs as a node with this
// configuration has them created. What it does not set itself is left to the
// controller's defaults.
func NewTopicDefaults(values *config.Values) func(*wire.CreateTopicsRequestTopic) {
	return func(t *wire.CreateTopicsRequestTopic) {
		s, internal := internalTopicSettings[t.Name]
		if internal {
			t.NumPartitions, t.ReplicationFactor = int32(values.Int(s.partitions)), int16(values.Int(s.replicas))
			for _, name := range []string{"cleanup.policy", "compression.type", "min.insync.replicas", "retention.ms", "segment.bytes", "unclean.leader.election.enable"} {
				if value, ok := s.fixed[name]; ok {
					t.Configs = append(t.Configs, wire.CreateTopicsRequestConfig{Name: name, Value: &value})
				} else if key, ok := s.fromBroker[name]; ok {
					value := strconv.Itoa(values.Int(key))
					t.Configs = append(t.Configs, wire.CreateTopicsRequestConfig{Name: name, Value: &value})
				}
			}
			return
		}
		if values.IsSet("num.partitions") {
			t.NumPartitions = int32(values.Int("num.partitions"))
		}
		if values.IsSet("default.replication.factor") {
			t.ReplicationFactor = int16(values.Int("default.replication.factor"))
		}
	}
}
