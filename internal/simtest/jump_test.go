//go:build synctests

package simtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Clocks that are set while everything runs, of all nodes or of one, disturb
// nothing: no leader changes, no broker is thrown out, no member of a group, no
// transaction is aborted that has time left; and one that has none is aborted.
func TestClockJumps(t *testing.T) {
	for _, by := range []time.Duration{12 * time.Hour, -12 * time.Hour} {
		for _, all := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				c, err := newCluster(Plan{Shape: Shape{Nodes: 3, Replicas: 3}}, t.Output())
				defer c.close()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				for _, step := range []func(context.Context) error{c.createTopics, c.awaitWhole} {
					if err == nil {
						err = step(ctx)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				j := &jumps{t: t, cluster: c}
				j.disturb(ctx, func() {
					for _, n := range c.nodes {
						if all || n == c.nodes[0] {
							n.skew.Store(int64(by))
						}
					}
				})
			})
		}
	}
}

// jumps is one such test.
type jumps struct {
	t       *testing.T
	cluster *cluster
}

func (j *jumps) client(options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(j.cluster.seeds()...), kgo.Dialer(j.cluster.dial), kgo.TransactionTimeout(40*time.Second), kgo.DefaultProduceTopic("a"))
	client, err := kgo.NewClient(options...)
	if err != nil {
		j.t.Fatal(err)
	}
	return client
}

func (j *jumps) must(what string, err error) {
	j.t.Helper()
	if err != nil {
		j.t.Fatalf("%s: %v", what, err)
	}
}

// disturb has a member in a group and two transactions open, sets clocks, and commits
// the one transaction when its time is nearly over; the other is left alone.
func (j *jumps) disturb(ctx context.Context, set func()) {
	member := j.client(kgo.ConsumerGroup("members"), kgo.ConsumeTopics("a"))
	defer member.CloseAllowingRebalance()
	good, left := j.client(kgo.TransactionalID("good")), j.client(kgo.TransactionalID("left"))
	defer good.Close()
	defer left.Close()
	j.must("begin", good.BeginTransaction())
	j.must("begin", left.BeginTransaction())
	j.must("produce", good.ProduceSync(ctx, &kgo.Record{Value: []byte("good")}).FirstErr())
	j.must("produce", left.ProduceSync(ctx, &kgo.Record{Value: []byte("left")}).FirstErr())
	time.Sleep(5 * time.Second)
	before := j.state(ctx)
	set()
	time.Sleep(30 * time.Second)
	if after := j.state(ctx); after != before {
		j.t.Errorf("before %+v, after %+v", before, after)
	}
	j.must("commit", good.EndTransaction(ctx, kgo.TryCommit))
	time.Sleep(15 * time.Second)
	described, err := j.cluster.admin.DescribeTransactions(ctx, "good", "left")
	j.must("describe", err)
	if got := described["good"].State + ", " + described["left"].State; got != "CompleteCommit, CompleteAbort" {
		j.t.Errorf("the transactions are %s", got)
	}
}

// state is what must not change.
type state struct {
	leaders, epochs [2]int32
	brokers         int
	group, member   string
}

func (j *jumps) state(ctx context.Context) (s state) {
	metadata, err := j.cluster.admin.Metadata(ctx)
	j.must("metadata", err)
	s.brokers = len(metadata.Brokers)
	for i := range int32(2) {
		p := metadata.Topics["a"].Partitions[i]
		s.leaders[i], s.epochs[i] = p.Leader, p.LeaderEpoch
		if len(p.ISR) != 3 {
			j.t.Errorf("a-%d has in-sync replicas %v", i, p.ISR)
		}
	}
	groups, err := j.cluster.admin.DescribeGroups(ctx, "members")
	j.must("describe group", err)
	g := groups["members"]
	s.group = g.State
	for _, m := range g.Members {
		s.member += m.MemberID
	}
	return s
}
