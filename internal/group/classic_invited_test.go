package group

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/wire"
)

// TestInvitedAreBounded: who asks for member ids again and again does not fill the
// memory, and the latest of them may still join.
func TestInvitedAreBounded(t *testing.T) {
	s := newShell()
	s.start()
	last := ""
	s.answer = func(_ string, r machine.Reply, _ error) { last = r.Response.(*wire.JoinGroupResponse).MemberID }
	q := &wire.JoinGroupRequest{GroupID: "g", ProtocolType: "consumer", SessionTimeoutMS: 1_800_000, Protocols: []wire.JoinGroupRequestProtocol{{Name: "range"}}}
	for range 3 * mostInvited {
		s.ask("", Request{Version: 9, ClientID: "c", Body: q})
	}
	c := s.m.classic("g")
	if c.invited.count() != mostInvited || len(s.m.alarms.byName) > mostInvited+1 || len(c.invited.order) > 2*mostInvited {
		t.Fatalf("%d are invited, with %d alarms, in a list of %d", c.invited.count(), len(s.m.alarms.byName), len(c.invited.order))
	}
	again := *q
	again.MemberID = last
	s.ask("", Request{Version: 9, ClientID: "c", Body: &again})
	if c.members.get(last) == nil || c.invited.count() != mostInvited-1 {
		t.Errorf("%s did not get in; %d are invited", last, c.invited.count())
	}
}

// TestInvited: the list is that of those who were added and not removed, in order.
func TestInvited(t *testing.T) {
	var i invited
	var want []string
	for n := range 300 {
		id := fmt.Sprint(n)
		i.add(id)
		want = append(want, id)
		if n%3 != 0 {
			gone := want[(7*n)%len(want)]
			want = slices.DeleteFunc(want, func(s string) bool { return s == gone })
			i.remove(gone)
			i.remove(gone)
		}
		if got := i.all(); !slices.Equal(got, want) || i.count() != len(want) || i.has("x") {
			t.Fatalf("after %d: %v, want %v", n, got, want)
		}
	}
}
