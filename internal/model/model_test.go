package model

import "testing"

func TestUUIDNotation(t *testing.T) {
	if got := MetadataTopicID.String(); got != "AAAAAAAAAAAAAAAAAAAAAQ" {
		t.Errorf("metadata topic id = %s", got)
	}
	u := UUID{0: 0xfb, 7: 0xff, 15: 9}
	back, err := ParseUUID(u.String())
	if err != nil || back != u {
		t.Errorf("ParseUUID(%s) = %v, %v", u, back, err)
	}
	for _, bad := range []string{"", "short", "123e4567-e89b-12d3-a456-426614174000", "AAAAAAAAAAAAAAAAAAAA+Q"} {
		if _, err := ParseUUID(bad); err == nil {
			t.Errorf("ParseUUID(%q) accepted", bad)
		}
	}
}

func TestReserved(t *testing.T) {
	for id, want := range map[UUID]bool{{}: true, {15: 99}: true, {15: 100}: false, {0: 1}: false} {
		if id.IsReserved() != want {
			t.Errorf("%v reserved = %v", id, !want)
		}
	}
}

func TestPartitionString(t *testing.T) {
	if got := (Partition{"orders", 12}).String(); got != "orders-12" {
		t.Error(got)
	}
}
