package controller

import (
	"fmt"
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
	epochs  map[place][2]int32
}

func TestSimulation(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			h := newHarness(seed, func(c *Config) { c.DefaultReplicas = 3 })
			s := &simulation{harness: h, Rand: rand.New(rand.NewPCG(seed, 3)), t: t, up: map[int]byte{}, stopped: map[int]model.BrokerEpoch{}, epochs: map[place][2]int32{}}
			s.step(h.Claim(h.image, h.now, h.next, nil))
			for range 400 {
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
	for topic := range s.image.Topics() {
		for i := range topic.Partitions {
			s.checkPartition(topic, int32(i))
		}
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
	p, at := &t.Partitions[index], place{t.ID, index}
	name := fmt.Sprintf("%s-%d %+v", t.Name, index, *p)
	if was, known := s.epochs[at]; known && (int32(p.LeaderEpoch) < was[0] || p.PartitionEpoch < was[1]) {
		s.t.Fatalf("epochs went back: %s, were %v", name, was)
	}
	s.epochs[at] = [2]int32{int32(p.LeaderEpoch), p.PartitionEpoch}
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
	switch s.IntN(10) {
	case 0:
		if running {
			delete(s.up, id) // kill -9
			delete(s.stopped, id)
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
	r := s.request(registerRequest(id, s.last, previous, "r"+strconv.Itoa(id%2)), 4)
	s.step(r)
	if r.Response.(*wire.BrokerRegistrationResponse).ErrorCode == 0 {
		s.up[id] = s.last
	}
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
			if !p.HasLeader() {
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
