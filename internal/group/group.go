// Package group is the group coordinator: the groups and committed offsets whose
// records are in one partition of __consumer_offsets. It is pure.
//
// A Machine holds groups of several kinds by their ids. A group has committed
// offsets and, by its kind, members: a classic group (JoinGroup and SyncGroup,
// KIP-345, KIP-394, KIP-429, KIP-559, KIP-800, KIP-814), a consumer group (KIP-848,
// package consumer), or none at all, which Kafka calls a simple group and takes for
// an empty classic one.
//
// What is lasting is the fold of the records. A classic group has more than
// that: who has joined a rebalance that is not over, whom it waits for and until
// when. That goes with the leadership, and the clients begin again from the last
// generation that was written, as in Kafka.
package group

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// Config is what the broker's configuration says. It is read at each use, so
// that it can be changed between two calls.
type Config struct {
	MaxMetadata   int           // offset.metadata.max.bytes
	Retention     time.Duration // offsets.retention.minutes
	CheckInterval time.Duration // offsets.retention.check.interval.ms
	Classic       ClassicConfig
	Consumer      consumer.Config
}

// ClassicConfig is the part of Config for classic groups.
type ClassicConfig struct {
	MaxSize      int           // group.max.size
	InitialDelay time.Duration // group.initial.rebalance.delay.ms
}

// Options is what a Machine is made with.
type Options struct {
	Config *Config
	NewID  func() string // a fresh random UUID, as Java writes it: 36 characters
	// Authorizer says which topics a regular expression may show to whoever subscribes
	// by it. nil allows all.
	Authorizer auth.Authorizer
}

// Machine coordinates the groups of one partition. It implements machine.Machine.
type Machine struct {
	config *Config
	newID  func() string
	rights auth.Authorizer

	groups  map[string]*group
	pending map[model.ProducerID]map[place]commit // offsets of open transactions
	folded  model.Offset                          // of the last record folded
	reading reading

	// Only while serving.
	serving bool
	img     *metadata.Image
	alarms  alarms
	sweeps  []*sweep
	parked  []*sweep // wait for sweepAgain
	topics  *consumer.Topics

	// Only inside one call and the folds that follow from it. undo is what Refused takes
	// back besides; making is a consumer group that its records are about to make.
	now    time.Time
	out    machine.Effects
	undo   undo
	making *consumers
}

// New is a machine that has folded nothing.
func New(o Options) *Machine {
	return &Machine{
		config:  o.Config,
		newID:   o.NewID,
		rights:  cmp.Or(o.Authorizer, auth.Authorizer(auth.AllowAll{})),
		groups:  map[string]*group{},
		pending: map[model.ProducerID]map[place]commit{},
		folded:  -1,
		alarms:  newAlarms(),
	}
}

// group is one group of the partition.
type group struct {
	id      string
	offsets offsets
	kind    kind
}

// A kind is what sets the groups of one protocol apart from others. There is
// always one: a group without members' protocol is a classic one that is simple.
// None of its methods changes a record's meaning; they are asked with the group
// as the log has made it.
type kind interface {
	typeName() string     // as ListGroups says it
	protocolType() string // empty when there is none
	stateName() string    // as ListGroups and DescribeGroups say it
	isEmpty() bool        // of members
	// lasting reports whether records, and not just offsets, made the group.
	lasting() bool
	// mayCommit judges a commit as a whole. The function it returns, which may be
	// nil, judges each partition.
	mayCommit(c committer) (func(topic string, id model.TopicID, partition int32) error, error)
	mayFetch(member *string, epoch int32) error
	mayDelete() error
	mayDeleteOffsets() error
	// subscribed reports whether a member, or somebody unknown, reads the topic.
	subscribed(topic string) bool
	// retained is since when the retention of an offset counts that was committed
	// at the given time; false when it does not count at present.
	retained(committed int64) (since int64, ok bool)
	// tombstones are what deletes the group from the log, without its offsets.
	tombstones() []machine.Record
	// serve begins service: sessions start anew.
	serve(m *Machine)
	// gone ends it: the group is no more, or of another kind from now on.
	gone(m *Machine)
}

// Start implements machine.Machine.
func (m *Machine) Start(now time.Time, img *metadata.Image) machine.Effects {
	m.enter(now)
	m.serving, m.img, m.topics = true, img, consumer.NewTopics(img)
	for _, id := range m.ids() {
		g := m.groups[id]
		if m.dropHusk(g) {
			continue
		}
		g.kind.serve(m)
	}
	m.alarms.set(alarm{what: checkExpiry}, now.Add(m.config.CheckInterval))
	m.sweepDeletedBefore()
	return m.leave()
}

// Handle implements machine.Machine. The request is a Request.
func (m *Machine) Handle(now time.Time, t machine.Token, request any) machine.Effects {
	m.enter(now)
	r := request.(Request)
	m.dispatch(t, &r)
	return m.leave()
}

// Update implements machine.Machine.
func (m *Machine) Update(now time.Time, img *metadata.Image) machine.Effects {
	m.enter(now)
	old := m.img
	m.img = img
	m.topicsChanged(old)
	m.sweepDeleted(old)
	return m.leave()
}

// Due implements machine.Machine.
func (m *Machine) Due() time.Time {
	if len(m.sweeps) > 0 {
		return m.now
	}
	return m.alarms.due()
}

// Tick implements machine.Machine: one alarm, or one part of a sweep, as each
// may have records of its own that are appended or refused by themselves.
func (m *Machine) Tick(now time.Time) machine.Effects {
	m.enter(now)
	if a, ok := m.alarms.ring(now); ok {
		m.rang(a)
	} else if len(m.sweeps) > 0 {
		m.sweep()
	}
	return m.leave()
}

// Refused implements machine.Machine.
func (m *Machine) Refused(now time.Time, _ machine.Effects, err error) machine.Effects {
	undo := m.undo
	m.enter(now)
	if undo != nil {
		var refusal *kerr.Error
		if !errors.As(err, &refusal) {
			refusal = kerr.UnknownServerError
		}
		undo.refused(m, refusal)
	}
	return m.leave()
}

// An undo is what a call has changed that is not in its records, and so is to be
// taken back by hand when they are refused. Most calls change nothing else.
type undo interface {
	refused(m *Machine, err *kerr.Error)
}

func (m *Machine) enter(now time.Time) {
	m.now, m.out, m.undo, m.making = now, machine.Effects{}, nil, nil
}

func (m *Machine) leave() machine.Effects {
	out := m.out
	m.out = machine.Effects{}
	return out
}

// reply answers once all that is known here is committed.
func (m *Machine) reply(t machine.Token, response any) {
	if t != 0 {
		m.out.Replies = append(m.out.Replies, machine.Reply{Token: t, Response: response})
	}
}

// replyNow answers at once: the response tells nothing that could be taken back.
func (m *Machine) replyNow(t machine.Token, response any) {
	if t != 0 {
		m.out.Replies = append(m.out.Replies, machine.Reply{Token: t, Response: response, Early: true})
	}
}

// append adds records to those of this call.
func (m *Machine) append(records ...machine.Record) {
	m.out.Records = append(m.out.Records, records...)
}

func (m *Machine) millis() int64 { return m.now.UnixMilli() }

// ids are the ids of all groups, sorted: nothing follows the order of a map.
func (m *Machine) ids() []string { return slices.Sorted(maps.Keys(m.groups)) }

// group is the group of an id, a simple one when there was none.
func (m *Machine) group(id string) *group {
	g := m.groups[id]
	if g == nil {
		g = &group{id: id}
		g.kind = newClassic(g)
		m.groups[id] = g
	}
	return g
}

// become changes the kind of a group, at the fold of a record that does so.
func (m *Machine) become(g *group, k kind) {
	if m.serving {
		g.kind.gone(m)
	}
	g.kind = k
	if m.serving {
		k.serve(m)
	}
}

// dropHusk forgets a group that nothing in the log stands for. Such a group has
// lost its last offset and was never more than its offsets; a replay of the
// compacted log does not know it. It is kept while it is served, as in Kafka,
// where it is a group that is empty.
func (m *Machine) dropHusk(g *group) bool {
	if g.kind.lasting() || !g.offsets.empty() {
		return false
	}
	delete(m.groups, g.id)
	return true
}

// text is the string, empty for null.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

var _ machine.Machine = (*Machine)(nil)
