package consumer

import (
	"fmt"
	"strings"

	"github.com/stromkafka/strom/internal/group/assign"
	"github.com/stromkafka/strom/internal/model"
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
