package broker_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/stromkafka/strom/internal/broker/brokertest"
)

// member848 is a member of a consumer group (KIP-848) that says what the test wants:
// it asks for its coordinator anew whenever that is gone or says it is none.
type member848 struct {
	c         *cluster
	group, id string
	topic     kadm.TopicDetail
	epoch     int32
	owned     []int32
	at        int32         // its coordinator; 0 if not known
	heard     bool          // the last heartbeat was answered: the next need not say everything
	interval  time.Duration // between heartbeats, as it was told
	joins     int
}

func (c *cluster) member848(group, topic, id string) *member848 {
	c.t.Helper()
	topics, err := c.admin.ListTopics(c.ctx, topic)
	if err != nil {
		c.t.Fatal(err)
	}
	return &member848{c: c, group: group, id: id, topic: topics[topic]}
}

// ask sends a request to the coordinator, wherever that is; code is where its answer
// says that it is not there.
func (m *member848) ask(request kmsg.Request, code func(kmsg.Response) int16) kmsg.Response {
	m.c.t.Helper()
	for m.c.ctx.Err() == nil {
		if m.at == 0 {
			found := m.c.admin.FindGroupCoordinators(m.c.ctx, m.group)
			if found.Error() != nil || found[m.group].Err != nil {
				continue
			}
			m.at = found[m.group].NodeID
		}
		response, err := m.c.client.Broker(int(m.at)).Request(m.c.ctx, request)
		if err == nil {
			switch kerr.ErrorForCode(code(response)) {
			case kerr.CoordinatorLoadInProgress:
				continue
			case kerr.NotCoordinator, kerr.CoordinatorNotAvailable:
			default:
				return response
			}
		}
		m.at, m.heard = 0, false
	}
	m.c.t.Fatalf("%s found no coordinator of %s", m.id, m.group)
	return nil
}

// beat sends one heartbeat, and reports whether all that it was told has been done
// and said.
func (m *member848) beat() bool {
	m.c.t.Helper()
	q := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	q.Group, q.MemberID, q.MemberEpoch = m.group, m.id, m.epoch
	if m.epoch == 0 || !m.heard {
		q.RebalanceTimeoutMillis, q.SubscribedTopicNames = 60_000, []string{m.topic.Topic}
		q.SubscribedTopicRegex = new(string)
		q.Topics = m.partitions(m.owned)
	}
	r := m.ask(q, func(r kmsg.Response) int16 { return r.(*kmsg.ConsumerGroupHeartbeatResponse).ErrorCode }).(*kmsg.ConsumerGroupHeartbeatResponse)
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		m.c.t.Fatalf("heartbeat of %s: %v", m.id, err)
	}
	if m.epoch == 0 {
		m.joins++
	}
	settled := m.heard && m.epoch == r.MemberEpoch
	m.epoch, m.heard = r.MemberEpoch, true
	m.interval = time.Duration(r.HeartbeatIntervalMillis) * time.Millisecond
	if r.Assignment == nil {
		return settled
	}
	var owned []int32
	for _, t := range r.Assignment.Topics {
		owned = append(owned, t.Partitions...)
	}
	slices.Sort(owned)
	if slices.Equal(owned, m.owned) {
		return settled
	}
	m.owned, m.heard = owned, false // which it says with the next
	return false
}

func (m *member848) partitions(owned []int32) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
	t.TopicID, t.Partitions = m.topic.ID, owned
	if len(owned) == 0 {
		return []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
	return []kmsg.ConsumerGroupHeartbeatRequestTopic{t}
}

// commit commits an offset in each partition that the member has.
func (m *member848) commit(offset int64) {
	m.c.t.Helper()
	q := kmsg.NewPtrOffsetCommitRequest()
	q.Group, q.MemberID, q.Generation = m.group, m.id, m.epoch
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = m.topic.Topic, m.topic.ID
	for _, i := range m.owned {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = i, offset
		topic.Partitions = append(topic.Partitions, p)
	}
	q.Topics = append(q.Topics, topic)
	first := func(r kmsg.Response) int16 { return r.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode }
	if err := kerr.ErrorForCode(first(m.ask(q, first))); err != nil {
		m.c.t.Fatalf("commit of %s: %v", m.id, err)
	}
}

// members848 are the members of one group.
type members848 []*member848

// settle has everybody heartbeat until nobody has anything to do, and checks all the
// while that each partition has at most one owner.
func (all members848) settle(partitions int) {
	c := all[0].c
	c.t.Helper()
	for c.ctx.Err() == nil {
		settled, owners := true, map[int32]string{}
		for _, m := range all {
			settled = m.beat() && settled
			for _, each := range all {
				for _, p := range each.owned {
					if other := owners[p]; other != "" && other != each.id {
						c.t.Fatalf("%s and %s own partition %d", other, each.id, p)
					}
					owners[p] = each.id
				}
			}
			clear(owners)
		}
		n := 0
		for _, m := range all {
			n += len(m.owned)
		}
		if settled && n == partitions {
			return
		}
	}
	c.t.Fatal("the group never settled")
}

func (all members848) String() string {
	text := ""
	for _, m := range all {
		text += fmt.Sprintf("%s epoch %d owns %v; ", m.id, m.epoch, m.owned)
	}
	return text
}

// groupEpoch is the group's, and with it the number of its rebalances.
func (m *member848) groupEpoch() int32 {
	m.c.t.Helper()
	q := kmsg.NewPtrConsumerGroupDescribeRequest()
	q.Groups = []string{m.group}
	first := func(r kmsg.Response) int16 { return r.(*kmsg.ConsumerGroupDescribeResponse).Groups[0].ErrorCode }
	r := m.ask(q, first)
	if err := kerr.ErrorForCode(first(r)); err != nil {
		m.c.t.Fatalf("group %s is not described: %v", m.group, err)
	}
	return r.(*kmsg.ConsumerGroupDescribeResponse).Groups[0].Epoch
}

// committed are the offsets that the group has committed, by partition.
func (m *member848) committed() map[int32]int64 {
	m.c.t.Helper()
	q := kmsg.NewPtrOffsetFetchRequest()
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = m.group
	q.Groups, q.RequireStable = append(q.Groups, group), true
	r := m.ask(q, func(r kmsg.Response) int16 { return r.(*kmsg.OffsetFetchResponse).Groups[0].ErrorCode })
	offsets := map[int32]int64{}
	for _, t := range r.(*kmsg.OffsetFetchResponse).Groups[0].Topics {
		for _, p := range t.Partitions {
			offsets[p.Partition] = p.Offset
		}
	}
	return offsets
}

// A consumer group does not notice that its coordinator was killed, or that another
// broker took its place in good order: its members keep their ids, epochs and
// partitions, nothing is rebalanced, and what was committed is there.
func TestConsumerGroupOutlivesItsCoordinator(t *testing.T) {
	config := consumerGroupConfig()
	maps.Copy(config, map[string]string{"group.consumer.max.session.timeout.ms": "60000", "group.consumer.session.timeout.ms": "60000"}) // a slow machine is no failure
	c := startCluster(t, brokertest.Options{Nodes: 3, Controllers: 3, Config: config})
	c.create("t", 6)
	group, coordinator := c.groupOn(c.activeController())
	all := members848{c.member848(group, "t", "a"), c.member848(group, "t", "b"), c.member848(group, "t", "c")}
	all.settle(6)
	before, epoch := all.String(), all[0].groupEpoch()
	for i, change := range []func(){
		func() { c.Nodes[coordinator].Kill() },
		func() {
			c.Nodes[coordinator].Start()
			c.preferred()
		},
		func() { c.Nodes[coordinator].Stop() },
	} {
		for _, m := range all {
			m.commit(int64(i))
		}
		change()
		all.settle(6)
		if after := all.String(); after != before {
			t.Fatalf("change %d: the members were %sand are %s", i, before, after)
		}
		if now := all[0].groupEpoch(); now != epoch {
			t.Fatalf("change %d: the group's epoch went from %d to %d", i, epoch, now)
		}
		want := map[int32]int64{0: int64(i), 1: int64(i), 2: int64(i), 3: int64(i), 4: int64(i), 5: int64(i)}
		if now := all[0].committed(); !maps.Equal(now, want) {
			t.Fatalf("change %d: %v is committed", i, now)
		}
	}
	for _, m := range all {
		if m.joins != 1 {
			t.Errorf("%s joined %d times", m.id, m.joins)
		}
	}
}

// preferred has each partition led by its preferred replica.
func (c *cluster) preferred() {
	c.t.Helper()
	for c.ctx.Err() == nil {
		results, err := c.admin.ElectLeaders(c.ctx, kadm.ElectPreferredReplica, nil)
		missing := err != nil
		for _, partitions := range results {
			for _, r := range partitions {
				missing = missing || r.Err != nil && r.Err != kerr.ElectionNotNeeded
			}
		}
		if !missing {
			return
		}
	}
	c.t.Fatal("the preferred replicas were not elected")
}

// What is configured for a group counts for it at once: members are told the new
// interval with their next heartbeat, and one that is silent for the new session
// time-out is gone. Other groups go on as the brokers are configured.
func TestGroupConfigsAtRunTime(t *testing.T) {
	c := startCluster(t, brokertest.Options{Nodes: 3, Config: consumerGroupConfig()})
	c.create("t", 4)
	tuned, other := c.member848("tuned", "t", "a"), c.member848("other", "t", "b")
	for _, m := range []*member848{tuned, other} {
		members848{m}.settle(4)
		if m.interval != 200*time.Millisecond {
			t.Fatalf("%s was told an interval of %v", m.group, m.interval)
		}
	}
	c.configure("tuned", map[string]string{"consumer.heartbeat.interval.ms": "300", "consumer.session.timeout.ms": "3000"})
	for tuned.beat(); tuned.interval != 300*time.Millisecond && c.ctx.Err() == nil; {
		tuned.beat()
	}
	if other.beat(); other.interval != 200*time.Millisecond || tuned.interval != 300*time.Millisecond {
		t.Fatalf("the intervals are %v of the configured group, and %v of the other", tuned.interval, other.interval)
	}
	members848{tuned, c.member848("tuned", "t", "silent")}.settle(4)
	for len(tuned.owned) < 4 && c.ctx.Err() == nil { // the brokers' own time-out is twice as long
		tuned.beat()
	}
	if err := kerr.ErrorForCode(c.tryConfigure("tuned", map[string]string{"consumer.heartbeat.interval.ms": "1"})); err != kerr.InvalidConfig {
		t.Errorf("an interval below the brokers' least was answered with %v", err)
	}
	c.configure("tuned", map[string]string{"consumer.heartbeat.interval.ms": ""})
	for tuned.interval != 200*time.Millisecond && c.ctx.Err() == nil {
		tuned.beat()
	}
	if tuned.interval != 200*time.Millisecond || len(tuned.owned) != 4 {
		t.Errorf("in the end the interval is %v, and %v are owned", tuned.interval, tuned.owned)
	}
}

func (c *cluster) configure(group string, values map[string]string) {
	c.t.Helper()
	if err := kerr.ErrorForCode(c.tryConfigure(group, values)); err != nil {
		c.t.Fatal(err)
	}
}

// tryConfigure sets configs of a group, or takes those without a value back.
func (c *cluster) tryConfigure(group string, values map[string]string) int16 {
	c.t.Helper()
	q := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	for name, value := range values {
		config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		config.Name, config.Op, config.Value = name, kmsg.IncrementalAlterConfigOpSet, &value
		if value == "" {
			config.Op, config.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		resource.Configs = append(resource.Configs, config)
	}
	q.Resources = append(q.Resources, resource)
	r, err := q.RequestWith(c.ctx, c.client)
	if err != nil {
		c.t.Fatal(err)
	}
	return r.Resources[0].ErrorCode
}
