package consumer

import (
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/wire"
)

// TestClockSetBack: the last assignment is in the future once the clock has been set
// back. That is no reason to wait for it with the next.
func TestClockSetBack(t *testing.T) {
	h := newHarness(t)
	h.config.AssignmentInterval = Limits{Default: time.Second, Max: time.Minute}
	h.now = h.now.Add(24 * time.Hour)
	h.topic("a", 2)
	join := func(id string) *wire.ConsumerGroupHeartbeatResponse {
		t.Helper()
		r, _, err := h.heartbeat(&wire.ConsumerGroupHeartbeatRequest{GroupID: "g", MemberID: id, SubscribedTopicNames: []string{"a"},
			RebalanceTimeoutMS: 30_000, TopicPartitions: []wire.ConsumerGroupHeartbeatTopicPartitions{}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := join("m1")
	h.now = h.now.Add(-12 * time.Hour)
	if second := join("m2"); second.MemberEpoch != first.MemberEpoch+1 || len(h.group.targets["m2"]) == 0 {
		t.Errorf("m2 is to have %v in epoch %d, after epoch %d", h.group.targets["m2"], second.MemberEpoch, first.MemberEpoch)
	}
	if third := join("m3"); third.MemberEpoch != first.MemberEpoch+1 {
		t.Errorf("m3 is in epoch %d although the last assignment was at the same moment", third.MemberEpoch)
	}
}
