package data

import (
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

type topicKey struct {
	name string
	id   model.UUID
}

// eachOnce is topics with every partition named at most once, and without topics that name none. Of a partition that is
// named twice the last records count, as in Kafka. What needs no change is returned as it is.
func eachOnce(topics []wire.ProduceRequestTopicData) []wire.ProduceRequestTopicData {
	if isOnce(topics) {
		return topics
	}
	var out []wire.ProduceRequestTopicData
	at := map[topicKey]int{}
	for i := range topics {
		t := &topics[i]
		if len(t.PartitionData) == 0 {
			continue
		}
		key := topicKey{t.Name, t.TopicID}
		k, known := at[key]
		if !known {
			k = len(out)
			at[key] = k
			out = append(out, wire.ProduceRequestTopicData{Name: t.Name, TopicID: t.TopicID})
		}
		out[k].PartitionData = append(out[k].PartitionData, t.PartitionData...)
	}
	for i := range out {
		out[i].PartitionData = lastOfEach(out[i].PartitionData)
	}
	return out
}

func isOnce(topics []wire.ProduceRequestTopicData) bool {
	if len(topics) > 1 {
		seen := make(map[topicKey]bool, len(topics))
		for i := range topics {
			seen[topicKey{topics[i].Name, topics[i].TopicID}] = true
		}
		if len(seen) < len(topics) {
			return false
		}
	}
	for i := range topics {
		if n := len(topics[i].PartitionData); n == 0 || n > 1 && len(byIndex(topics[i].PartitionData)) < n {
			return false
		}
	}
	return true
}

// byIndex is where each partition is named last.
func byIndex(partitions []wire.ProduceRequestPartitionData) map[int32]int {
	last := make(map[int32]int, len(partitions))
	for i := range partitions {
		last[partitions[i].Index] = i
	}
	return last
}

func lastOfEach(partitions []wire.ProduceRequestPartitionData) []wire.ProduceRequestPartitionData {
	last := byIndex(partitions)
	out := make([]wire.ProduceRequestPartitionData, 0, len(last))
	for i := range partitions {
		if last[partitions[i].Index] == i {
			out = append(out, partitions[i])
		}
	}
	return out
}
