package broker_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/broker/brokertest"
)

// groupConfig makes groups quick, and their topic small.
func groupConfig() map[string]string {
	c := maps.Clone(quick)
	maps.Copy(c, map[string]string{"group.initial.rebalance.delay.ms": "0", "offsets.topic.num.partitions": "3"})
	return c
}

// reader is a member of a group: what it reads is told, and then committed.
type reader struct {
	*kgo.Client
	stop context.CancelFunc
	done chan struct{}
}

// member makes one that reads until it leaves. What it still commits then, to a
// coordinator that nobody has replaced, holds nobody up.
func (c *cluster) member(group, topic string, tell chan<- string, opts ...kgo.Opt) *reader {
	c.t.Helper()
	opts = append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.HeartbeatInterval(200 * time.Millisecond)}, opts...)
	ctx, stop := context.WithCancel(c.ctx)
	r := &reader{Client: c.Client(opts...), stop: stop, done: make(chan struct{})}
	c.t.Cleanup(r.leave)
	go func() {
		defer close(r.done)
		for {
			fetches := r.PollFetches(ctx)
			if fetches.IsClientClosed() || ctx.Err() != nil {
				r.AllowRebalance()
				return
			}
			for _, record := range fetches.Records() {
				tell <- string(record.Value)
			}
			// A commit that fails is tried again with the next; its records are told again.
			_ = r.CommitUncommittedOffsets(ctx)
			r.AllowRebalance()
		}
	}()
	return r
}

func (r *reader) leave() {
	r.stop()
	<-r.done
	r.CloseAllowingRebalance()
}

// expect waits until all of n numbered records from first on have been told. Some
// may come twice: a member that lost its partitions had not committed them.
func expect(t *testing.T, told <-chan string, done <-chan struct{}, topic string, first, last int) {
	t.Helper()
	want := map[string]bool{}
	for i := first; i < last; i++ {
		want[fmt.Sprintf("%s %d", topic, i)] = true
	}
	for len(want) > 0 {
		select {
		case v := <-told:
			delete(want, v)
		case <-done:
			t.Fatalf("%d records of %s were not read, such as %v", len(want), topic, first)
		}
	}
}

func (c *cluster) write(topic string, partitions, first, last int) {
	c.t.Helper()
	var records []*kgo.Record
	for i := first; i < last; i++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: fmt.Appendf(nil, "%s %d", topic, i)})
	}
	if err := c.client.ProduceSync(c.ctx, records...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// until asks about a group until the answer is right.
func (c *cluster) until(group string, right func(kadm.DescribedGroup) bool) {
	c.t.Helper()
	for c.ctx.Err() == nil {
		groups, err := c.admin.DescribeGroups(c.ctx, group)
		if g := groups[group]; err == nil && g.Err == nil && right(g) {
			return
		}
	}
	c.t.Fatalf("group %s never came to be as it should", group)
}

// committed waits until the group has committed the ends of a topic.
func (c *cluster) committed(group, topic string, records int) {
	c.t.Helper()
	for c.ctx.Err() == nil {
		offsets, err := c.admin.FetchOffsets(c.ctx, group)
		if err != nil {
			continue
		}
		sum := int64(0)
		offsets.Offsets().Each(func(o kadm.Offset) {
			if o.Topic == topic {
				sum += o.At
			}
		})
		if sum == int64(records) {
			return
		}
	}
	c.t.Fatalf("group %s never committed all of %s", group, topic)
}

// Members of a group share a topic, come and go, and go on where they were when
// the broker that coordinates them dies. With each way of rebalancing.
func TestGroups(t *testing.T) {
	c := startCluster(t, brokertest.Options{Nodes: 3, Controllers: 3, Config: groupConfig()})
	var wait sync.WaitGroup
	for name, opts := range map[string][]kgo.Opt{
		"cooperative": {kgo.Balancers(kgo.CooperativeStickyBalancer())},
		"eager":       {kgo.Balancers(kgo.RangeBalancer(), kgo.RoundRobinBalancer())},
		"static":      {kgo.InstanceID("a")},
	} {
		c.create(name, 4)
		wait.Go(func() { c.share(name, opts) })
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	c.survive("cooperative", 4)
}

// share has two members read a topic, and then one.
func (c *cluster) share(topic string, opts []kgo.Opt) {
	told := make(chan string, 10_000)
	a := c.member(topic, topic, told, opts...)
	c.write(topic, 4, 0, 200)
	expect(c.t, told, c.ctx.Done(), topic, 0, 200)
	b := c.member(topic, topic, told, append(opts, kgo.InstanceID("b"))...)
	c.until(topic, func(g kadm.DescribedGroup) bool {
		return g.State == "Stable" && len(g.Members) == 2 && len(assignedTo(g)) == 2
	})
	c.write(topic, 4, 200, 400)
	expect(c.t, told, c.ctx.Done(), topic, 200, 400)
	a.leave()
	if _, err := c.admin.LeaveGroup(c.ctx, kadm.LeaveGroup(topic).InstanceIDs("a")); err != nil {
		c.t.Error(err)
	}
	c.until(topic, func(g kadm.DescribedGroup) bool { return g.State == "Stable" && len(g.Members) == 1 })
	c.write(topic, 4, 400, 500)
	expect(c.t, told, c.ctx.Done(), topic, 400, 500)
	c.committed(topic, topic, 500)
	b.leave()
}

// assignedTo are the members that have partitions.
func assignedTo(g kadm.DescribedGroup) map[string]bool {
	out := map[string]bool{}
	for _, m := range g.Members {
		if a, ok := m.Assigned.AsConsumer(); ok && len(a.Topics) > 0 {
			out[m.MemberID] = true
		}
	}
	return out
}

// survive kills the coordinator under a group, which is the active controller too.
func (c *cluster) survive(topic string, partitions int) {
	group, node := c.groupOn(c.activeController())
	told := make(chan string, 10_000)
	c.member(group, topic, told)
	c.member(group, topic, told)
	expect(c.t, told, c.ctx.Done(), topic, 0, 500)
	c.committed(group, topic, 500)
	c.Nodes[node].Kill()
	c.write(topic, partitions, 500, 600)
	expect(c.t, told, c.ctx.Done(), topic, 500, 600)
	c.committed(group, topic, 600)
	if deleted, err := c.admin.DeleteGroup(c.ctx, group); err == nil && deleted.Err == nil {
		c.t.Error("a group was deleted under its members")
	}
}

// activeController is the node that leads the quorum.
func (c *cluster) activeController() int {
	c.t.Helper()
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	response, err := request.RequestWith(c.ctx, c.client)
	if err != nil {
		c.t.Fatal(err)
	}
	return int(response.Topics[0].Partitions[0].LeaderID)
}

// groupOn finds a group that one of the nodes coordinates.
func (c *cluster) groupOn(nodes ...int) (group string, node int) {
	c.t.Helper()
	for i := 0; c.ctx.Err() == nil; i++ {
		group = fmt.Sprintf("survivors-%d", i%100)
		found := c.admin.FindGroupCoordinators(c.ctx, group)
		if at := int(found[group].NodeID); found.Error() == nil && slices.Contains(nodes, at) {
			return group, at
		}
	}
	c.t.Fatal("no group is coordinated where it should be")
	return "", 0
}

// Offsets that were acknowledged are there after the power has gone, groups too.
func TestCommittedOffsetsAfterPowerLoss(t *testing.T) {
	config := groupConfig()
	config["offsets.topic.replication.factor"] = "1"
	c := startCluster(t, brokertest.Options{Nodes: 1, Config: config})
	if _, err := c.admin.CreateTopic(c.ctx, 2, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	for life := range int64(3) {
		for g := range 10 {
			var offsets kadm.Offsets
			offsets.AddOffset("t", 0, life, -1)
			offsets.AddOffset("t", 1, 100+life, -1)
			if err := c.admin.CommitAllOffsets(c.ctx, fmt.Sprint("group", g), offsets); err != nil {
				t.Fatal(err)
			}
		}
		c.Nodes[1].PowerLoss(uint64(life))
		c.Nodes[1].Start()
		for g := range 10 {
			got, err := c.admin.FetchOffsets(c.ctx, fmt.Sprint("group", g))
			if err != nil {
				t.Fatal(err)
			}
			first, _ := got.Lookup("t", 0)
			second, _ := got.Lookup("t", 1)
			if first.At != life || second.At != 100+life {
				t.Errorf("life %d: group%d is at %d and %d", life, g, first.At, second.At)
			}
		}
	}
}
