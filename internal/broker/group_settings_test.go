package broker_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/stromtest"
)

// What brokers are configured to do with classic groups is what members meet: the
// delay before a group's first generation, the bounds of session time-outs and
// the largest size.
func TestGroupSettingsOfBrokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := stromtest.Start(t, stromtest.Options{InProcess: true, Config: map[string]string{
			"group.initial.rebalance.delay.ms": "4000", "group.min.session.timeout.ms": "5000", "group.max.session.timeout.ms": "9000", "group.max.size": "2",
		}})
		join := func(group string, session time.Duration) (*kmsg.JoinGroupResponse, error) {
			q := kmsg.NewPtrJoinGroupRequest()
			q.Group, q.ProtocolType = group, "consumer"
			q.SessionTimeoutMillis, q.RebalanceTimeoutMillis = int32(session.Milliseconds()), 60_000
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name = "range"
			q.Protocols = append(q.Protocols, p)
			client := b.Client() // of its own: a connection answers one request after the other
			r, err := q.RequestWith(t.Context(), client)
			if err == nil && kerr.ErrorForCode(r.ErrorCode) == kerr.MemberIDRequired {
				q.MemberID = r.MemberID
				r, err = q.RequestWith(t.Context(), client)
			}
			if err != nil {
				return nil, err
			}
			return r, kerr.ErrorForCode(r.ErrorCode)
		}
		for _, session := range []time.Duration{4999 * time.Millisecond, 9001 * time.Millisecond} {
			if _, err := join("bounds", session); err != kerr.InvalidSessionTimeout {
				t.Errorf("a session time-out of %v was answered with %v", session, err)
			}
		}
		begin := time.Now()
		var joining sync.WaitGroup
		for range 2 {
			joining.Go(func() {
				if r, err := join("g", 9*time.Second); err != nil || r.Generation != 1 {
					t.Errorf("joined as %+v: %v", r, err)
				}
			})
		}
		joining.Wait()
		if took := time.Since(begin); took < 4*time.Second || took > 9*time.Second {
			t.Errorf("the first generation came after %v", took)
		}
		if _, err := join("g", 9*time.Second); err != kerr.GroupMaxSizeReached {
			t.Errorf("a third member was answered with %v", err)
		}
	})
}
