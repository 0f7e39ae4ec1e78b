package txn

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

var seeds = flag.Uint64("seeds", 24, "how many seeds the simulation runs")

// TestSimulation runs transactional producers, zombies among them, against a
// coordinator that loses its leadership, appends that fail, and markers and
// answers that are lost, late or doubled. What must hold is checked on the way
// and once all has settled:
//
//   - the live state is the fold of the log, and of the compacted log (in shell);
//   - markers are only sent for the outcome that the log holds;
//   - all records of a transaction have one outcome, and it is the one its
//     producer was told;
//   - a producer whose successor was told its producer id commits nothing after;
//   - no transaction is left open, at the coordinator or at a partition.
func TestSimulation(t *testing.T) {
	happened := map[string]int{}
	for seed := range *seeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			s := newSimulation(t, seed)
			for range 2500 {
				s.step()
			}
			s.settle()
			s.check()
			for commit, n := range s.told {
				happened[fmt.Sprint("told commit=", commit)] += n
			}
			happened["fenced"] += s.fenced
			happened["failovers"] += s.failovers
		})
	}
	for _, what := range []string{"told commit=true", "told commit=false", "fenced", "failovers"} {
		if happened[what] < int(*seeds) {
			t.Errorf("too little happened: %v", happened)
		}
	}
	t.Log(happened)
}

type simulation struct {
	*shell
	*rand.Rand
	t     *testing.T
	steps int

	epoch     int32
	committed int    // records of the log
	held      []held // what is to leave once its records are committed
	token     machine.Token
	callers   map[machine.Token]func(response any)
	sending   []*markers
	data      map[model.Partition]*data
	clients   []*client
	attempts  []*attempt
	inits     []initialised
	late      []func() // requests that arrive after all

	told              map[bool]int
	fenced, failovers int
}

type held struct {
	end     int
	replies []machine.Reply
	events  []any
}

// markers is a SendMarkers of one coordinator epoch.
type markers struct {
	SendMarkers
	epoch int32
}

// initialised is an answered InitProducerID.
type initialised struct {
	id     string
	client *client
	step   int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	level := int16(seed % 3)
	if seed%6 == 5 {
		level = 1
	} else if seed%2 == 0 {
		level = 2
	}
	s := &simulation{shell: newShell(level), Rand: rand.New(rand.NewPCG(seed, 11)), t: t,
		callers: map[machine.Token]func(any){}, data: map[model.Partition]*data{}, told: map[bool]int{}}
	s.cfg.Expiration, s.cfg.ExpiryInterval, s.cfg.AbortInterval = time.Minute, 10*time.Second, time.Second
	if seed%4 == 0 {
		s.cfg.Linger = 0
	}
	for i := range 4 {
		s.data[model.Partition{Topic: "t", Index: int32(i)}] = &data{producers: map[model.ProducerID]*producer{}}
	}
	s.must(s.start())
	for i := range 4 {
		id := fmt.Sprint("id", i)
		if i%2 == 0 { // soon exhausted
			s.force(t, id, entry{producer: machine.Producer{ID: model.ProducerID(10 + i), Epoch: epochLimit - 6}, previous: model.ProducerID(10 + i), next: noID,
				timeout: 3000, updated: s.now.UnixMilli(), started: noTime})
		}
		s.spawn(id)
	}
	s.committed = len(s.log)
	return s
}

func (s *simulation) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("step %d: %v", s.steps, err)
	}
}

func (s *simulation) chance(percent int) bool { return s.IntN(100) < percent }

func (s *simulation) step() {
	s.steps++
	switch n := s.IntN(100); {
	case n < 45:
		s.clients[s.IntN(len(s.clients))].act(s)
	case n < 65:
		s.commit(len(s.log) - s.committed)
	case n < 70 && len(s.log) > s.committed:
		s.commit(s.IntN(len(s.log) - s.committed))
	case n < 85:
		s.sendMarkers()
	case n < 92:
		s.now = s.now.Add(time.Duration(s.IntN(400)) * time.Millisecond)
		s.tick()
	case n < 93 && s.chance(60):
		s.spawn(s.clients[s.IntN(len(s.clients))].id)
	case n < 94 && s.chance(50):
		s.failover()
	case n < 98 && len(s.late) > 0:
		i := s.IntN(len(s.late))
		request := s.late[i]
		s.late = slices.Delete(s.late, i, i+1)
		request()
	case n < 99:
		s.noIDs = !s.noIDs
	}
}

func (s *simulation) tick() {
	for n := 0; !s.Due().IsZero() && !s.Due().After(s.now); n++ {
		if n > 1000 {
			s.t.Fatal("the machine is never done")
		}
		s.do(s.Tick(s.now))
	}
}

// do appends effects, or not, and holds back what waits for the commit.
func (s *simulation) do(e machine.Effects) {
	s.t.Helper()
	if s.chance(4) {
		s.refuse = kerr.CoordinatorNotAvailable
	}
	s.must(s.carryOut(e))
	s.refuse = nil
	h := held{end: len(s.log), events: s.events}
	for _, r := range s.replies {
		if _, failed := r.Response.(error); failed || r.Early {
			s.answer(r)
		} else {
			h.replies = append(h.replies, r)
		}
	}
	s.held = append(s.held, h)
	s.commit(0)
}

func (s *simulation) answer(r machine.Reply) {
	caller, ok := s.callers[r.Token]
	if !ok {
		s.t.Fatalf("step %d: reply to %d, whom nobody knows: %+v", s.steps, r.Token, r.Response)
	}
	delete(s.callers, r.Token)
	caller(r.Response)
}

// commit commits n more records.
func (s *simulation) commit(n int) {
	s.committed += n
	for len(s.held) > 0 && s.held[0].end <= s.committed {
		h := s.held[0]
		s.held = s.held[1:]
		for _, e := range h.events {
			m := e.(SendMarkers)
			s.checkDecision(m)
			s.sending = append(s.sending, &markers{m, s.epoch})
		}
		for _, r := range h.replies {
			s.answer(r)
		}
	}
}

// checkDecision: the log of this coordinator holds the outcome that is sent.
func (s *simulation) checkDecision(m SendMarkers) {
	s.t.Helper()
	for i := s.committed - 1; i >= 0; i-- {
		if id, _ := decodeKey(s.log[i].Key); id != m.TransactionalID {
			continue
		}
		e, err := decodeValue(s.log[i].Value)
		if err != nil || !e.state.preparing() || (e.state == PrepareCommit) != m.Commit || e.producer != m.Producer {
			s.t.Fatalf("step %d: markers %+v, the log says %s", s.steps, m, showEntry(e))
		}
		return
	}
	s.t.Fatalf("step %d: markers %+v of an id that is not in the log", s.steps, m)
}

// failover makes another broker the coordinator. It may have all that was written
// or only what was committed.
func (s *simulation) failover() {
	s.failovers++
	s.epoch++
	s.log = s.log[:s.committed+s.IntN(len(s.log)-s.committed+1)]
	s.committed = len(s.log)
	s.held = nil
	callers := s.callers
	s.callers = map[machine.Token]func(any){}
	s.must(s.start())
	for t := range s.token + 1 { // in order
		if caller, ok := callers[t]; ok {
			caller(kerr.NotCoordinator)
		}
	}
	s.tick()
}

// call sends a request to the coordinator. The answer may be lost.
func (s *simulation) call(request any, answered func(response any)) {
	if s.chance(5) {
		answered(kerr.RequestTimedOut)
		return
	}
	s.token++
	lost := s.chance(5)
	s.callers[s.token] = func(response any) {
		if lost {
			response = error(kerr.RequestTimedOut)
		}
		answered(response)
	}
	s.do(s.Handle(s.now, s.token, request))
}

// sendMarkers tries one marker that is outstanding, at one partition.
func (s *simulation) sendMarkers() {
	if len(s.sending) == 0 {
		return
	}
	i := s.IntN(len(s.sending))
	m := s.sending[i]
	p := m.Partitions[s.IntN(len(m.Partitions))]
	if s.chance(15) { // lost on the way there
		return
	}
	if !s.mark(p, m) {
		s.sending = slices.Delete(s.sending, i, i+1) // another coordinator is at it
		return
	}
	if s.chance(15) { // lost on the way back
		return
	}
	written := MarkersWritten{TransactionalID: m.TransactionalID, Round: m.Round, Partitions: []model.Partition{p}}
	if m.Partitions = without(m.Partitions, written.Partitions); len(m.Partitions) == 0 {
		s.sending = slices.Delete(s.sending, i, i+1)
	}
	tell := func() {
		if m.epoch == s.epoch { // the shell's part: an outcome for another leadership goes nowhere
			s.do(s.Handle(s.now, 0, written))
		}
	}
	tell()
	if s.chance(30) {
		s.late = append(s.late, tell)
	}
	if m.Client >= 2 && s.chance(20) {
		s.late = append(s.late, func() { s.mark(p, m) })
	}
}

// settle lets everything come to its end without clients.
func (s *simulation) settle() {
	s.noIDs, s.clients = false, nil
	for range 4000 {
		s.commit(len(s.log) - s.committed)
		s.sendMarkers()
		s.now = s.now.Add(time.Millisecond * 20)
		s.tick()
	}
	s.commit(len(s.log) - s.committed)
}

func (s *simulation) check() {
	for id, x := range s.txns {
		if !x.state.over() {
			s.t.Errorf("%s is left %s", id, showEntry(x.entry))
		}
	}
	for at, d := range s.data {
		for id, p := range d.producers {
			if p.open != nil {
				s.t.Errorf("%s: producer %d/%d is left open by attempt %d", at, id, p.epoch, p.open[0].number)
			}
		}
	}
	for _, a := range s.attempts {
		outcomes := map[bool]bool{}
		for _, committed := range a.outcomes {
			outcomes[committed] = true
		}
		if len(outcomes) > 1 {
			s.t.Errorf("attempt %d of %s is torn: %v", a.number, a.id, a.outcomes)
		}
		if a.told != nil && outcomes[!*a.told] {
			s.t.Errorf("attempt %d of %s: told commit=%v, and %v", a.number, a.id, *a.told, a.outcomes)
		}
	}
}

// data is what a partition knows of producers.
type data struct {
	producers map[model.ProducerID]*producer
}

type producer struct {
	epoch       int16
	coordinator int32
	marks       int
	open        []*attempt // whose records are in the open transaction
}

// attempt is one transaction of a client.
type attempt struct {
	number   int
	id       string
	outcomes []bool // committed or not, for each partition that had records of it
	told     *bool
	endSent  int // the step, 0 for not yet
}

// mark is WriteTxnMarkers at one partition; false when the coordinator is fenced.
func (s *simulation) mark(at model.Partition, m *markers) bool {
	p := s.data[at].producers[m.Producer.ID]
	if p == nil {
		p = &producer{epoch: noEpoch}
		s.data[at].producers[m.Producer.ID] = p
	}
	if p.coordinator > m.epoch {
		return false
	}
	stale := m.Producer.Epoch < p.epoch
	if m.Client >= 2 {
		stale = stale || m.Producer.Epoch == p.epoch && p.open != nil && p.epoch < epochLimit+1
	}
	if stale {
		return true // it is of the past: nothing is open that it could end
	}
	for _, a := range p.open {
		a.outcomes = append(a.outcomes, m.Commit)
	}
	*p = producer{epoch: m.Producer.Epoch, coordinator: m.epoch, marks: p.marks + 1}
	return true
}
