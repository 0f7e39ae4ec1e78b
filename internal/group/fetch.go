package group

import (
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// fetchOffsets is OffsetFetch for one group. A group that is not there has no
// offsets, which is no error.
func (m *Machine) fetchOffsets(t machine.Token, r FetchOffsets) {
	q := r.Group
	out := &wire.OffsetFetchResponseGroup{GroupID: q.GroupID, Topics: []wire.OffsetFetchResponseGroupTopic{}}
	g := m.groups[q.GroupID]
	if g != nil {
		err := g.kind.mayFetch(q.MemberID, q.MemberEpoch)
		if kerr.Code(err) == kerr.GroupIDNotFound.Code {
			g = nil
		} else if err != nil {
			out.ErrorCode = kerr.Code(err)
			m.replyNow(t, out)
			return
		}
	}
	if g == nil {
		g = &group{}
	}
	if q.Topics == nil {
		out.Topics = g.fetchAll(r.RequireStable)
	} else {
		out.Topics = g.fetch(q.Topics, r.RequireStable)
	}
	m.reply(t, out)
}

func (g *group) fetchAll(stable bool) []wire.OffsetFetchResponseGroupTopic {
	out := make([]wire.OffsetFetchResponseGroupTopic, len(g.offsets.topics))
	for i := range g.offsets.topics {
		from, topic := &g.offsets.topics[i], &out[i]
		topic.Name = from.name.Value()
		topic.Partitions = make([]wire.OffsetFetchResponseGroupTopicPartition, len(from.commits))
		for j := range from.commits {
			c := &from.commits[j]
			topic.Partitions[j] = fetched(c.partition, c)
			if stable && g.offsets.unstable(topic.Name, c.partition) {
				topic.Partitions[j] = unstable(c.partition)
			}
		}
	}
	return out
}

func (g *group) fetch(topics []wire.OffsetFetchRequestGroupTopic, stable bool) []wire.OffsetFetchResponseGroupTopic {
	out := make([]wire.OffsetFetchResponseGroupTopic, len(topics))
	for i := range topics {
		q, topic := &topics[i], &out[i]
		topic.Name, topic.TopicID = q.Name, q.TopicID
		topic.Partitions = make([]wire.OffsetFetchResponseGroupTopicPartition, len(q.PartitionIndexes))
		commits := g.offsets.topic(q.Name)
		for j, p := range q.PartitionIndexes {
			at, ok := findCommit(commits, p)
			switch {
			case stable && g.offsets.unstable(q.Name, p):
				topic.Partitions[j] = unstable(p)
			case ok && commits[at].isOf(topicID(q.TopicID)):
				topic.Partitions[j] = fetched(p, &commits[at])
			default:
				topic.Partitions[j] = noOffset(p)
			}
		}
	}
	return out
}

func fetched(partition int32, c *commit) wire.OffsetFetchResponseGroupTopicPartition {
	metadata := c.metadata()
	return wire.OffsetFetchResponseGroupTopicPartition{
		PartitionIndex: partition, CommittedOffset: c.offset, CommittedLeaderEpoch: c.epoch, Metadata: &metadata,
	}
}

func noOffset(partition int32) wire.OffsetFetchResponseGroupTopicPartition {
	return wire.OffsetFetchResponseGroupTopicPartition{PartitionIndex: partition, CommittedOffset: -1, CommittedLeaderEpoch: -1, Metadata: new(string)}
}

func unstable(partition int32) wire.OffsetFetchResponseGroupTopicPartition {
	p := noOffset(partition)
	p.ErrorCode = kerr.UnstableOffsetCommit.Code
	return p
}
