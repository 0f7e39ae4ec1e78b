package kraft

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

var (
	seeds    = flag.Uint64("seeds", 40, "how many random schedules TestSimulation runs")
	trace    = flag.Bool("calm", false, "show what happened in the calm of a run that failed in it")
	fromSeed = flag.Uint64("seed", 0, "the first of them")
)

// world is what a seed decides about a run, besides the order of everything.
type world struct {
	voters, observers int
	dynamic           bool // voters known by directory, in a bootstrap snapshot
	// Weights of what may go wrong; some worlds have none of a kind.
	lose, silent, twice, crash, cut, wipe, freeze int
	// forget is the weight of a crash right after a vote; resign of a leader that
	// is made to resign.
	forget, resign int
	// change is the weight of a voter that a leader takes into the set or out of it.
	change int
	// sync is the weight of a sync that ends; few make slow disks.
	sync int
}

func newWorld(r *rand.Rand) world {
	some := func(n int) int { return r.IntN(2) * (1 + r.IntN(n)) }
	w := world{
		voters: 1 + 2*r.IntN(3), observers: r.IntN(3), dynamic: r.IntN(2) == 0,
		lose: some(8), silent: some(8), twice: some(5), crash: some(6), cut: some(4), wipe: some(2), freeze: some(4),
		forget: some(8), resign: 1 + some(6), sync: 6 + some(24),
	}
	if w.dynamic && w.voters > 1 {
		if w.change = some(8); w.change > 0 {
			w.wipe = 0 // a set that may shrink has no disk to lose, but outside of it
		}
	}
	return w
}

// TestSimulation lets a quorum live under random schedules: appends with slow
// disks, messages that are lost (with and without notice), late, out of order or
// twice, links that are cut both ways or one way, crashes that lose what was not
// synced, disks that are replaced, resignations, snapshots, cleaning, voters that
// leave the set and come back, with the directory they have then. In the end all
// is quiet: a leader must be found and everybody catch up.
//
// A run is decided by its seed: go test -run TestSimulation -seed N -seeds 1.
func TestSimulation(t *testing.T) {
	for seed := *fromSeed; seed < *fromSeed+*seeds; seed++ {
		if err := new(simulation).run(seed, 1500); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestSimulationOfVoters is about worlds in which voters come and go all the time,
// and leaders before their sets are committed: a set counts from its append on,
// and the one before counts again when it is truncated.
func TestSimulationOfVoters(t *testing.T) {
	changed, cut := 0, 0
	for seed := *fromSeed; seed < *fromSeed+*seeds; seed++ {
		s := &simulation{shape: func(w *world) {
			w.dynamic, w.voters, w.change, w.resign, w.crash, w.wipe = true, 3+2*int(seed%2), 20, 6, 6, 0
			w.sync = max(w.sync, 15)
		}}
		if err := s.run(seed, 2500); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		changed, cut = changed+s.changed, cut+s.net.votersCut
	}
	t.Logf("%d changes of the voter set, %d sets truncated", changed, cut)
	if *seeds >= 40 && (changed < int(*seeds/2) || cut < int(*seeds/10)) {
		t.Errorf("%d changes of the voter set, of which %d were truncated, are too few", changed, cut)
	}
}

// TestSimulationOfDisks is about worlds in which a static voter's disk is replaced,
// and its new one has part of the log when the next thing happens. They are small,
// and there are three times as many.
func TestSimulationOfDisks(t *testing.T) {
	for seed := *fromSeed; seed < *fromSeed+3**seeds; seed++ {
		s := &simulation{shape: func(w *world) {
			w.dynamic, w.change, w.voters, w.observers, w.wipe, w.crash, w.resign, w.cut, w.freeze = false, 0, 3, 0, 4, 8, 4, 4, 0
		}}
		if err := s.run(seed, 1500); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestSimulationReplays: a seed decides everything.
func TestSimulationReplays(t *testing.T) {
	for seed := range uint64(4) {
		a, b := new(simulation), new(simulation)
		if err := a.run(seed, 600); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := b.run(seed, 600); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if a.summary() != b.summary() {
			t.Errorf("seed %d ran in two ways:\n%s\n%s", seed, a.summary(), b.summary())
		}
	}
}

type simulation struct {
	world
	r     *rand.Rand
	net   *network
	check *checker
	log   strings.Builder // what happened in the calm, with -calm
	wiped bool            // one disk, at most, is lost in a run

	changed int          // voter sets that a leader has appended
	shape   func(*world) // changes the seed's world; nil leaves it
}

func (s *simulation) run(seed uint64, steps int) error {
	s.r = rand.New(rand.NewPCG(seed, 7))
	s.world = newWorld(s.r)
	if s.shape != nil {
		s.shape(&s.world)
	}
	s.net, s.check = newNetwork(), newChecker()
	if err := s.build(); err != nil {
		return err
	}
	for i := range steps {
		if err := s.disturb(i); err != nil {
			return err
		}
		if err := s.check.check(s.net); err != nil {
			return fmt.Errorf("step %d of %+v: %w", i, s.world, err)
		}
		if i%50 == 0 {
			if err := errors.Join(logMatching(s.net), votersOfLogs(s.net)); err != nil {
				return fmt.Errorf("step %d of %+v: %w", i, s.world, err)
			}
		}
	}
	if err := s.calm(); err != nil {
		return fmt.Errorf("in the calm after %+v: %w", s.world, err)
	}
	return logMatching(s.net)
}

// build starts the nodes: voters 1, 2, ... and observers behind them, of which
// every second has the controller role.
func (s *simulation) build() error {
	var ids []model.NodeID
	for i := range s.voters {
		ids = append(ids, model.NodeID(1+i))
	}
	static := voterSet(ids...)
	var boot []Control
	if s.dynamic {
		var set VoterSet
		for _, v := range static {
			v.Directory, v.MaxVersion = testConfig(v.ID, nil).DirectoryID, 1
			set = append(set, v)
		}
		boot = []Control{{-1, versionRecord(1)}, {-1, set.Record()}}
	}
	for i := range s.voters + s.observers {
		id := model.NodeID(1 + i)
		cfg := testConfig(id, static)
		cfg.Rand = rand.New(rand.NewPCG(s.r.Uint64(), 1))
		nd := s.net.add(cfg, nil)
		nd.slow = true
		nd.cfg.Controller = nd.cfg.Controller || id%2 == 0
		if s.dynamic {
			nd.bootstrap = boot
			nd.cfg.StaticVoters = nil
		}
		if err := nd.start(); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulation) disturb(i int) error {
	net, r := s.net, s.r
	nd := net.nodes[net.ids()[r.IntN(len(net.nodes))]]
	x := r.IntN(140)
	pick := func(weight int) bool {
		x -= weight
		return x < 0
	}
	switch some := len(net.queue) > 0; {
	case pick(50):
		if some {
			return s.deliver(r.IntN(len(net.queue)))
		}
	case pick(s.lose):
		if some {
			net.drop(r.IntN(len(net.queue)))
		}
	case pick(s.silent):
		if some {
			net.vanish(r.IntN(len(net.queue)))
		}
	case pick(s.twice):
		if some {
			net.queue = append(net.queue, net.queue[r.IntN(len(net.queue))])
		}
	case pick(s.crash):
		nd.crashKeeping(r.IntN(2) * r.IntN(4))
	case pick(s.cut):
		s.cutOrHeal()
	case pick(s.wipe):
		s.replaceDisk(nd)
	case pick(s.freeze):
		nd.freeze()
	case pick(1):
		nd.clean()
	case pick(s.resign):
		if leader := net.nodes[1+model.NodeID(r.IntN(s.voters))]; leader.m != nil && leader.m.role == Leader && r.IntN(4) == 0 {
			leader.step(Resign{leader.m.epoch})
		}
	case pick(s.change):
		s.changeVoters()
	case pick(12):
		s.appendSomewhere(i)
	case pick(s.sync):
		s.syncSomewhere()
	case pick(10):
		if nd.m == nil {
			return nd.start()
		}
	default:
		s.pass(time.Duration(r.IntN(400)) * time.Millisecond)
	}
	return nil
}

// deliver carries a message, and may let a voter that has just voted crash and be
// back at once: whatever it did not write down is forgotten.
func (s *simulation) deliver(i int) error {
	to := s.net.nodes[s.net.queue[i].to]
	var voted Replica
	if to.m != nil {
		voted = to.m.voted
	}
	s.net.deliver(i)
	if to.m == nil || to.m.voted == voted || to.m.voted.ID < 0 || to.m.voted == to.m.self() || s.r.IntN(10) >= s.forget {
		return nil
	}
	to.crash()
	s.check.marks[to.cfg.NodeID] = -1
	return to.start()
}

func (s *simulation) appendSomewhere(i int) {
	for _, id := range s.net.ids() {
		if nd := s.net.nodes[id]; nd.m != nil && nd.m.role == Leader && nd.halt == "" {
			nd.append(fmt.Sprint("v", i))
		}
	}
}

// syncSomewhere ends one of the syncs that are under way.
func (s *simulation) syncSomewhere() {
	var under []*node
	for _, id := range s.net.ids() {
		if nd := s.net.nodes[id]; nd.syncing {
			under = append(under, nd)
		}
	}
	if len(under) > 0 {
		under[s.r.IntN(len(under))].sync()
	}
}

// changeVoters has a leader take one voter into the set or out of it, as KIP-853
// permits: one at a time, the one before committed, and something of its own epoch
// too. Itself it leaves in. Who has left may come back on another disk, and then is
// another voter.
func (s *simulation) changeVoters() {
	first := s.r.IntN(s.voters)
	for i := range s.voters {
		leader := s.net.nodes[1+model.NodeID((first+i)%s.voters)]
		if m := leader.m; m != nil && m.role == Leader && leader.halt == "" && m.published() >= 0 && m.log.history.votersAt() < m.hw && m.leading.change == nil {
			s.changeVoter(leader, s.net.nodes[1+model.NodeID((first+i+1+s.r.IntN(s.voters-1))%s.voters)])
			return
		}
	}
}

// changeVoter has the leader take the other in or out.
func (s *simulation) changeVoter(leader, other *node) {
	m := leader.m
	next := slices.DeleteFunc(slices.Clone(m.log.voters()), func(v Voter) bool { return v.ID == other.cfg.NodeID })
	if len(next) == len(m.log.voters()) {
		if s.r.IntN(2) == 0 {
			s.newDisk(other)
		}
		next = append(next, Voter{Replica: Replica{other.cfg.NodeID, other.cfg.DirectoryID}, Endpoints: endpointsOf(other.cfg.NodeID), MaxVersion: 1})
	}
	set, err := NewVoterSet(next...)
	if err != nil {
		panic(err)
	}
	s.changed++
	leader.appendControl(m.epoch, []wire.Message{set.Record()})
}

// cutOrHeal cuts links, in one direction or both, or heals all.
func (s *simulation) cutOrHeal() {
	if s.r.IntN(2) == 0 {
		clear(s.net.cut)
		return
	}
	ids := s.net.ids()
	alone := ids[s.r.IntN(len(ids))]
	kind := s.r.IntN(3)
	for _, id := range ids {
		if kind != 0 {
			s.net.cut[[2]model.NodeID{alone, id}] = true
		}
		if kind != 1 {
			s.net.cut[[2]model.NodeID{id, alone}] = true
		}
	}
}

// replaceDisk gives a voter an empty disk, which has an id of its own. Not while
// another static voter has yet to catch up: those two could not tell the quorum
// from a new one (behind.go).
func (s *simulation) replaceDisk(nd *node) {
	if s.wiped || s.voters == 1 || len(s.check.committed) == 0 || int(nd.cfg.NodeID) > s.voters {
		return
	}
	for id := range s.voters {
		if other := s.net.nodes[model.NodeID(id+1)]; other != nd && (other.disk.election.Behind || other.disk.synced == 0) {
			return
		}
	}
	s.wiped = true
	s.newDisk(nd)
}

// newDisk gives a node an empty disk.
func (s *simulation) newDisk(nd *node) {
	nd.crash()
	old := nd.disk
	nd.lost, nd.lostDir = &old, nd.cfg.DirectoryID
	nd.disk = disk{election: NoElection}
	nd.cfg.DirectoryID[7]++
	nd.bootstrap = nil
	if s.dynamic {
		for id := range s.voters {
			nd.cfg.Bootstrap = append(nd.cfg.Bootstrap, endpointsOf(model.NodeID(id + 1))[0].Address)
		}
	}
	s.check.epochs[nd.cfg.NodeID] = 0
}

// pass lets time go by, stopping where a node wants it.
func (s *simulation) pass(d time.Duration) {
	for end := s.net.now.Add(d); s.net.now.Before(end); {
		next := end
		for _, nd := range s.net.nodes {
			if nd.m != nil && nd.m.Deadline().After(s.net.now) {
				next = earlier(next, nd.m.Deadline())
			}
		}
		s.net.now = next
		for _, id := range s.net.ids() {
			if nd := s.net.nodes[id]; nd.m != nil && !nd.m.Deadline().IsZero() && !nd.m.Deadline().After(next) {
				nd.step(Tick{})
				if d := nd.m.Deadline(); nd.halt == "" && !d.IsZero() && !d.After(next) {
					panic(fmt.Sprintf("node %d, %s, asks for a tick without end", id, nd.m.role))
				}
			}
		}
	}
}

// calm is the liveness half: nothing fails any more.
func (s *simulation) calm() error {
	if *trace {
		for _, id := range s.net.ids() {
			s.net.nodes[id].log = &s.log
		}
	}
	clear(s.net.cut)
	for _, id := range s.net.ids() {
		if nd := s.net.nodes[id]; nd.m == nil {
			if err := nd.start(); err != nil {
				return err
			}
		}
	}
	for i := range 600 {
		if i == 300 {
			s.appendSomewhere(1_000_000)
		}
		for n := 0; len(s.net.queue) > 0 && n < 200; n++ {
			s.net.deliver(0)
		}
		for _, id := range s.net.ids() {
			s.net.nodes[id].sync()
		}
		s.pass(50 * time.Millisecond)
		if err := s.check.check(s.net); err != nil {
			return err
		}
	}
	for _, id := range s.net.ids() {
		if nd := s.net.nodes[id]; nd.hw != nd.disk.end() || int(nd.hw) != len(s.check.committed) || nd.m.behind {
			return fmt.Errorf("Liveness: node %d (%s, epoch %d, leader %d, behind %t) is at high watermark %d of %d, committed are %d\n%s\n%s",
				id, nd.m.role, nd.m.epoch, nd.m.leader, nd.m.behind, nd.hw, nd.disk.end(), len(s.check.committed), s.summary(), s.log.String())
		}
	}
	return nil
}

func (s *simulation) summary() string {
	out := fmt.Sprintf("%+v at %s, %d committed", s.world, s.net.now, len(s.check.committed))
	for _, id := range s.net.ids() {
		nd := s.net.nodes[id]
		if nd.m == nil {
			out += fmt.Sprintf("; %d is down at %d", id, nd.disk.end())
			continue
		}
		out += fmt.Sprintf("; %d is %s of %d in %d at %d/%d", id, nd.m.role, nd.m.leader, nd.m.epoch, nd.hw, nd.disk.end())
	}
	return out
}
