package assert

import "testing"

func TestThat(t *testing.T) {
	That(true, "never seen")
	defer func() {
		if r := recover(); r != "invariant broken: end 3 < start 5" {
			t.Errorf("recovered %v", r)
		}
	}()
	That(false, "end %d < start %d", 3, 5)
}
