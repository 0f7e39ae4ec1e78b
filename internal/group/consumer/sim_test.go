package consumer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// TestSimulation lets random members of both protocols join, leave, crash, lose
// answers and change their minds, while topics come and go. After every command the
// group equals the replays of its log (harness), no epoch has gone back, and no
// partition is owned by two members, by what the members themselves believe. In the
// end everybody keeps heartbeating, and all members reach the target, which has every
// partition that somebody reads.
func TestSimulation(t *testing.T) {
	for seed := range uint64(40) {
		simulate(t, seed)
	}
}

func simulate(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 848))
	h := newHarness(t)
	if seed%4 == 0 {
		h.config.AssignmentInterval = Limits{Default: 3 * time.Second, Max: time.Minute}
	}
	s := &sim{harness: h, rng: rng, seed: seed, mixed: seed%3 == 0}
	h.topic("a", 4)
	for range 250 {
		s.command()
		s.check()
	}
	s.settle()
}

type sim struct {
	*harness
	rng     *rand.Rand
	seed    uint64
	mixed   bool // with members of the classic protocol
	clients []*simClient
	made    int
	epoch   int32
	mature  map[string]int32 // member epochs
	seen    *Classic         // the classic group whose members have settled in it
}

// simClient is a consumer as it sees itself.
type simClient struct {
	id       string
	instance *string
	classic  bool
	names    []string
	regex    *string
	epoch    int32
	owned    map[slot]bool
	assigned map[slot]bool // what it was told last
	full     bool          // has something to tell in full
	acked    bool          // has told what it owns since that changed
	synced   bool          // classic: has fetched its assignment
	dead     bool          // another has its instance id
	lost     bool          // classic: was fenced, and will learn what it has left with its next assignment
}

func (s *sim) command() {
	switch n := s.rng.IntN(100); {
	case n < 8 && len(s.clients) < 7:
		s.spawn()
	case n < 11 && len(s.clients) > 0:
		s.stop(s.rng.IntN(len(s.clients)))
	case n < 13 && len(s.clients) > 0: // crashes
		i := s.rng.IntN(len(s.clients))
		s.clients = slices.Delete(s.clients, i, i+1)
	case n < 17:
		s.topic(string(rune('a'+s.rng.IntN(4))), 1+s.rng.IntN(8))
	case n < 18:
		if name := string(rune('a' + s.rng.IntN(4))); s.topics.img.Topic(name) != nil {
			for _, c := range s.clients {
				forgetTopic(c.owned, s.topicID(name))
				forgetTopic(c.assigned, s.topicID(name))
			}
			s.deleteTopic(name)
		}
	case n < 22 && len(s.clients) > 0:
		c := s.clients[s.rng.IntN(len(s.clients))]
		s.subscription(c)
		c.full = true
	case n < 30:
		s.tick(s.now.Add(time.Duration(s.rng.IntN(12000)) * time.Millisecond))
	case n < 32:
		s.tick(s.now.Add(time.Minute))
	case len(s.clients) > 0:
		s.beat(s.clients[s.rng.IntN(len(s.clients))], s.rng.IntN(12) == 0)
	}
}

func forgetTopic(set map[slot]bool, id model.TopicID) {
	for k := range set {
		if k.topic == id {
			delete(set, k)
		}
	}
}

func (s *sim) spawn() {
	s.made++
	c := &simClient{id: fmt.Sprintf("m%02d", s.made), owned: map[slot]bool{}, assigned: map[slot]bool{}}
	if s.rng.IntN(4) == 0 {
		c.instance = ptr(fmt.Sprintf("i%d", s.rng.IntN(3)))
	}
	c.classic = s.mixed && s.rng.IntN(2) == 0
	s.subscription(c)
	s.clients = append(s.clients, c)
}

func (s *sim) subscription(c *simClient) {
	c.names, c.regex = []string{}, nil
	if !c.classic && s.rng.IntN(4) == 0 {
		c.regex = ptr([]string{"[ab]", "a|c", ".*", ""}[s.rng.IntN(4)])
		return
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if s.rng.IntN(3) > 0 {
			c.names = append(c.names, name)
		}
	}
}

// stop leaves: for good, or for a while as a static member may.
func (s *sim) stop(i int) {
	c := s.clients[i]
	s.clients = slices.Delete(s.clients, i, i+1)
	if c.classic {
		if s.old == nil {
			call := s.call()
			s.group.LeaveClassic(call, &wire.LeaveGroupRequest{GroupID: "g", Members: []wire.LeaveGroupRequestMember{{MemberID: c.id, GroupInstanceID: c.instance}}})
			s.done(call, nil)
		}
		return
	}
	epoch := int32(leaving)
	if c.instance != nil && s.rng.IntN(2) == 0 {
		epoch = leavingStatic
	}
	s.answer(s.send(&wire.ConsumerGroupHeartbeatRequest{GroupID: "g", MemberID: c.id, MemberEpoch: epoch, InstanceID: c.instance}))
}

func (s *sim) send(r *wire.ConsumerGroupHeartbeatRequest) (*wire.ConsumerGroupHeartbeatResponse, error) {
	if err := Validate(1, r, s.config.Assignors); err != nil {
		s.t.Fatalf("seed %d: %v", s.seed, err)
	}
	if s.old != nil && r.MemberEpoch != 0 {
		return nil, kerr.GroupIDNotFound
	}
	response, _, err := s.heartbeat(r)
	return response, err
}

// answer fails on errors that the protocol does not provide for.
func (s *sim) answer(_ any, err error) {
	s.t.Helper()
	switch kerr.Code(err) {
	case 0, kerr.UnknownMemberID.Code, kerr.FencedMemberEpoch.Code, kerr.FencedInstanceID.Code, kerr.UnreleasedInstanceID.Code,
		kerr.GroupIDNotFound.Code, kerr.IllegalGeneration.Code, kerr.RebalanceInProgress.Code, kerr.InconsistentGroupProtocol.Code:
	default:
		s.t.Fatalf("seed %d: %v", s.seed, err)
	}
}

// beat is what a client does next, whose answer may be lost. Who is told that another
// has its instance id gives up.
func (s *sim) beat(c *simClient, lost bool) {
	if c.classic {
		s.beatClassic(c, lost)
	} else {
		s.beatConsumer(c, lost)
	}
	s.clients = slices.DeleteFunc(s.clients, func(c *simClient) bool { return c.dead })
}

func (s *sim) beatConsumer(c *simClient, lost bool) {
	r := &wire.ConsumerGroupHeartbeatRequest{GroupID: "g", MemberID: c.id, MemberEpoch: c.epoch, InstanceID: c.instance, RebalanceTimeoutMS: -1}
	if c.epoch == 0 || c.full {
		r.RebalanceTimeoutMS, r.SubscribedTopicNames, r.SubscribedTopicRegex = 20000, c.names, c.regex
		if c.regex == nil {
			r.SubscribedTopicRegex = new(string)
		}
	}
	if c.epoch == 0 || c.full || !c.acked {
		r.TopicPartitions = heartbeatPartitions(c.owned)
	}
	response, err := s.send(r)
	s.answer(response, err)
	switch {
	case lost:
		c.full = true // a client that hears nothing tells everything again
		return
	case kerr.Code(err) == kerr.UnreleasedInstanceID.Code:
		return
	case err != nil:
		c.restart(err)
		return
	}
	c.epoch, c.full, c.acked = response.MemberEpoch, false, true
	if response.Assignment != nil {
		clear(c.assigned)
		for _, topic := range response.Assignment.TopicPartitions {
			for _, p := range topic.Partitions {
				c.assigned[slot{model.TopicID(topic.TopicID), p}] = true
			}
		}
	}
	c.adopt()
}

// adopt gives up what is not assigned any more, then takes what is.
func (c *simClient) adopt() {
	for k := range c.owned {
		if !c.assigned[k] {
			delete(c.owned, k)
			c.acked = false
		}
	}
	for k := range c.assigned {
		if !c.owned[k] {
			c.owned[k] = true
			c.acked = false
		}
	}
}

func (c *simClient) restart(err error) {
	c.dead = kerr.Code(err) == kerr.FencedInstanceID.Code
	c.epoch, c.full, c.acked, c.synced = 0, false, false, false
	clear(c.owned)
	clear(c.assigned)
}

func heartbeatPartitions(owned map[slot]bool) []wire.ConsumerGroupHeartbeatTopicPartitions {
	o := Owned{}
	for k := range owned {
		o.put(k.topic, k.partition, 0)
	}
	return o.heartbeat()
}

// beatClassic is what a consumer of the classic protocol does next: joins, syncs or heartbeats.
func (s *sim) beatClassic(c *simClient, lost bool) {
	if s.old != nil || s.group.Empty() {
		return // a classic group's business
	}
	call := s.call()
	switch {
	case c.epoch > 0 && c.synced:
		response, err := s.group.ClassicHeartbeat(call, &wire.HeartbeatRequest{GroupID: "g", MemberID: c.id, GroupInstanceID: c.instance, GenerationID: c.epoch})
		s.done(call, err)
		s.answer(response, err)
		switch {
		case lost:
		case err != nil:
			c.restart(err)
		case response.ErrorCode != 0:
			c.synced = false
			c.full = true
		}
	case c.epoch > 0 && !c.full:
		s.syncClassic(c, call, lost)
	default:
		s.joinClassic(c, call, lost)
	}
}

func (s *sim) joinClassic(c *simClient, call *Call, lost bool) {
	sub := &wire.ConsumerProtocolSubscription{Topics: c.names, GenerationID: c.epoch}
	for _, t := range heartbeatPartitions(c.owned) {
		sub.OwnedPartitions = append(sub.OwnedPartitions, wire.ConsumerProtocolTopicPartition{Topic: nameOf(model.TopicID(t.TopicID)), Partitions: t.Partitions})
	}
	metadata, err := wire.EncodeConsumerProtocol(3, sub)
	if err != nil {
		s.t.Fatal(err)
	}
	r := &wire.JoinGroupRequest{
		GroupID: "g", MemberID: c.id, GroupInstanceID: c.instance, ProtocolType: "consumer", SessionTimeoutMS: 30000, RebalanceTimeoutMS: 20000,
		Protocols: []wire.JoinGroupRequestProtocol{{Name: "cooperative-sticky", Metadata: metadata}},
	}
	if c.epoch == 0 && c.instance != nil {
		r.MemberID = ""
	}
	c.lost = c.lost || s.group.Member(c.id) == nil
	response, err := s.group.Join(call, Client{ID: "classic", Host: "/5.6.7.8"}, 9, r)
	s.done(call, err)
	s.answer(response, err)
	if err != nil {
		c.restart(err)
		return
	}
	if lost {
		return
	}
	c.id, c.epoch, c.full, c.synced = response.MemberID, response.GenerationID, false, false
}

func (s *sim) syncClassic(c *simClient, call *Call, lost bool) {
	response, err := s.group.Sync(call, &wire.SyncGroupRequest{GroupID: "g", MemberID: c.id, GroupInstanceID: c.instance, GenerationID: c.epoch})
	s.done(call, err)
	s.answer(response, err)
	switch {
	case kerr.Code(err) == kerr.RebalanceInProgress.Code || lost:
		c.full = true
		return
	case err != nil:
		c.restart(err)
		return
	}
	c.synced, c.assigned = true, s.assignedIn(response.Assignment)
	c.lost = false
	before := len(c.owned)
	c.adopt()
	if len(c.owned) < before {
		c.full = true // a cooperative consumer joins again once it has given partitions up
		c.synced = false
	}
}

// check is what must always hold.
func (s *sim) check() {
	s.t.Helper()
	if s.old != nil && s.old != s.seen {
		s.seen = s.old
		s.rebalanceClassic()
	}
	owners := map[slot]string{}
	for _, c := range s.clients {
		if s.group.Member(c.id) == nil || c.lost {
			continue // fenced, and does not know yet
		}
		for k := range c.owned {
			if other := owners[k]; other != "" {
				s.t.Fatalf("seed %d: %s and %s own %s-%d\n%s", s.seed, other, c.id, nameOf(k.topic), k.partition, written(s.group))
			}
			owners[k] = c.id
		}
	}
	for k, n := range s.group.holders {
		if n != 1 {
			s.t.Fatalf("seed %d: %d members hold %s-%d\n%s", s.seed, n, nameOf(k.topic), k.partition, written(s.group))
		}
	}
	s.checkEpochs()
}

// rebalanceClassic stands in for the rebalance that a group begins when it has become
// classic: its members have what the group has been left with.
func (s *sim) rebalanceClassic() {
	for _, c := range s.clients {
		i := slices.IndexFunc(s.old.Members, func(m ClassicMember) bool { return m.ID == c.id })
		c.restart(nil)
		if i < 0 {
			continue
		}
		c.epoch, c.synced, c.lost = s.old.Generation, true, false
		for k := range s.assignedIn(s.old.Members[i].Assignment) {
			c.assigned[k] = true
		}
		c.adopt()
	}
}

// assignedIn are the partitions of an assignment of the classic protocol.
func (s *sim) assignedIn(b []byte) map[slot]bool {
	var a wire.ConsumerProtocolAssignment
	if _, err := wire.DecodeConsumerProtocol(b, &a); err != nil {
		s.t.Fatal(err)
	}
	assigned := map[slot]bool{}
	for _, t := range a.AssignedPartitions {
		for _, p := range t.Partitions {
			assigned[slot{s.topicID(t.Topic), p}] = true
		}
	}
	return assigned
}

// checkEpochs: those of the group and its target never go back, not even through a
// classic group; those of a member only when it joins anew.
func (s *sim) checkEpochs() {
	s.t.Helper()
	if s.old != nil || s.group.Gone() {
		s.mature = nil
		if s.old == nil {
			s.epoch = 0
		}
		return
	}
	if s.group.epoch < s.epoch || s.group.target > s.group.epoch {
		s.t.Fatalf("seed %d: the epoch went from %d to %d, the target's is %d", s.seed, s.epoch, s.group.epoch, s.group.target)
	}
	s.epoch = s.group.epoch
	epochs := map[string]int32{}
	for _, m := range s.group.Members() {
		if before := s.mature[m.ID]; m.Epoch < before && m.Epoch > 0 {
			s.t.Fatalf("seed %d: the epoch of %s went from %d to %d", s.seed, m.ID, before, m.Epoch)
		}
		epochs[m.ID] = m.Epoch
	}
	s.mature = epochs
}

// settle: nothing changes any more, and everybody lives.
func (s *sim) settle() {
	s.t.Helper()
	if !slices.ContainsFunc(s.clients, func(c *simClient) bool { return !c.classic }) {
		s.mixed = false
		s.spawn()
	}
	for range 40 {
		for _, c := range slices.Clone(s.clients) {
			for range 3 {
				s.beat(c, false)
				s.check()
			}
		}
		s.tick(s.now.Add(4 * time.Second))
	}
	if got := s.group.StateName(); got != "Stable" {
		s.t.Fatalf("seed %d: %s\n%s", s.seed, got, written(s.group))
	}
	want := 0
	for topic := range s.topics.img.Topics() {
		if s.group.Subscribes(topic.Name) {
			want += len(topic.Partitions)
		}
	}
	targets := 0
	for _, m := range s.group.Members() {
		targets += s.group.targets[m.ID].Count()
		if !m.Assigned.assignment().Equal(s.group.targets[m.ID]) {
			s.t.Fatalf("seed %d: %s has not what it shall have\n%s", s.seed, m.ID, written(s.group))
		}
	}
	if targets != want {
		s.t.Fatalf("seed %d: %d of %d partitions are assigned\n%s", s.seed, targets, want, written(s.group))
	}
	s.settled()
}

// settled: what the clients own is what the group says.
func (s *sim) settled() {
	s.t.Helper()
	for _, c := range s.clients {
		m := s.group.Member(c.id)
		if m == nil {
			continue // a second client with the instance id of another
		}
		if len(c.owned) != m.Assigned.assignment().Count() {
			s.t.Fatalf("seed %d: %s owns %d partitions\n%s", s.seed, c.id, len(c.owned), written(s.group))
		}
	}
}
