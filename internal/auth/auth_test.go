package auth

import "testing"

// TestNumbers: AclOperation.java and ResourceType.java of Apache Kafka.
func TestNumbers(t *testing.T) {
	for op, want := range map[Operation]string{3: "READ", 9: "CLUSTER_ACTION", 12: "IDEMPOTENT_WRITE", 15: "TWO_PHASE_COMMIT", 16: "UNKNOWN", -1: "UNKNOWN"} {
		if op.String() != want {
			t.Errorf("operation %d is %v, want %s", op, op, want)
		}
	}
	for rt, want := range map[ResourceType]string{2: "TOPIC", 4: "CLUSTER", 5: "TRANSACTIONAL_ID", 7: "USER", 8: "UNKNOWN", -1: "UNKNOWN"} {
		if rt.String() != want {
			t.Errorf("resource type %d is %v, want %s", rt, rt, want)
		}
	}
	if got := Anonymous.String(); got != "User:ANONYMOUS" {
		t.Errorf("anonymous is %s", got)
	}
	if !(AllowAll{}).Allowed(Anonymous, "127.0.0.1", Write, Topic, "t") {
		t.Error("AllowAll refused")
	}
}
