package controller

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// simulation drives a Machine with random brokers that crash, stop, come back
// and create topics, and checks after every event what must always hold.
type simulation struct {
	*harness
	*rand.Rand
	t       *testing.T
	up      map[int]byte // brokers whose process runs, by id: their incarnation
	stopped map[int]model.BrokerEpoch
	last    byte
	before  map[place]metadata.Partition
	// holders are the replicas that have all that was ever committed, by what
	// the simulation knows of in-sync sets and restarts and the Machine does not
	// see. Only the in-sync set can commit, and only while it is large enough.
	holders map[place][]model.NodeID
	lossy   map[place]bool // an unclean election was asked for
}

func TestSimulation(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			h := newHarness(seed, func(c *Config) { c.DefaultReplicas = 3 })
			s := &simulation{harness: h, Rand: rand.New(rand.NewPCG(seed, 3)), t: t, up: map[int]byte{}, stopped: map[int]model.BrokerEpoch{},
				before: map[place]metadata.Partition{}, holders: map[place][]model.NodeID{}, lossy: map[place]bool{}}
			version := metadata.ProductionVersion
			if seed%4 == 3 {
				version = 22 // without eligible leader replicas
			}
			s.step(h.Claim(h.image, h.now, h.next, metadata.BootstrapRecords(metadata.DefaultLevels(version))))
			for range 250 {
				s.event()
			}
			s.settle()
		})
	}
}

// step commits a result and checks the invariants.
func (s *simulation) step(r Result) {
	s.t.Helper()
	if r.Err != nil {
		s.t.Fatalf("refused: %v", r.Err)
	}
	if err := s.commit(r); err != nil {
		s.t.Fatalf("the log does not replay: %v", err)
	}
	s.checkDraft()
	changes := countChanges(r)
	for topic := range s.image.Topics() {
		for i := range topic.Partitions {
			at := place{topic.ID, int32(i)}
			s.checkEpochs(topic, at, changes[at])
			s.checkPartition(topic, int32(i))
			if clearsELR(r, topic.Name) {
				s.holders[at] = nil // the controller may not remember them either
			}
			s.checkHolders(topic, at)
			s.before[at] = topic.Partitions[i]
		}
	}
}

// clearsELR reports whether the result makes the controller forget who was
// eligible for a topic.
func clearsELR(r Result, topic string) bool {
	return slices.ContainsFunc(r.Records, func(v metadata.Versioned) bool {
		c, ok := v.Record.(*wire.ClearElrRecord)
		return ok && (c.TopicName == "" || c.TopicName == topic)
	})
}

// changes are how often a result changes a partition, and its leader.
type changes struct{ all, leader int32 }

func countChanges(r Result) map[place]changes {
	counts := map[place]changes{}
	for _, v := range r.Records {
		if c, ok := v.Record.(*wire.PartitionChangeRecord); ok {
			at := place{model.TopicID(c.TopicID), c.PartitionID}
			n := counts[at]
			n.all++
			if c.Leader != noLeaderChange {
				n.leader++
			}
			counts[at] = n
		}
	}
	return counts
}

// checkEpochs: each change counts one partition epoch, each that names a leader
// one leader epoch; none is skipped and none counted twice.
func (s *simulation) checkEpochs(t *metadata.Topic, at place, n changes) {
	s.t.Helper()
	was, known := s.before[at]
	if !known {
		return
	}
	p := &t.Partitions[at.index]
	cleared := int32(0)
	if len(was.ELR)+len(was.LastKnownELR) > 0 && len(p.ELR)+len(p.LastKnownELR) == 0 && p.PartitionEpoch == was.PartitionEpoch+n.all+1 {
		cleared = 1 // by a ClearElrRecord, which is no change of the partition's own
	}
	if p.PartitionEpoch != was.PartitionEpoch+n.all+cleared || int32(p.LeaderEpoch) != int32(was.LeaderEpoch)+n.leader {
		s.t.Fatalf("%s-%d: epochs %d/%d after %d/%d and changes %+v", t.Name, at.index, p.LeaderEpoch, p.PartitionEpoch, was.LeaderEpoch, was.PartitionEpoch, n)
	}
}

// checkHolders: with eligible leader replicas a leader has all that was committed,
// as long as any replica that restarted cleanly has it (KIP-966).
func (s *simulation) checkHolders(t *metadata.Topic, at place) {
	s.t.Helper()
	p := &t.Partitions[at.index]
	was, known := s.before[at]
	holders := s.holders[at]
	elected := p.HasLeader() && (!known || p.Leader != was.Leader)
	lossless := s.image.Features().ELR() && !s.lossy[at]
	if known && elected && lossless && len(holders) > 0 && !slices.Contains(holders, p.Leader) {
		s.t.Fatalf("%s-%d: leader %d lacks what %v have: %+v, was %+v", t.Name, at.index, p.Leader, holders, *p, was)
	}
	if elected && !slices.Contains(holders, p.Leader) {
		holders = nil // what the others had more is lost
	}
	if len(p.ISR) >= s.minISR(t) {
		holders = nil
	}
	for _, id := range p.ISR {
		if !slices.Contains(holders, id) {
			holders = append(slices.Clone(holders), id)
		}
	}
	s.holders[at] = holders
	s.lossy[at] = s.lossy[at] && !p.HasLeader()
}

func (s *simulation) minISR(t *metadata.Topic) int {
	text := s.cfg.Topics.Value(configMinISR, s.image.Config(metadata.ConfigTopic, t.Name), s.image.Config(metadata.ConfigBroker, ""), nil)
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return min(n, len(t.Partitions[0].Replicas))
}

// forget takes what a broker lost when it restarted uncleanly.
func (s *simulation) forget(id int) {
	for at, holders := range s.holders {
		s.holders[at] = without(holders, model.NodeID(id))
	}
}

// checkDraft: what the Machine works on is exactly the replay of its records.
func (s *simulation) checkDraft() {
	s.t.Helper()
	img, _ := metadata.NewDraft(s.image).Image(s.image.Offset, 1)
	draft, _ := s.draft.Image(s.image.Offset, 1)
	if c := metadata.Diff(img, draft); !c.Empty() {
		s.t.Fatalf("the draft is not the replay of the log: %+v", c)
	}
}

func (s *simulation) checkPartition(t *metadata.Topic, index int32) {
	s.t.Helper()
	p := &t.Partitions[index]
	name := fmt.Sprintf("%s-%d %+v", t.Name, index, *p)
	if p.HasLeader() {
		if b := s.image.Broker(p.Leader); b == nil || !b.Active() && !b.InControlledShutdown || !slices.Contains(p.ISR, p.Leader) {
			s.t.Fatalf("led by one that may not: %s", name)
		}
	}
	for _, id := range p.ISR {
		if slices.Contains(p.ELR, id) || !slices.Contains(p.Replicas, id) {
			s.t.Fatalf("in-sync set: %s", name)
		}
	}
	candidates := p.ISR
	if len(p.ISR) == 0 {
		candidates = p.ELR
	}
	if !p.HasLeader() && slices.ContainsFunc(candidates, func(id model.NodeID) bool { b := s.image.Broker(id); return b != nil && b.Active() }) {
		s.t.Fatalf("leaderless although a candidate lives: %s", name)
	}
}

func (s *simulation) event() {
	id := 1 + s.IntN(5)
	_, running := s.up[id]
	s.now = s.now.Add(time.Duration(s.IntN(1500)) * time.Millisecond)
	switch s.IntN(15) {
	case 10:
		s.alter(metadata.ConfigBroker, "", configMinISR, strconv.Itoa(1+s.IntN(2)))
	case 11:
		s.alter(metadata.ConfigTopic, "t"+strconv.Itoa(s.IntN(12)), configMinISR, strconv.Itoa(1+s.IntN(3)))
	case 12:
		name := "t" + strconv.Itoa(s.IntN(12))
		s.step(s.request(&wire.CreatePartitionsRequest{Topics: []wire.CreatePartitionsRequestTopic{{Name: name, Count: int32(1 + s.IntN(6))}}}, 3))
	case 13:
		s.step(s.request(&wire.ElectLeadersRequest{ElectionType: typePreferred}, 2))
	case 14:
		if s.IntN(4) == 0 {
			s.electUncleanly()
		}
	case 0:
		if running {
			delete(s.up, id) // kill -9
			delete(s.stopped, id)
			if s.IntN(2) == 0 { // and noticed at once
				s.step(s.Lost(s.now, s.next, model.NodeID(id), s.image.Broker(model.NodeID(id)).Epoch))
			}
		}
	case 1, 2:
		if !running {
			s.start(id)
		}
	case 3:
		if running {
			s.stop(id)
		}
	case 4:
		r := &wire.CreateTopicsRequest{Topics: []wire.CreateTopicsRequestTopic{{Name: "t" + strconv.Itoa(s.IntN(12)), NumPartitions: int32(1 + s.IntN(4)), ReplicationFactor: int16(1 + s.IntN(3))}}}
		s.step(s.request(r, 7))
	case 5:
		name := "t" + strconv.Itoa(s.IntN(40))
		s.step(s.request(&wire.DeleteTopicsRequest{Topics: []wire.DeleteTopicsRequestTopic{{Name: &name}}}, 6))
	case 6:
		s.grow()
	case 7:
		if s.IntN(6) == 0 {
			s.Renounce()
			s.step(s.Claim(s.image, s.now, s.next, nil))
		}
	}
	for _, id := range s.running() {
		s.step(s.request(s.beat(id, false, false), 2))
	}
	s.tick()
}

func (s *simulation) tick() {
	for d := s.Deadline(); !d.After(s.now); d = s.Deadline() {
		s.step(s.Tick(s.now, s.next))
	}
}

func (s *simulation) running() []int {
	var ids []int
	for id := range 6 {
		if _, ok := s.up[id]; ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s *simulation) start(id int) {
	previous, clean := s.stopped[id]
	if !clean {
		previous = -1
	}
	s.last++
	held := maps.Clone(s.holders)
	if !clean {
		s.forget(id)
	}
	r := s.request(registerRequest(id, s.last, previous, "r"+strconv.Itoa(id%2)), 4)
	if r.Response.(*wire.BrokerRegistrationResponse).ErrorCode != 0 {
		s.holders = held // it did not come up yet
		s.step(r)
		return
	}
	s.step(r)
	s.up[id] = s.last
	for topic := range s.image.Topics() {
		for i, p := range topic.Partitions {
			if p.Leader == model.NodeID(id) {
				s.t.Fatalf("%s-%d is led by an incarnation that has just registered", topic.Name, i)
			}
		}
	}
}

func (s *simulation) alter(kind int8, name, key, value string) {
	s.step(s.request(&wire.IncrementalAlterConfigsRequest{Resources: []wire.IncrementalAlterConfigsRequestResource{
		{ResourceType: kind, ResourceName: name, Configs: []wire.IncrementalAlterConfigsRequestConfig{{Name: key, Value: &value}}}}}, 1))
}

// electUncleanly asks for leaders at any price.
func (s *simulation) electUncleanly() {
	for topic := range s.image.Topics() {
		for i, p := range topic.Partitions {
			s.lossy[place{topic.ID, int32(i)}] = !p.HasLeader()
		}
	}
	s.step(s.request(&wire.ElectLeadersRequest{ElectionType: typeUnclean}, 2))
}

func (s *simulation) stop(id int) {
	// A broker that died unnoticed holds everybody up until its session is over.
	for range 20 {
		s.now = s.now.Add(time.Second)
		r := s.request(s.beat(id, false, true), 2)
		s.step(r)
		if r.Response.(*wire.BrokerHeartbeatResponse).ShouldShutDown {
			delete(s.up, id)
			s.stopped[id] = s.image.Broker(model.NodeID(id)).Epoch
			return
		}
		for _, other := range s.running() {
			if other != id {
				s.step(s.request(s.beat(other, false, false), 2))
			}
		}
		s.tick()
	}
	s.t.Fatalf("broker %d may never stop", id)
}

// grow has every leader propose all its active replicas.
func (s *simulation) grow() {
	for topic := range s.image.Topics() {
		for i, p := range topic.Partitions {
			b := s.image.Broker(p.Leader)
			if !p.HasLeader() || b == nil {
				continue
			}
			want := wire.AlterPartitionRequestPartition{PartitionIndex: int32(i), LeaderEpoch: int32(p.LeaderEpoch), PartitionEpoch: p.PartitionEpoch}
			for _, id := range p.Replicas {
				if id == p.Leader || s.image.Broker(id) != nil && s.image.Broker(id).Active() {
					want.NewISRWithEpochs = append(want.NewISRWithEpochs, wire.AlterPartitionRequestNewISRWithEpoch{BrokerID: int32(id), BrokerEpoch: -1})
				}
			}
			s.step(s.request(&wire.AlterPartitionRequest{BrokerID: int32(b.ID), BrokerEpoch: int64(b.Epoch),
				Topics: []wire.AlterPartitionRequestTopic{{TopicID: model.UUID(topic.ID), Partitions: []wire.AlterPartitionRequestPartition{want}}}}, 3))
		}
	}
}

// settle starts everything and wants a leader everywhere: with ELR on, nothing
// that was ever led stays leaderless once all brokers are back.
func (s *simulation) settle() {
	for range 30 {
		s.now = s.now.Add(time.Second)
		for id := 1; id <= 5; id++ {
			if _, ok := s.up[id]; !ok {
				s.start(id)
			}
		}
		for _, id := range s.running() {
			s.step(s.request(s.beat(id, false, false), 2))
		}
		s.tick()
	}
	for topic := range s.image.Topics() {
		for i, p := range topic.Partitions {
			// A changed min.insync.replicas forgets the eligible leaders, also of
			// a partition that has no others: that takes an unclean election.
			if !p.HasLeader() && len(p.ISR)+len(p.ELR)+len(p.LastKnownELR) > 0 {
				s.t.Errorf("%s-%d stays leaderless: %+v", topic.Name, i, p)
			}
		}
	}
}

// TestPlacement: leaders and replicas are spread evenly over racks and brokers,
// and no partition has two replicas on one broker.
func TestPlacement(t *testing.T) {
	brokers := []usableBroker{}
	for id := range 6 {
		brokers = append(brokers, usableBroker{id: model.NodeID(id), rack: string(rune('a' + id%3)), hasRack: true})
	}
	p := newPlacer(rand.New(rand.NewPCG(1, 1)), brokers)
	leaders, replicas := map[model.NodeID]int{}, map[model.NodeID]int{}
	for range 600 {
		placed := p.place(3)
		racks := map[int]bool{}
		for _, id := range placed {
			replicas[id]++
			racks[int(id)%3] = true
		}
		if len(racks) != 3 {
			t.Fatalf("not one replica per rack: %v", placed)
		}
		leaders[placed[0]]++
	}
	for id := range model.NodeID(6) {
		if leaders[id] != 100 || replicas[id] < 280 || replicas[id] > 320 {
			t.Errorf("broker %d leads %d of 600 and has %d of 1800", id, leaders[id], replicas[id])
		}
	}
	for _, c := range []struct{ replicas int }{{0}, {7}} {
		if err := p.check(c.replicas); err == nil {
			t.Errorf("%d replicas on 6 brokers were allowed", c.replicas)
		}
	}
}
