package consumer

import (
	"slices"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Describe is the group for ConsumerGroupDescribe.
func (g *Group) Describe(c *Call) wire.ConsumerGroupDescribeResponseGroup {
	var d wire.ConsumerGroupDescribeResponseGroup
	d.Reset()
	d.GroupID, d.GroupState, d.GroupEpoch, d.AssignmentEpoch = g.id, g.StateName(), g.epoch, g.target
	d.AssignorName = g.assignor(c, nil, nil)
	// The order means nothing to clients; this one is what Apache Kafka's tests expect.
	for _, m := range slices.Backward(g.Members()) {
		out := wire.ConsumerGroupDescribeResponseMember{
			MemberID: m.ID, InstanceID: m.Meta.InstanceID, RackID: m.Meta.RackID, MemberEpoch: m.Epoch,
			ClientID: m.Meta.ClientID, ClientHost: m.Meta.ClientHost,
			SubscribedTopicNames: m.Meta.SubscribedTopicNames, SubscribedTopicRegex: m.Meta.SubscribedTopicRegex,
			// What a member must give up is its own until it has.
			Assignment:       c.Topics.described(m.Assigned.plus(m.Revoking).assignment()),
			TargetAssignment: c.Topics.described(g.targets[m.ID]),
			MemberType:       1,
		}
		if m.Classic() {
			out.MemberType = 0
		}
		d.Members = append(d.Members, out)
	}
	return d
}

func (t *Topics) described(a assign.Assignment) wire.ConsumerGroupDescribeResponseAssignment {
	var out wire.ConsumerGroupDescribeResponseAssignment
	for _, id := range a.Topics() {
		if topic := t.img.TopicByID(id); topic != nil {
			out.TopicPartitions = append(out.TopicPartitions, wire.ConsumerGroupDescribeResponseTopicPartitions{
				TopicID: model.UUID(id), TopicName: topic.Name, Partitions: a[id],
			})
		}
	}
	return out
}
