package group

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// shell is a coordinator's shell over a log in memory.
type shell struct {
	m      *Machine
	config Config
	now    time.Time
	img    *metadata.Image
	log    []logged
	fail   error // of the next appends

	ids     int
	token   machine.Token
	waiting map[machine.Token]string // who asked
	answer  func(who string, r machine.Reply, err error)
	wrote   func(r machine.Record, producer machine.Producer)
}

// logged is a record or a marker in the log.
type logged struct {
	offset    model.Offset
	producer  machine.Producer
	record    machine.Record
	marker    bool
	committed bool
}

var epoch = time.UnixMilli(1_000_000_000_000)

func newShell() *shell {
	s := &shell{
		config: Config{
			MaxMetadata: 20, Retention: time.Hour, CheckInterval: 10 * time.Minute,
			Classic: ClassicConfig{MaxSize: 1000, InitialDelay: 3 * time.Second},
			Consumer: consumer.Config{
				SessionTimeout:    consumer.Limits{Default: 45 * time.Second, Min: time.Second, Max: time.Minute},
				HeartbeatInterval: consumer.Limits{Default: 5 * time.Second, Min: time.Second, Max: time.Minute},
				MaxSize:           1000, Assignors: []string{"uniform", "range"}, Migration: consumer.ParsePolicy("bidirectional"),
				RegexRefresh: 10 * time.Minute, ClassicMaxSize: 1000,
			},
		},
		now: epoch, img: metadata.Empty, waiting: map[machine.Token]string{},
		answer: func(string, machine.Reply, error) {}, wrote: func(machine.Record, machine.Producer) {},
	}
	s.m = s.fresh()
	return s
}

func (s *shell) fresh() *Machine {
	return New(Options{Config: &s.config, NewID: func() string { s.ids++; return fmt.Sprintf("id%d", s.ids) }})
}

func (s *shell) start() { s.carryOut(s.m.Start(s.now, s.img)) }

// failover is another broker, or this one again, that takes the partition over.
func (s *shell) failover() {
	s.m = s.fresh()
	clear(s.waiting)
	fold(s.m, s.log)
	s.start()
}

func fold(m *Machine, log []logged) {
	for _, l := range log {
		if l.marker {
			m.FoldMarker(l.producer, l.committed)
		} else if err := m.Fold(machine.Origin{Offset: l.offset, Timestamp: epoch, Producer: l.producer}, l.record); err != nil {
			panic(err)
		}
	}
}

func (s *shell) ask(who string, r Request) {
	s.token++
	s.waiting[s.token] = who
	s.carryOut(s.m.Handle(s.now, s.token, r))
}

// pass lets the time pass, with all that becomes due meanwhile.
func (s *shell) pass(d time.Duration) {
	until := s.now.Add(d)
	for due := s.m.Due(); !due.IsZero() && !due.After(until); due = s.m.Due() {
		s.now = later(s.now, due)
		s.carryOut(s.m.Tick(s.now))
	}
	s.now = until
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *shell) publish(img *metadata.Image) {
	s.img = img
	s.carryOut(s.m.Update(s.now, img))
}

var noProducer = machine.Producer{ID: -1, Epoch: -1}

func (s *shell) carryOut(e machine.Effects) {
	for s.fail != nil && len(e.Records) > 0 {
		for _, r := range e.Replies {
			s.reply(r, s.fail)
		}
		e = s.m.Refused(s.now, e, machine.Refusal(s.fail))
	}
	producer := noProducer
	if e.Transaction != nil {
		producer = *e.Transaction
	}
	for _, r := range e.Records {
		s.write(logged{producer: producer, record: r})
		s.wrote(r, producer)
	}
	for _, r := range e.Replies {
		s.reply(r, nil)
	}
}

func (s *shell) write(l logged) {
	l.offset = model.Offset(0)
	if n := len(s.log); n > 0 {
		l.offset = s.log[n-1].offset + 1
	}
	s.log = append(s.log, l)
	fold(s.m, s.log[len(s.log)-1:])
}

func (s *shell) mark(p machine.Producer, committed bool) {
	s.write(logged{producer: p, marker: true, committed: committed})
}

func (s *shell) reply(r machine.Reply, err error) {
	who, ok := s.waiting[r.Token]
	if !ok {
		panic(fmt.Sprintf("a reply to %d, whom nobody waits for: %+v", r.Token, r.Response))
	}
	delete(s.waiting, r.Token)
	s.answer(who, r, err)
}

// compacted is the log as compaction leaves it: below the first record of an open
// transaction, of each key the last record that was not aborted, and no tombstone.
func compacted(log []logged) []logged {
	end := map[machine.Producer]logged{} // the next marker of a producer
	aborted := make([]bool, len(log))
	stable := len(log)
	for i, l := range slices.Backward(log) {
		if l.marker {
			end[l.producer] = l
		} else if l.producer.ID >= 0 {
			m, ended := end[l.producer]
			aborted[i] = ended && !m.committed
			if !ended {
				stable = i
			}
		}
	}
	last := map[string]int{}
	for i, l := range log[:stable] {
		if !l.marker && !aborted[i] {
			last[string(l.record.Key)] = i
		}
	}
	var out []logged
	for i, l := range log[:stable] {
		if l.marker || last[string(l.record.Key)] == i && l.record.Value != nil {
			out = append(out, l)
		}
	}
	return append(out, log[stable:]...)
}

// lasting is what a machine knows of the log, as text.
func lasting(m *Machine) string {
	var out strings.Builder
	for _, id := range m.ids() {
		g := m.groups[id]
		if !g.kind.lasting() && g.offsets.empty() {
			continue
		}
		fmt.Fprintf(&out, "group %s %s", id, g.kind.typeName())
		if c, ok := g.kind.(*classic); ok {
			fmt.Fprintf(&out, " written at %d", c.written)
		}
		if k, ok := g.kind.(*consumers); ok {
			out.WriteString(consumersText(k))
		}
		out.WriteByte('\n')
		for topic, c := range g.offsets.all() {
			fmt.Fprintf(&out, "  %s-%d: %s\n", topic, c.partition, c)
		}
		for _, s := range g.offsets.openSpots() {
			fmt.Fprintf(&out, "  %s-%d held by %d\n", s.topic, s.partition, slices.Sorted(slices.Values(g.offsets.open[s])))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(m.pending)) {
		held := m.pending[p]
		for _, at := range slices.SortedFunc(maps.Keys(held), func(a, b place) int {
			return cmp.Or(strings.Compare(a.group, b.group), strings.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
		}) {
			c := held[at]
			fmt.Fprintf(&out, "producer %d: %s %s-%d: %s\n", p, at.group, at.topic, at.partition, &c)
		}
	}
	return out.String()
}

func (c *commit) String() string {
	s := fmt.Sprintf("%d epoch=%d at=%d record=%d", c.offset, c.epoch, c.at-epoch.UnixMilli(), c.record)
	if c.metadata() != "" {
		s += fmt.Sprintf(" metadata=%q", c.metadata())
	}
	if c.expires() != -1 {
		s += fmt.Sprintf(" expires=%d", c.expires()-epoch.UnixMilli())
	}
	return s
}

// check compares the machine with a replay of the log, and of what compaction
// would leave of it.
func (s *shell) check() error {
	live := lasting(s.m)
	for what, log := range map[string][]logged{"log": s.log, "compacted log": compacted(s.log)} {
		replayed := s.fresh()
		fold(replayed, log)
		if got := lasting(replayed); got != live {
			return fmt.Errorf("replaying the %s gives\n%swhere the machine has\n%s", what, got, live)
		}
		if err := settledAlike(s.m, replayed); err != nil {
			return fmt.Errorf("replaying the %s: %w", what, err)
		}
	}
	return nil
}

// settledAlike: a classic group that is stable is as the log says.
func settledAlike(live, replayed *Machine) error {
	for _, id := range live.ids() {
		c := live.classic(id)
		if c == nil || c.state != stable {
			continue
		}
		o := replayed.classic(id)
		if o == nil || o.state != stable {
			return fmt.Errorf("group %s is stable here and not there", id)
		}
		var a, b wire.DescribeGroupsResponseGroup
		c.describe(&a)
		o.describe(&b)
		if x, y := fmt.Sprintf("%d %s %+v", c.generation, c.leader, described(&a)), fmt.Sprintf("%d %s %+v", o.generation, o.leader, described(&b)); x != y {
			return fmt.Errorf("group %s is\n%s\nwhere the machine has\n%s", id, y, x)
		}
	}
	return nil
}

func described(d *wire.DescribeGroupsResponseGroup) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s %s", d.GroupState, d.ProtocolType, d.ProtocolData)
	for i := range d.Members {
		m := &d.Members[i]
		fmt.Fprintf(&out, " [%s %s %s%s %q %q]", m.MemberID, text(m.GroupInstanceID), m.ClientID, m.ClientHost, m.MemberMetadata, m.MemberAssignment)
	}
	return out.String()
}

// code is the name of an error code, empty for none.
func code(c int16) string {
	if c == 0 {
		return ""
	}
	var e *kerr.Error
	if errors.As(kerr.FromCode(c), &e) {
		return " " + e.Name
	}
	return fmt.Sprintf(" %d", c)
}
