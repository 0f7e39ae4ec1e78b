package group

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Consumer groups in the scripts. A topic is written by the number of its creation.

func (s *script) configureConsumers(a args) {
	c := &s.config.Consumer
	c.MaxSize = a.int("consumers", c.MaxSize)
	c.AssignmentInterval.Default = a.duration(a.string("interval", "0s"))
	c.AssignmentInterval.Max = c.AssignmentInterval.Default
	c.Migration = consumer.ParsePolicy(a.string("migration", "bidirectional"))
}

func (a args) consumerBody(s *script, group string) any {
	switch a.d.Cmd {
	case "beat":
		q := &wire.ConsumerGroupHeartbeatRequest{GroupID: group, MemberID: a.string("id", ""), MemberEpoch: int32(a.int("epoch", 0)),
			InstanceID: a.optional("instance"), ServerAssignor: a.optional("assignor"), SubscribedTopicRegex: a.optional("regex"), RebalanceTimeoutMS: -1}
		if a.d.HasArg("noregex") {
			q.SubscribedTopicRegex = new(string)
		}
		if a.d.HasArg("topics") {
			q.SubscribedTopicNames = append([]string{}, a.vals("topics")...)
		}
		if q.MemberEpoch == 0 || a.d.HasArg("full") {
			q.RebalanceTimeoutMS, q.TopicPartitions = 30000, []wire.ConsumerGroupHeartbeatTopicPartitions{}
		}
		if a.d.HasArg("owns") {
			q.TopicPartitions = []wire.ConsumerGroupHeartbeatTopicPartitions{}
			topics, partitions := a.partitions("owns")
			for _, topic := range topics {
				q.TopicPartitions = append(q.TopicPartitions, wire.ConsumerGroupHeartbeatTopicPartitions{TopicID: model.UUID(s.topics[topic]), Partitions: partitions[topic]})
			}
		}
		return q
	case "consumers":
		return &wire.ConsumerGroupDescribeRequest{GroupIDs: a.vals("groups")}
	}
	return nil
}

// consumerResponse is the answer to what only consumer groups are asked.
func consumerResponse(r any) string {
	switch r := r.(type) {
	case *wire.ConsumerGroupHeartbeatResponse:
		if r.ErrorCode != 0 {
			return code(r.ErrorCode) + text2(r.ErrorMessage)
		}
		s := fmt.Sprintf(" member=%s epoch=%d", text(r.MemberID), r.MemberEpoch)
		if r.Assignment != nil {
			s += " assigned"
			for _, t := range r.Assignment.TopicPartitions {
				s += topicText(t.TopicID, t.Partitions)
			}
		}
		return s
	case *wire.ConsumerGroupDescribeResponse:
		s := ""
		for i := range r.Groups {
			s += "\n  " + describedText(&r.Groups[i])
		}
		return s
	}
	return fmt.Sprintf(" %+v", r)
}

func describedText(g *wire.ConsumerGroupDescribeResponseGroup) string {
	s := g.GroupID + code(g.ErrorCode) + text2(g.ErrorMessage)
	if g.ErrorCode != 0 {
		return s
	}
	s += fmt.Sprintf(" %s epoch=%d assignment=%d %s", g.GroupState, g.GroupEpoch, g.AssignmentEpoch, g.AssignorName)
	for i := range g.Members {
		m := &g.Members[i]
		s += fmt.Sprintf("\n    %s %s epoch=%d type=%d %s%s %v %q", m.MemberID, text(m.InstanceID), m.MemberEpoch, m.MemberType, m.ClientID, m.ClientHost,
			m.SubscribedTopicNames, text(m.SubscribedTopicRegex))
		for what, a := range []wire.ConsumerGroupDescribeResponseAssignment{m.Assignment, m.TargetAssignment} {
			s += []string{" has", " shall have"}[what]
			for _, t := range a.TopicPartitions {
				s += fmt.Sprintf(" %s%v", t.TopicName, t.Partitions)
			}
		}
	}
	return s
}

func topicText(id model.UUID, partitions []int32) string {
	return fmt.Sprintf(" #%d%v", int(id[15])-100, partitions)
}

// consumerValue is the value of a record of a consumer group.
func consumerValue(v wire.Message) string {
	switch v := v.(type) {
	case *wire.ConsumerGroupMetadataValue:
		return fmt.Sprintf("epoch=%d", v.Epoch)
	case *wire.ConsumerGroupMemberMetadataValue:
		s := fmt.Sprintf("%s%s %s topics=%v regex=%q rebalance=%d %s", v.ClientID, v.ClientHost, text(v.InstanceID), v.SubscribedTopicNames, text(v.SubscribedTopicRegex), v.RebalanceTimeoutMS, text(v.ServerAssignor))
		if c := v.ClassicMemberMetadata; c != nil {
			s += fmt.Sprintf(" classic session=%d", c.SessionTimeoutMS)
			for _, p := range c.SupportedProtocols {
				s += " " + p.Name
			}
		}
		return s
	case *wire.ConsumerGroupTargetAssignmentMetadataValue:
		return fmt.Sprintf("epoch=%d", v.AssignmentEpoch)
	case *wire.ConsumerGroupTargetAssignmentMemberValue:
		s := ""
		for _, t := range v.TopicPartitions {
			s += topicText(t.TopicID, t.Partitions)
		}
		return s
	case *wire.ConsumerGroupCurrentMemberAssignmentValue:
		s := fmt.Sprintf("%s at %d (%d)", []string{"stable", "unrevoked", "unreleased"}[v.State], v.MemberEpoch, v.PreviousMemberEpoch)
		for _, t := range v.AssignedPartitions {
			s += topicText(t.TopicID, t.Partitions) + fmt.Sprint("@", t.AssignmentEpochs)
		}
		for _, t := range v.PartitionsPendingRevocation {
			s += " revoking" + topicText(t.TopicID, t.Partitions)
		}
		return s
	case *wire.ConsumerGroupRegularExpressionValue:
		return fmt.Sprintf("%v", v.Topics)
	}
	return fmt.Sprintf("%+v", v)
}

// consumersText is what a consumer group knows of the log.
func consumersText(k *consumers) string {
	s := " " + k.StateName()
	for _, m := range k.Members() {
		meta, err := wire.Encode(0, &m.Meta)
		if err != nil {
			panic(err)
		}
		s += fmt.Sprintf("\n    %s %x %d %d %d", m.ID, meta, m.State, m.Epoch, m.Previous)
		for _, owned := range []consumer.Owned{m.Assigned, m.Revoking} {
			for _, topic := range slices.SortedFunc(maps.Keys(owned), func(a, b model.TopicID) int { return strings.Compare(a.String(), b.String()) }) {
				s += fmt.Sprintf(" %s%v", topic, owned[topic])
			}
		}
	}
	for _, r := range k.Tombstones() {
		s += fmt.Sprintf("\n    %q", r.Key)
	}
	return s
}

// plan is an assignment as the leader of a classic group makes it:
// plan=(member:a-0+a-1,member:b-0).
func (a args) plan(q *wire.SyncGroupRequest) {
	for _, v := range a.vals("plan") {
		member, partitions, _ := strings.Cut(v, ":")
		var out wire.ConsumerProtocolAssignment
		for _, p := range strings.Split(partitions, "+") {
			topic, index, _ := strings.Cut(p, "-")
			n, err := strconv.Atoi(index)
			if err != nil {
				a.t.Fatal(err)
			}
			out.AssignedPartitions = append(out.AssignedPartitions, wire.ConsumerProtocolTopicPartition{Topic: topic, Partitions: []int32{int32(n)}})
		}
		b, err := wire.EncodeConsumerProtocol(1, &out)
		if err != nil {
			a.t.Fatal(err)
		}
		q.Assignments = append(q.Assignments, wire.SyncGroupRequestAssignment{MemberID: member, Assignment: b})
	}
}
