package consumer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

var stateNames = map[State]string{Stable: "stable", Unrevoked: "unrevoked", Unreleased: "unreleased"}

func memberText(m *Member) string {
	s := fmt.Sprintf("%s at %d (%d)%s", stateNames[m.State], m.Epoch, m.Previous, ownedText(m.Assigned))
	if len(m.Revoking) > 0 {
		s += " revoking" + ownedText(m.Revoking)
	}
	return s
}

func ownedText(o Owned) string {
	var b strings.Builder
	for _, topic := range o.wire() {
		fmt.Fprintf(&b, " %s[", nameOf(model.TopicID(topic.TopicID)))
		for i, p := range topic.Partitions {
			fmt.Fprintf(&b, "%s%d@%d", strings.Repeat(" ", min(i, 1)), p, topic.AssignmentEpochs[i])
		}
		b.WriteString("]")
	}
	return b.String()
}

func assignmentText(a assign.Assignment) string {
	s := ""
	for _, topic := range a.Topics() {
		s += fmt.Sprintf(" %s%v", nameOf(topic), a[topic])
	}
	return strings.TrimSpace(s)
}

func heartbeatText(topics []wire.ConsumerGroupHeartbeatTopicPartitions) string {
	s := ""
	for _, topic := range topics {
		s += fmt.Sprintf(" %s%v", nameOf(model.TopicID(topic.TopicID)), topic.Partitions)
	}
	return s
}

// recordsText is the records, one a line.
func recordsText(t *testing.T, records []machine.Record) string {
	var b strings.Builder
	for _, r := range records {
		key, value := decoded(t, r)
		b.WriteString("  + ")
		switch k := key.(type) {
		case *wire.GroupMetadataKey:
			b.WriteString("classic group")
		case *wire.ConsumerGroupMetadataKey:
			b.WriteString("group")
		case *wire.ConsumerGroupPartitionMetadataKey:
			b.WriteString("legacy topics")
		case *wire.ConsumerGroupMemberMetadataKey:
			fmt.Fprintf(&b, "member %s", k.MemberID)
		case *wire.ConsumerGroupTargetAssignmentMetadataKey:
			b.WriteString("target")
		case *wire.ConsumerGroupTargetAssignmentMemberKey:
			fmt.Fprintf(&b, "target of %s", k.MemberID)
		case *wire.ConsumerGroupCurrentMemberAssignmentKey:
			fmt.Fprintf(&b, "current of %s", k.MemberID)
		case *wire.ConsumerGroupRegularExpressionKey:
			fmt.Fprintf(&b, "regex %s", k.RegularExpression)
		}
		b.WriteString(valueText(value) + "\n")
	}
	return b.String()
}

func valueText(value wire.Message) string {
	switch v := value.(type) {
	case *wire.GroupMetadataValue:
		s := fmt.Sprintf(": generation %d protocol %s", v.Generation, *v.Protocol)
		for _, m := range v.Members {
			var a wire.ConsumerProtocolAssignment
			if _, err := wire.DecodeConsumerProtocol(m.Assignment, &a); err != nil {
				return err.Error()
			}
			s += fmt.Sprintf(", %s %v", m.MemberID, a.AssignedPartitions)
		}
		return s
	case *wire.ConsumerGroupMetadataValue:
		return fmt.Sprintf(" epoch %d", v.Epoch)
	case *wire.ConsumerGroupMemberMetadataValue:
		s := fmt.Sprintf(": %v", v.SubscribedTopicNames)
		if text(v.SubscribedTopicRegex) != "" {
			s += " regex " + *v.SubscribedTopicRegex
		}
		if v.InstanceID != nil {
			s += " static " + *v.InstanceID
		}
		if v.ClassicMemberMetadata != nil {
			s += " classic"
		}
		return s
	case *wire.ConsumerGroupTargetAssignmentMetadataValue:
		return fmt.Sprintf(" epoch %d", v.AssignmentEpoch)
	case *wire.ConsumerGroupTargetAssignmentMemberValue:
		return ": " + assignmentText(assignmentOf(v))
	case *wire.ConsumerGroupCurrentMemberAssignmentValue:
		m := Member{current: current{
			Epoch: v.MemberEpoch, Previous: v.PreviousMemberEpoch, State: State(v.State),
			Assigned: ownedOf(v.AssignedPartitions, v.MemberEpoch), Revoking: ownedOf(v.PartitionsPendingRevocation, v.MemberEpoch),
		}}
		return ": " + memberText(&m)
	case *wire.ConsumerGroupRegularExpressionValue:
		return fmt.Sprintf(": %v", v.Topics)
	}
	return " forgotten"
}
