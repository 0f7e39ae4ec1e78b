package broker_test

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/broker/brokertest"
)

// consumerGroupConfig makes consumer groups quick.
func consumerGroupConfig() map[string]string {
	c := groupConfig()
	maps.Copy(c, map[string]string{
		"group.consumer.min.heartbeat.interval.ms": "100", "group.consumer.heartbeat.interval.ms": "200",
		"group.consumer.min.session.timeout.ms": "3000", "group.consumer.session.timeout.ms": "6000",
		"group.consumer.assignment.interval.ms": "0",
	})
	return c
}

// Members of a consumer group (KIP-848) share topics that they name or that a regular
// expression matches, come and go, together with members of the classic protocol, and
// go on where they were when the broker that coordinates them dies.
func TestConsumerGroups(t *testing.T) {
	c := startCluster(t, brokertest.Options{Nodes: 3, Controllers: 3, Config: consumerGroupConfig()})
	var wait sync.WaitGroup
	for topic, run := range map[string]func(string){"names": c.shareNames, "matched": c.shareMatched, "migrated": c.migrate} {
		c.create(topic, 4)
		wait.Go(func() { run(topic) })
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	c.surviveConsumers("names")
}

// consumers waits until a consumer group is stable and has the members, each with
// partitions: of both protocols together, and of the new one.
func (c *cluster) consumers(group string, members, modern int) {
	c.t.Helper()
	q := kmsg.NewConsumerGroupDescribeRequest()
	q.Groups = []string{group}
	for c.ctx.Err() == nil {
		r, err := q.RequestWith(c.ctx, c.client)
		if err != nil || len(r.Groups) != 1 || r.Groups[0].State != "Stable" || len(r.Groups[0].Members) != members {
			continue
		}
		have := 0
		for _, m := range r.Groups[0].Members {
			if len(m.Assignment.TopicPartitions) > 0 {
				members--
			}
			have += int(m.MemberType)
		}
		if members == 0 && have == modern {
			return
		}
		members = len(r.Groups[0].Members)
	}
	c.t.Errorf("group %s never had %d members", group, members)
}

func (c *cluster) shareNames(topic string) {
	told := make(chan string, 10_000)
	a := c.member(topic, topic, told, kgo.ServerSideBalancer())
	c.write(topic, 4, 0, 200)
	expect(c.t, told, c.ctx.Done(), topic, 0, 200)
	b := c.member(topic, topic, told, kgo.ServerSideBalancer(), kgo.InstanceID("b"))
	c.consumers(topic, 2, 2)
	c.write(topic, 4, 200, 400)
	expect(c.t, told, c.ctx.Done(), topic, 200, 400)
	a.leave()
	c.consumers(topic, 1, 1)
	c.write(topic, 4, 400, 500)
	expect(c.t, told, c.ctx.Done(), topic, 400, 500)
	c.committed(topic, topic, 500)
	b.leave()
}

func (c *cluster) shareMatched(topic string) {
	told := make(chan string, 10_000)
	// A client that hears of no topic that matches joins once it asks again.
	opts := []kgo.Opt{kgo.ServerSideBalancer(), kgo.ConsumeRegex(), kgo.MetadataMinAge(100 * time.Millisecond), kgo.MetadataMaxAge(500 * time.Millisecond)}
	a := c.member(topic, "match.*", told, opts...)
	b := c.member(topic, "match.*", told, opts...)
	c.consumers(topic, 2, 2)
	c.write(topic, 4, 0, 200)
	expect(c.t, told, c.ctx.Done(), topic, 0, 200)
	a.leave()
	b.leave()
}

// migrate takes a group from the classic protocol to the new one and back.
func (c *cluster) migrate(topic string) {
	told := make(chan string, 10_000)
	a := c.member(topic, topic, told, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	c.until(topic, func(g kadm.DescribedGroup) bool { return g.State == "Stable" && len(g.Members) == 1 })
	c.write(topic, 4, 0, 100)
	expect(c.t, told, c.ctx.Done(), topic, 0, 100)
	b := c.member(topic, topic, told, kgo.ServerSideBalancer())
	c.consumers(topic, 2, 1)
	c.write(topic, 4, 100, 200)
	expect(c.t, told, c.ctx.Done(), topic, 100, 200)
	b.leave()
	c.until(topic, func(g kadm.DescribedGroup) bool { return g.State == "Stable" && len(g.Members) == 1 })
	c.write(topic, 4, 200, 300)
	expect(c.t, told, c.ctx.Done(), topic, 200, 300)
	c.committed(topic, topic, 300)
	a.leave()
}

// surviveConsumers kills the coordinator under a consumer group, which is the active
// controller too. With the consumer protocol franz-go keeps the address of a
// coordinator that does not answer until its metadata do not name that node any more,
// so its members ask for metadata often.
func (c *cluster) surviveConsumers(topic string) {
	group, coordinator := c.groupOn(c.activeController())
	told := make(chan string, 10_000)
	c.member(group, topic, told, kgo.ServerSideBalancer(), kgo.MetadataMaxAge(500*time.Millisecond))
	c.member(group, topic, told, kgo.ServerSideBalancer(), kgo.MetadataMaxAge(500*time.Millisecond))
	expect(c.t, told, c.ctx.Done(), topic, 0, 500)
	c.committed(group, topic, 500)
	c.consumers(group, 2, 2)
	c.Nodes[coordinator].Kill()
	c.write(topic, 4, 500, 600)
	expect(c.t, told, c.ctx.Done(), topic, 500, 600)
	c.committed(group, topic, 600)
	c.consumers(group, 2, 2)
}
