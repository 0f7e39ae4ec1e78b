package group

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// TestSimulation has random clients use a coordinator whose appends fail, which
// is lost and taken over, while topics come and go. SEED repeats one run, RUNS
// says how many there are. Checked are
//
//   - after each command, that the machine is what a replay of the log, and of the
//     compacted log, makes of another;
//   - that no token is answered twice, or by a coordinator that is gone;
//   - that what a member hears is of a generation that never goes back while the
//     coordinator stays, and that everybody of a generation hears of the same
//     leader, protocol and assignment;
//   - that a commit which was acknowledged is there until something that takes it
//     away has happened;
//   - in the end, that everybody who waits is answered once time has passed.
func TestSimulation(t *testing.T) {
	runs := uint64(30)
	if n, err := strconv.ParseUint(os.Getenv("RUNS"), 10, 64); err == nil {
		runs = n
	}
	seeds := make([]uint64, runs)
	for i := range seeds {
		seeds[i] = uint64(i)
	}
	if s, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seeds = []uint64{s}
	}
	var all tally
	for _, seed := range seeds {
		s := newSimulation(seed)
		if err := s.run(300); err != nil {
			for _, line := range s.history {
				t.Log(line)
			}
			t.Fatalf("seed %d: %v", seed, err)
		}
		all.add(s.tally)
	}
	t.Logf("%+v", all)
	if all.assigned == 0 || all.refused == 0 || all.failovers == 0 || all.replaced == 0 || all.swept == 0 || all.unstable == 0 || all.dropped == 0 ||
		all.beats == 0 || all.converted == 0 {
		t.Errorf("not everything has happened: %+v", all)
	}
}

// tally counts what has happened, to show that it does.
type tally struct{ beats, converted, joined, assigned, refused, failovers, replaced, swept, unstable, fenced, dropped int }

func (t *tally) add(o tally) {
	t.beats += o.beats
	t.converted += o.converted
	t.joined += o.joined
	t.assigned += o.assigned
	t.refused += o.refused
	t.failovers += o.failovers
	t.replaced += o.replaced
	t.swept += o.swept
	t.unstable += o.unstable
	t.fenced += o.fenced
	t.dropped += o.dropped
}

// client is a consumer that follows the protocol, more or less.
type client struct {
	name       string
	group      string
	instance   *string
	member     string
	generation int32
	protocol   *string
	leader     bool
	others     []string // members of the generation, if it leads
	waits      machine.Token
	topics     []string

	modern bool // speaks the consumer protocol (KIP-848); generation is its epoch
	owned  []wire.ConsumerGroupHeartbeatTopicPartitions
}

// generation is what all members of one must agree on.
type generation struct {
	leader, protocol string
	assignments      map[string]string
}

type simulation struct {
	*shell
	rng     *rand.Rand
	tally   tally
	history []string
	clients []*client
	err     error

	handlers    map[machine.Token]func(response any, err error)
	generations map[string]*generation // by group and number, since the last failover
	newest      map[string]int32
	committed   map[place]int64 // what must be there
	held        map[model.ProducerID]map[place]int64
	unsure      map[place]bool // what need not be: something may have taken it away
	topicIDs    int
	kinds       map[string]string // of the groups that have members
}

func newSimulation(seed uint64) *simulation {
	s := &simulation{
		shell: newShell(), rng: rand.New(rand.NewPCG(seed, 11)), handlers: map[machine.Token]func(any, error){},
		generations: map[string]*generation{}, newest: map[string]int32{},
		committed: map[place]int64{}, held: map[model.ProducerID]map[place]int64{}, unsure: map[place]bool{},
		kinds: map[string]string{},
	}
	s.config.Classic.InitialDelay = time.Duration(s.rng.IntN(3)) * time.Second
	if s.rng.IntN(3) == 0 {
		s.config.Classic.MaxSize = 2
	}
	s.answer = s.answered
	s.wrote = func(r machine.Record, _ machine.Producer) {
		if r.Value == nil {
			s.tally.swept++
		}
		s.kindChanged(r)
	}
	for i := range 6 {
		c := &client{name: fmt.Sprintf("client%d", i), group: fmt.Sprintf("g%d", s.rng.IntN(2))}
		if s.rng.IntN(3) == 0 {
			instance := fmt.Sprintf("i%d", s.rng.IntN(3))
			c.instance = &instance
		}
		c.modern = seed%2 == 1 && s.rng.IntN(3) == 0
		s.clients = append(s.clients, c)
	}
	s.img = s.image("t0", "t1", "t2")
	return s
}

// kindChanged: a group that is deleted, or goes over to another protocol, counts
// its generations anew.
func (s *simulation) kindChanged(r machine.Record) {
	kind, b, err := wire.CutNumber(r.Key)
	if err != nil || r.Value != nil || kind != wire.GroupMetadataRecord && kind != wire.ConsumerGroupMetadataRecord {
		return
	}
	known := wire.GroupRecords[kind]
	k := known.Key()
	if wire.Decode(b, 0, k) != nil {
		return
	}
	group := ""
	switch k := k.(type) {
	case *wire.GroupMetadataKey:
		group = k.Group
	case *wire.ConsumerGroupMetadataKey:
		group = k.GroupID
	}
	delete(s.newest, group)
	maps.DeleteFunc(s.generations, func(g string, _ *generation) bool { return strings.HasPrefix(g, group+" ") })
}

func (s *simulation) note(format string, args ...any) {
	s.history = append(s.history, fmt.Sprintf("%8v ", s.now.Sub(epoch))+fmt.Sprintf(format, args...))
}

func (s *simulation) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *simulation) image(names ...string) *metadata.Image {
	d := metadata.NewDraft(metadata.Empty)
	for _, name := range names {
		id := model.TopicID{15: 200}
		if old := s.img.Topic(name); old != nil {
			id = old.ID
		} else {
			s.topicIDs++
			id[14] = byte(s.topicIDs)
		}
		records := []wire.Record{&wire.TopicRecord{Name: name, TopicID: model.UUID(id)}}
		for p := range int32(3) {
			r := &wire.PartitionRecord{}
			r.Reset()
			r.PartitionID, r.TopicID, r.Leader, r.Replicas, r.ISR, r.Directories = p, model.UUID(id), 1, []int32{1}, []int32{1}, make([]model.UUID, 1)
			records = append(records, r)
		}
		for _, r := range records {
			if err := d.Apply(r, 0); err != nil {
				panic(err)
			}
		}
	}
	img, _ := d.Image(0, 0)
	return img
}

func (s *simulation) run(steps int) error {
	s.start()
	for range steps {
		s.step()
		s.countConversions()
		if err := s.check(); s.err == nil && err != nil {
			s.err = err
		}
		if s.err != nil {
			return s.err
		}
	}
	s.finish()
	return s.err
}

// countConversions counts groups that have gone over to another protocol with
// members in them.
func (s *simulation) countConversions() {
	for id, g := range s.m.groups {
		if name := g.kind.typeName(); !g.kind.isEmpty() && s.kinds[id] != name {
			if s.kinds[id] != "" {
				s.tally.converted++
			}
			s.kinds[id] = name
		} else if g.kind.isEmpty() {
			delete(s.kinds, id)
		}
	}
}

// finish ends a run: appends work, time passes, and nobody waits for ever.
func (s *simulation) finish() {
	s.shell.fail = nil
	s.pass(2 * time.Hour)
	if len(s.handlers) > 0 {
		s.fail("%d requests are never answered", len(s.handlers))
	}
	if err := s.check(); err != nil {
		s.fail("in the end: %v", err)
	}
}

func (s *simulation) step() {
	switch n := s.rng.IntN(100); {
	case n < 50:
		s.act(s.clients[s.rng.IntN(len(s.clients))])
	case n < 62:
		d := time.Duration(s.rng.IntN(3000)) * time.Millisecond
		if s.rng.IntN(20) == 0 {
			d = time.Duration(s.rng.IntN(100)) * time.Minute
		}
		s.note("pass %v", d)
		s.maybeExpired()
		s.pass(d)
	case n < 65:
		s.shell.fail = nil
		if s.rng.IntN(2) == 0 {
			s.shell.fail = []error{kerr.NotEnoughReplicas, kerr.KafkaStorageError, kerr.MessageTooLarge}[s.rng.IntN(3)]
			s.tally.refused++
		}
		s.note("appends fail: %v", s.shell.fail)
	case n < 67:
		s.lose()
	case n < 70:
		s.change()
	case n < 80:
		s.simple()
	case n < 90:
		s.transact()
	default:
		s.look()
	}
}

// lose moves the coordinator. Who waits hears of it in another way.
func (s *simulation) lose() {
	s.note("failover")
	s.tally.failovers++
	clear(s.handlers)
	clear(s.generations)
	clear(s.newest)
	for _, c := range s.clients {
		c.waits = 0
	}
	s.failover()
}

// change deletes a topic or creates it again.
func (s *simulation) change() {
	var names []string
	for t := range s.img.Topics() {
		names = append(names, t.Name)
	}
	name := fmt.Sprintf("t%d", s.rng.IntN(3))
	if i := slices.Index(names, name); i >= 0 {
		names = slices.Delete(names, i, i+1)
		for at := range s.committed {
			s.unsure[at] = s.unsure[at] || at.topic == name
		}
		for _, held := range s.held {
			for at := range held {
				s.unsure[at] = s.unsure[at] || at.topic == name
			}
		}
		s.tally.dropped++
	} else {
		names = append(names, name)
	}
	s.note("topics are %v", names)
	s.publish(s.image(names...))
}

// send asks the machine; then is called with the answer.
func (s *simulation) send(body any, version int16, who string, then func(response any, err error)) machine.Token {
	s.note("%s asks %T %s", who, body, brief(body))
	t := s.token + 1
	s.handlers[t] = then
	s.ask(strconv.FormatUint(uint64(t), 10), Request{Version: version, ClientID: who, ClientHost: "/h", Body: body})
	return t
}

func brief(body any) string {
	switch q := body.(type) {
	case *wire.JoinGroupRequest:
		return fmt.Sprintf("%s %q %s", q.GroupID, q.MemberID, text(q.GroupInstanceID))
	case *wire.SyncGroupRequest:
		return fmt.Sprintf("%s %q %d", q.GroupID, q.MemberID, q.GenerationID)
	}
	return fmt.Sprintf("%+v", body)
}

func (s *simulation) answered(who string, r machine.Reply, err error) {
	t, _ := strconv.ParseUint(who, 10, 64)
	then := s.handlers[machine.Token(t)]
	delete(s.handlers, machine.Token(t))
	s.note("answer to %s:%s %v", who, response(r.Response), err)
	if then == nil {
		s.fail("an answer to %s, who does not wait", who)
		return
	}
	if err != nil && !errors.Is(err, s.shell.fail) {
		s.fail("failed with %v", err)
	}
	then(r.Response, err)
}

// act does what a client does next, or something else.
func (s *simulation) act(c *client) {
	if c.waits != 0 && s.rng.IntN(20) > 0 {
		return
	}
	if c.modern {
		s.actModern(c)
		return
	}
	switch n := s.rng.IntN(20); {
	case n == 0: // it forgets everything: another process of that name
		c.member, c.generation = "", 0
		s.join(c)
	case n == 1 && c.member != "":
		s.leave(c)
	case c.generation == 0:
		s.join(c)
	case n < 4:
		s.join(c)
	case n < 10:
		s.sync(c)
	case n < 15:
		s.beat(c)
	default:
		s.commit(c.group, c.member, c.instance, c.generation)
	}
}

func (s *simulation) join(c *client) {
	c.topics = []string{fmt.Sprintf("t%d", s.rng.IntN(3))}
	q := &wire.JoinGroupRequest{
		GroupID: c.group, MemberID: c.member, GroupInstanceID: c.instance, ProtocolType: consumerProtocol,
		SessionTimeoutMS: 10_000, RebalanceTimeoutMS: int32(5_000 + s.rng.IntN(20_000)),
	}
	for _, p := range [][]string{{"range"}, {"range", "sticky"}, {"sticky", "range"}}[s.rng.IntN(3)] {
		q.Protocols = append(q.Protocols, wire.JoinGroupRequestProtocol{Name: p, Metadata: subscription(c.topics...)})
	}
	c.generation = 0
	version := int16(3 + s.rng.IntN(7))
	replaces := c.member == "" && c.instance != nil
	c.waits = s.send(q, version, c.name, func(response any, err error) {
		c.waits = 0
		if err == nil {
			s.joined(c, response.(*wire.JoinGroupResponse), replaces)
		}
	})
	if _, waits := s.handlers[c.waits]; !waits {
		c.waits = 0
	}
}

func (s *simulation) joined(c *client, r *wire.JoinGroupResponse, replaces bool) {
	switch r.ErrorCode {
	case 0:
	case kerr.MemberIDRequired.Code:
		c.member = r.MemberID
		return
	case kerr.FencedInstanceID.Code, kerr.UnknownMemberID.Code, kerr.GroupMaxSizeReached.Code:
		s.tally.fenced++
		c.member = ""
		return
	default:
		return
	}
	s.tally.joined++
	if replaces && len(r.Members) == 0 && r.Leader != r.MemberID {
		s.tally.replaced++
	}
	if r.GenerationID < s.newest[c.group] {
		s.fail("generation %d of %s after %d", r.GenerationID, c.group, s.newest[c.group])
	}
	s.newest[c.group] = r.GenerationID
	g := s.generation(c.group, r.GenerationID)
	if s.m.classic(c.group) == nil { // in a consumer group everybody is alone with the coordinator
		g = &generation{assignments: map[string]string{}}
	}
	if g.protocol == "" {
		g.protocol = *r.ProtocolName
	}
	if g.protocol != *r.ProtocolName {
		s.fail("two protocols in generation %d of %s: %s and %s", r.GenerationID, c.group, g.protocol, *r.ProtocolName)
	}
	c.member, c.generation, c.protocol = r.MemberID, r.GenerationID, r.ProtocolName
	c.leader, c.others = r.Leader == r.MemberID && !r.SkipAssignment, nil
	if c.leader {
		if g.leader != "" && g.leader != r.MemberID {
			s.fail("two leaders in generation %d of %s: %s and %s", r.GenerationID, c.group, g.leader, r.MemberID)
		}
		g.leader = r.MemberID
		for _, m := range r.Members {
			c.others = append(c.others, m.MemberID)
		}
	}
}

func (s *simulation) generation(group string, number int32) *generation {
	key := fmt.Sprintf("%s %d", group, number)
	if s.generations[key] == nil {
		s.generations[key] = &generation{assignments: map[string]string{}}
	}
	return s.generations[key]
}

func (s *simulation) sync(c *client) {
	q := &wire.SyncGroupRequest{GroupID: c.group, GenerationID: c.generation, MemberID: c.member, GroupInstanceID: c.instance, ProtocolName: c.protocol}
	if c.leader {
		for _, id := range c.others {
			q.Assignments = append(q.Assignments, wire.SyncGroupRequestAssignment{MemberID: id, Assignment: fmt.Appendf(nil, "%d of %s", c.generation, id)})
		}
	}
	member, generation := c.member, c.generation
	c.waits = s.send(q, 5, c.name, func(response any, err error) {
		c.waits = 0
		if err != nil {
			return
		}
		r := response.(*wire.SyncGroupResponse)
		if r.ErrorCode != 0 {
			c.generation = 0
			return
		}
		s.tally.assigned++
		g := s.generation(c.group, generation)
		if s.m.classic(c.group) == nil {
			return
		}
		if was, ok := g.assignments[member]; ok && was != string(r.Assignment) {
			s.fail("%s has been assigned %q and %q in generation %d", member, was, r.Assignment, generation)
		}
		g.assignments[member] = string(r.Assignment)
	})
	if _, waits := s.handlers[c.waits]; !waits {
		c.waits = 0
	}
}

func (s *simulation) beat(c *client) {
	q := &wire.HeartbeatRequest{GroupID: c.group, MemberID: c.member, GenerationID: c.generation, GroupInstanceID: c.instance}
	s.send(q, 4, c.name, func(response any, err error) {
		switch code := response.(*wire.HeartbeatResponse).ErrorCode; {
		case err != nil:
		case code == kerr.RebalanceInProgress.Code || code == kerr.IllegalGeneration.Code:
			c.generation = 0
		case code != 0:
			c.member, c.generation = "", 0
		}
	})
}

func (s *simulation) leave(c *client) {
	q := &wire.LeaveGroupRequest{GroupID: c.group, Members: []wire.LeaveGroupRequestMember{{MemberID: c.member, GroupInstanceID: c.instance}}}
	c.member, c.generation = "", 0
	s.send(q, 5, c.name, func(any, error) {})
}

// actModern is what a member of the consumer protocol does next.
func (s *simulation) actModern(c *client) {
	switch n := s.rng.IntN(10); {
	case n == 0 && c.generation > 0: // it leaves, for good or as a static member does
		c.generation = -1 - int32(s.rng.IntN(2))
		if c.instance == nil {
			c.generation = -1
		}
	case n < 3 && c.generation > 0:
		s.commit(c.group, c.member, c.instance, c.generation)
		return
	}
	q := &wire.ConsumerGroupHeartbeatRequest{GroupID: c.group, MemberID: c.member, MemberEpoch: c.generation, InstanceID: c.instance, RebalanceTimeoutMS: -1}
	if c.generation == 0 {
		if c.member == "" || s.rng.IntN(3) == 0 {
			s.ids++
			c.member = fmt.Sprintf("%s-modern%d", c.name, s.ids)
		}
		q.MemberID = c.member
		q.RebalanceTimeoutMS = 5000
		q.SubscribedTopicNames = []string{fmt.Sprintf("t%d", s.rng.IntN(3))}
		q.TopicPartitions, c.owned = []wire.ConsumerGroupHeartbeatTopicPartitions{}, nil
	} else if s.rng.IntN(2) == 0 && c.owned != nil {
		q.TopicPartitions = c.owned
	}
	s.send(q, 1, c.name, func(response any, err error) {
		if err != nil {
			return
		}
		r := response.(*wire.ConsumerGroupHeartbeatResponse)
		if r.ErrorCode != 0 || r.MemberEpoch < 0 {
			c.generation, c.owned = 0, nil
			return
		}
		s.tally.beats++
		c.generation = r.MemberEpoch
		if r.Assignment != nil {
			c.owned = r.Assignment.TopicPartitions
		}
	})
}

func (s *simulation) spot() (spot, *metadata.Topic) {
	at := spot{fmt.Sprintf("t%d", s.rng.IntN(3)), int32(s.rng.IntN(3))}
	return at, s.img.Topic(at.topic)
}

func (s *simulation) commit(group, member string, instance *string, generation int32) {
	at, topic := s.spot()
	if topic == nil {
		return // the handler refuses it
	}
	offset := s.rng.Int64N(1000)
	q := &wire.OffsetCommitRequest{GroupID: group, MemberID: member, GroupInstanceID: instance, GenerationIDOrMemberEpoch: generation, RetentionTimeMS: -1,
		Topics: []wire.OffsetCommitRequestTopic{{Name: at.topic, TopicID: model.UUID(topic.ID), Partitions: []wire.OffsetCommitRequestPartition{
			{PartitionIndex: at.partition, CommittedOffset: offset, CommittedLeaderEpoch: -1}}}}}
	s.send(q, 9, group, func(response any, err error) {
		if err == nil && response.(*wire.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode == 0 {
			s.committed[place{group, at}] = offset
			delete(s.unsure, place{group, at})
		}
	})
}

// simple uses groups as an administrator does.
func (s *simulation) simple() {
	group := []string{"g0", "g1", "simple"}[s.rng.IntN(3)]
	switch s.rng.IntN(6) {
	case 0:
		s.send(&wire.DeleteGroupsRequest{GroupsNames: []string{group}}, 2, "admin", func(response any, err error) {
			if err == nil && response.(*wire.DeleteGroupsResponse).Results[0].ErrorCode == 0 {
				s.forget(func(at place) bool { return at.group == group })
			}
		})
	case 1:
		at, _ := s.spot()
		q := &wire.OffsetDeleteRequest{GroupID: group, Topics: []wire.OffsetDeleteRequestTopic{{Name: at.topic, Partitions: []wire.OffsetDeleteRequestPartition{{PartitionIndex: at.partition}}}}}
		s.send(q, 0, "admin", func(response any, err error) {
			r := response.(*wire.OffsetDeleteResponse)
			if err == nil && r.ErrorCode == 0 && r.Topics[0].Partitions[0].ErrorCode == 0 {
				s.forget(func(p place) bool { return p == place{group, at} })
			}
		})
	default:
		s.commit(group, "", nil, -1)
	}
}

// forget: something has taken offsets away, out of transactions too.
func (s *simulation) forget(which func(place) bool) {
	for at := range s.committed {
		if which(at) {
			delete(s.committed, at)
		}
	}
	for _, held := range s.held {
		for at := range held {
			if which(at) {
				delete(held, at)
			}
		}
	}
}

func (s *simulation) transact() {
	p := machine.Producer{ID: model.ProducerID(1 + s.rng.IntN(3))}
	if s.rng.IntN(2) == 0 {
		committed := s.rng.IntN(3) > 0
		s.note("the transaction of %d ends, committed %v", p.ID, committed)
		s.mark(p, committed)
		for at, offset := range s.held[p.ID] {
			if committed {
				s.committed[at] = offset
			}
		}
		delete(s.held, p.ID)
		return
	}
	group := []string{"g0", "g1", "simple"}[s.rng.IntN(3)]
	at, topic := s.spot()
	if topic == nil {
		return
	}
	offset := s.rng.Int64N(1000)
	q := &wire.TxnOffsetCommitRequest{GroupID: group, ProducerID: int64(p.ID), GenerationID: -1, Topics: []wire.TxnOffsetCommitRequestTopic{
		{Name: at.topic, Partitions: []wire.TxnOffsetCommitRequestPartition{{PartitionIndex: at.partition, CommittedOffset: offset, CommittedLeaderEpoch: -1}}}}}
	s.send(q, 3, "producer", func(response any, err error) {
		if err == nil && response.(*wire.TxnOffsetCommitResponse).Topics[0].Partitions[0].ErrorCode == 0 {
			if s.held[p.ID] == nil {
				s.held[p.ID] = map[place]int64{}
			}
			s.held[p.ID][place{group, at}] = offset
		}
	})
}

// maybeExpired: what time may take away.
func (s *simulation) maybeExpired() {
	for at := range s.committed {
		s.unsure[at] = true
	}
}

// look compares the offsets of a group with what was acknowledged.
func (s *simulation) look() {
	group := []string{"g0", "g1", "simple"}[s.rng.IntN(3)]
	s.send(FetchOffsets{Group: &wire.OffsetFetchRequestGroup{GroupID: group, MemberEpoch: -1}, RequireStable: s.rng.IntN(2) == 0}, 9, "admin", func(response any, _ error) {
		got := map[place]int64{}
		unstable := map[place]bool{}
		for _, t := range response.(*wire.OffsetFetchResponseGroup).Topics {
			for _, p := range t.Partitions {
				at := place{group, spot{t.Name, p.PartitionIndex}}
				got[at] = p.CommittedOffset
				if p.ErrorCode == kerr.UnstableOffsetCommit.Code {
					s.tally.unstable++
					unstable[at] = true
				}
			}
		}
		for at, want := range s.committed {
			have, ok := got[at]
			if at.group == group && !unstable[at] && !s.unsure[at] && (!ok || have != want) {
				s.fail("%v is %d (%v), and %d was acknowledged", at, have, ok, want)
			}
		}
	})
}
