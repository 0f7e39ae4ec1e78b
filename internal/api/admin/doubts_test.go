package admin

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// TestMetadataWaitsForElection: who asks for a topic in the moment in which its
// leader dies is told of the next leader, and for a second that the dead one is there.
// Other topics are answered at once. A doubt that no election follows is over soon,
// and who is heard again is not in doubt.
func TestMetadataWaitsForElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.commit(c.submit(&wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: "a", NumPartitions: 1, ReplicationFactor: 3}}}, 7, nil))
		doubts := &Doubts{}
		ask := func(topics []wire.MetadataRequestTopic) (*wire.MetadataResponse, time.Duration) {
			began := time.Now()
			h := &Metadata{View: &c.view, ClusterID: "cluster", NodeID: 1, Authorizer: auth.AllowAll{}, Doubts: doubts}
			q := &wire.MetadataRequest{}
			q.Reset()
			q.Topics = topics
			r := h.Handle(t.Context(), request(q, 12)).(*wire.MetadataResponse)
			return r, time.Since(began)
		}
		leader := c.view.Image().Topic("a").Partitions[0].Leader
		other := leader%3 + 1

		doubts.Silent(other)
		if _, took := ask(named("a")); took != 0 {
			t.Errorf("an answer that does not name broker %d took %v", other, took)
		}
		doubts.Silent(leader)
		if _, took := ask(named("b")); took != 0 {
			t.Errorf("the answer for another topic took %v", took)
		}
		doubts.Heard(other)
		doubts.Heard(leader)
		if _, took := ask(named("a")); took != 0 {
			t.Errorf("with a leader that is heard again it took %v", took)
		}

		doubts.Silent(leader)
		time.AfterFunc(50*time.Millisecond, func() { c.fence(leader) })
		for _, topics := range [][]wire.MetadataRequestTopic{named("a"), nil} {
			r, took := ask(topics)
			if took > 50*time.Millisecond || len(r.Topics) != 1 || model.NodeID(r.Topics[0].Partitions[0].LeaderID) == leader {
				t.Errorf("after %v: %v", took, r.Topics)
			}
			if len(r.Brokers) != 3 {
				t.Errorf("%d brokers are listed", len(r.Brokers))
			}
		}
		doubts.Silent(leader) // no connection is to be had: the first silence counts
		time.Sleep(mournFor)
		if r, _ := ask(named("a")); len(r.Brokers) != 2 {
			t.Errorf("%d brokers are listed a second later", len(r.Brokers))
		}

		next := c.view.Image().Topic("a").Partitions[0].Leader
		doubts.Heard(next)
		doubts.Silent(next)
		if _, took := ask(named("a")); took != doubtFor {
			t.Errorf("without an election the answer took %v", took)
		}
		if _, took := ask(named("a")); took != 0 {
			t.Errorf("the next took %v", took)
		}
	})
}
