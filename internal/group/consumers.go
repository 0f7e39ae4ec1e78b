package group

import (
	"time"

	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// consumers is a consumer group of KIP-848 among the groups of the machine. It
// implements kind.
type consumers struct {
	id string
	*consumer.Group
}

func newConsumers(id string) *consumers { return &consumers{id: id, Group: consumer.New(id)} }

func (k *consumers) typeName() string             { return "consumer" }
func (k *consumers) protocolType() string         { return consumerProtocol }
func (k *consumers) stateName() string            { return k.StateName() }
func (k *consumers) isEmpty() bool                { return k.Empty() }
func (k *consumers) lasting() bool                { return !k.Gone() }
func (k *consumers) mayDeleteOffsets() error      { return nil }
func (k *consumers) subscribed(topic string) bool { return k.Subscribes(topic) }
func (k *consumers) tombstones() []machine.Record { return k.Tombstones() }

func (k *consumers) retained(committed int64) (int64, bool) { return committed, true }

func (k *consumers) mayCommit(by committer) (func(string, model.TopicID, int32) error, error) {
	return k.MayCommit(consumer.Committer{
		MemberID: by.member, InstanceID: by.instance, Epoch: by.generation, Transactional: by.transactional, Version: by.version,
	})
}

func (k *consumers) mayFetch(member *string, epoch int32) error { return k.MayFetch(member, epoch) }

func (k *consumers) mayDelete() error {
	if !k.Empty() {
		return kerr.NonEmptyGroup
	}
	return nil
}

func (k *consumers) serve(m *Machine) { k.Serve(m.callOf(k.id)) }
func (k *consumers) gone(m *Machine)  { k.Stop(groupAlarms{m, k.id}) }

// consumers is the consumer group of an id, nil when there is none.
func (m *Machine) consumers(id string) *consumers {
	if g := m.groups[id]; g != nil {
		k, _ := g.kind.(*consumers)
		return k
	}
	return nil
}

// callOf is what a decision about a consumer group works with.
func (m *Machine) callOf(id string) *consumer.Call {
	return &consumer.Call{
		Now: m.now, Config: &m.config.Consumer, Topics: m.topics, Alarms: groupAlarms{m, id}, Authorizer: m.rights, NewID: m.newID,
	}
}

// done takes over what a decision leads to. A group that becomes classic rebalances
// once its records are folded.
func (m *Machine) done(id string, c *consumer.Call) {
	m.append(c.Records...)
	if c.Rebalance {
		m.alarms.set(alarm{what: classicMade, group: id}, m.now)
	}
}

// rangMade begins the first rebalance of a group that has become classic.
func (m *Machine) rangMade(a alarm) {
	if c := m.classic(a.group); c != nil && c.state == stable {
		c.prepare(m)
	}
}

func (m *Machine) rangConsumer(a alarm) {
	k := m.consumers(a.group)
	if k == nil {
		return
	}
	c := m.callOf(a.group)
	k.Ring(c, consumer.Alarm(a.what-consumerAlarm), a.member)
	m.done(a.group, c)
}

// groupAlarms are the alarms of one consumer group.
type groupAlarms struct {
	m  *Machine
	id string
}

func (a groupAlarms) name(kind consumer.Alarm, member string) alarm {
	return alarm{what: consumerAlarm + alarmKind(kind), group: a.id, member: member}
}

// Set implements consumer.Alarms.
func (a groupAlarms) Set(kind consumer.Alarm, member string, at time.Time) {
	a.m.alarms.set(a.name(kind, member), at)
}

// SetIfAbsent implements consumer.Alarms.
func (a groupAlarms) SetIfAbsent(kind consumer.Alarm, member string, at time.Time) {
	if !a.m.alarms.isSet(a.name(kind, member)) {
		a.Set(kind, member, at)
	}
}

// Cancel implements consumer.Alarms.
func (a groupAlarms) Cancel(kind consumer.Alarm, member string) {
	a.m.alarms.cancel(a.name(kind, member))
}

// foldConsumer takes in a record of a consumer group; v is nil for a tombstone.
func (m *Machine) foldConsumer(id string, key, v wire.Message) {
	g := m.groups[id]
	k := m.consumers(id)
	if k == nil {
		if v == nil {
			return
		}
		g, k = m.group(id), newConsumers(id)
		if m.making != nil && m.making.id == id {
			k.Inherit(m.making.Group)
		}
		m.become(g, k)
	}
	if member := k.Fold(key, v); member != "" && m.serving {
		k.Arm(m.callOf(id), member)
	}
	if k.Gone() {
		m.become(g, newClassic(g))
		m.dropHusk(g)
	}
}

// topicsChanged shows consumer groups what has become of their topics.
func (m *Machine) topicsChanged(old *metadata.Image) {
	regexes := false
	for _, g := range m.groups {
		if k, ok := g.kind.(*consumers); ok {
			regexes = regexes || k.UsesRegex()
		}
	}
	m.topics.Update(m.img, regexes)
	changed := m.topics.Changed(old)
	for _, g := range m.groups {
		if k, ok := g.kind.(*consumers); ok {
			k.TopicsChanged(changed)
		}
	}
}

// consumerHeartbeat is ConsumerGroupHeartbeat.
func (m *Machine) consumerHeartbeat(t machine.Token, r *Request, q *wire.ConsumerGroupHeartbeatRequest) {
	response, err := m.heartbeatConsumer(r, q)
	if err != nil {
		m.replyNow(t, ConsumerHeartbeatRefused(err))
		return
	}
	m.reply(t, response)
}

// ConsumerHeartbeatRefused answers a ConsumerGroupHeartbeat with an error.
func ConsumerHeartbeatRefused(err error) *wire.ConsumerGroupHeartbeatResponse {
	return &wire.ConsumerGroupHeartbeatResponse{ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
}

func (m *Machine) heartbeatConsumer(r *Request, q *wire.ConsumerGroupHeartbeatRequest) (*wire.ConsumerGroupHeartbeatResponse, error) {
	if !writable(q.GroupID, q.MemberID, r.ClientID, text(q.InstanceID), text(q.RackID), text(q.SubscribedTopicRegex)) || !writable(q.SubscribedTopicNames...) {
		return nil, kerr.InvalidRequest.With("A string of the request is too long.")
	}
	c := m.callOf(q.GroupID)
	k, old, err := m.consumersFor(c, q)
	if err != nil {
		return nil, err
	}
	response, err := k.Heartbeat(c, clientOf(r), q)
	if err != nil {
		return nil, err
	}
	if old != nil {
		old.abandon(m)
	}
	m.making = &consumers{q.GroupID, k}
	m.done(q.GroupID, c)
	return response, nil
}

func clientOf(r *Request) consumer.Client {
	return consumer.Client{ID: r.ClientID, Host: r.ClientHost, Address: r.Address, Principal: r.Principal}
}

// consumersFor is the group that a heartbeat is for. One who joins makes a new group,
// or a consumer group of a classic one, which is old then.
func (m *Machine) consumersFor(c *consumer.Call, q *wire.ConsumerGroupHeartbeatRequest) (k *consumer.Group, old *classic, err error) {
	joins := q.MemberEpoch == 0
	g := m.groups[q.GroupID]
	switch {
	case g == nil && joins:
		return consumer.New(q.GroupID), nil, nil
	case g == nil && q.MemberEpoch < 0:
		return nil, nil, notFound(q.GroupID)
	case g == nil:
		return nil, nil, kerr.GroupIDNotFound.With("Consumer group %s not found.", q.GroupID)
	}
	switch kind := g.kind.(type) {
	case *consumers:
		return kind.Group, nil, nil
	case *classic:
		if joins {
			k, err := kind.upgrade(m, c)
			return k, kind, err
		}
	}
	return nil, nil, kerr.GroupIDNotFound.With("Group %s is not a consumer group.", q.GroupID)
}

// upgrade makes a consumer group of a classic one.
func (c *classic) upgrade(m *Machine, call *consumer.Call) (*consumer.Group, error) {
	if c.lasting() {
		call.Records = append(call.Records, c.tombstones()...)
	}
	if c.state == empty {
		return consumer.New(c.id), nil
	}
	old := &consumer.Classic{Generation: c.generation, ProtocolType: c.protocol}
	protocol := text(c.name)
	if c.name == nil { // the first generation has not begun
		protocol = c.members.elect()
	}
	for _, member := range c.members.all() {
		was := consumer.ClassicMember{
			ID: member.id, InstanceID: member.instance, ClientID: member.clientID, ClientHost: member.clientHost,
			RebalanceTimeoutMS: int32(member.rebalanceTimeout.Milliseconds()), SessionTimeoutMS: int32(member.sessionTimeout.Milliseconds()),
			Subscription: member.metadata(protocol), Assignment: member.assignment,
		}
		for _, p := range member.protocols {
			was.Protocols = append(was.Protocols, wire.ConsumerGroupMemberMetadataValueProtocol{Name: p.name, Metadata: p.metadata})
		}
		old.Members = append(old.Members, was)
	}
	return consumer.Upgrade(call, c.id, old)
}

// abandon sends everybody away who waits for a rebalance: it goes on differently.
func (c *classic) abandon(m *Machine) {
	for _, member := range c.members.all() {
		if member.joining != 0 {
			c.answerJoin(m, member, JoinRefused(member.id, kerr.RebalanceInProgress))
		}
		if member.syncing != 0 {
			c.answerSync(m, member, syncRefused(kerr.RebalanceInProgress))
		}
	}
}

// describeConsumers is ConsumerGroupDescribe.
func (m *Machine) describeConsumers(t machine.Token, q *wire.ConsumerGroupDescribeRequest) {
	out := &wire.ConsumerGroupDescribeResponse{Groups: []wire.ConsumerGroupDescribeResponseGroup{}}
	for _, id := range q.GroupIDs {
		if k := m.consumers(id); k != nil {
			out.Groups = append(out.Groups, k.Describe(m.callOf(id)))
			continue
		}
		err := notFound(id)
		if m.groups[id] != nil {
			err = kerr.GroupIDNotFound.With("Group %s is not a consumer group.", id)
		}
		out.Groups = append(out.Groups, ConsumerGroupNotDescribed(id, err))
	}
	m.reply(t, out)
}

// ConsumerGroupNotDescribed is an error in the place of a group.
func ConsumerGroupNotDescribed(id string, err error) wire.ConsumerGroupDescribeResponseGroup {
	var d wire.ConsumerGroupDescribeResponseGroup
	d.Reset()
	d.GroupID, d.ErrorCode, d.ErrorMessage = id, kerr.Code(err), kerr.Message(err)
	return d
}
