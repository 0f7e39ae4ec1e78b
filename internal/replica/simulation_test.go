package replica_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/follow"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/model"
)

// The simulation runs three replicas of one partition under a scheduler that a
// seed decides: isr leads, follow decides where logs are cut, and a controller of
// a few lines elects, fences and agrees to in-sync sets as KIP-497, 841, 903 and
// 966 say. Logs lose what was not synced when the power fails. Under policy os a
// replica counts what it has not synced, and comes back unclean. In some worlds a
// replica that is out of sync may lead when no other can: what it lacks is given
// up then, and the rest holds on. After every step:
//
//   - policy end and high watermark are in order, and no leader's high watermark goes back
//   - what a leader called committed never changes (committed never lost), and every
//     leader has it (leader completeness)
//   - below both their high watermarks two logs are the same (log matching)

// mutation is a rule left out; the checks must notice.
type mutation int

const (
	none mutation = iota
	neverCut
	watermarkAtLogEnd
	watermarkOverCommittedSet
	followerDoesNotSync
	uncleanRestartIsTrusted
)

// world is what a simulation takes place in.
type world struct {
	os      bool // flush policy
	unclean bool // unclean.leader.election.enable
}

var worlds = []world{{}, {os: true}, {unclean: true}, {os: true, unclean: true}}

func (w world) String() string {
	policy := "fsync"
	if w.os {
		policy = "os"
	}
	if w.unclean {
		return policy + ", unclean elections"
	}
	return policy
}

type rec struct {
	epoch model.Epoch
	value int
}

type simReplica struct {
	id      model.NodeID
	up      bool
	life    model.BrokerEpoch
	log     []rec
	durable int
	hw      model.Offset
	epoch   model.Epoch // known of the metadata
	leader  model.NodeID
	lead    *isr.Leader
}

type sim struct {
	world
	t         *testing.T
	rng       *rand.Rand
	mutation  mutation
	now       time.Time
	replicas  []*simReplica
	committed []rec
	givenUp   int // committed records that unclean elections gave up
	value     int
	broken    string

	// What the controller holds.
	leader         model.NodeID
	epoch          model.Epoch
	partitionEpoch int32
	isr, elr       []model.NodeID
	fenced         map[model.NodeID]bool
	proposals      []isr.Proposal
}

const simMinISR = 2

func newSim(t *testing.T, w world, seed uint64, m mutation) *sim {
	s := &sim{world: w, t: t, rng: rand.New(rand.NewPCG(seed, 7)), mutation: m, now: time.Unix(1e9, 0), leader: 1, isr: []model.NodeID{1, 2, 3}, fenced: map[model.NodeID]bool{}}
	for id := model.NodeID(1); id <= 3; id++ {
		s.replicas = append(s.replicas, &simReplica{id: id, up: true, life: 1, leader: model.NoNode, epoch: -1})
	}
	return s
}

func (s *sim) get(id model.NodeID) *simReplica { return s.replicas[id-1] }

// Eligible and Current make the simulation isr.Brokers.
func (s *sim) Eligible(id model.NodeID, epoch model.BrokerEpoch, _ model.DirectoryID) bool {
	return !s.fenced[id] && epoch == s.get(id).life
}

func (s *sim) Current(id model.NodeID) (model.BrokerEpoch, bool) { return s.get(id).life, true }

func (r *simReplica) end() model.Offset { return model.Offset(len(r.log)) }

// policyEnd is how far the log counts as kept.
func (s *sim) policyEnd(r *simReplica) model.Offset {
	if s.os || s.mutation == watermarkAtLogEnd {
		return r.end()
	}
	return model.Offset(r.durable)
}

func (s *sim) fail(format string, args ...any) {
	if s.broken == "" {
		s.broken = fmt.Sprintf(format, args...)
	}
}

// learn is a replica following the metadata.
func (s *sim) learn(r *simReplica) {
	a := isr.Assignment{Replicas: []model.NodeID{1, 2, 3}, ISR: s.isr, PartitionEpoch: s.partitionEpoch}
	switch {
	case !r.up:
		return
	case s.leader != r.id:
		r.lead = nil
	case r.lead == nil:
		// As Partition.lead: a leader's own log counts from what is durable.
		r.lead = isr.NewLeader(isr.Config{Self: r.id, LagMax: 30 * time.Second, Brokers: s}, s.epoch, a, simMinISR, r.end(), max(s.policyEnd(r), r.hw), r.hw, s.now)
	case s.epoch > r.lead.Epoch():
		r.lead.Lead(s.epoch, a, s.now)
	default:
		r.lead.Assign(a, s.now)
	}
	r.leader, r.epoch = s.leader, s.epoch
	s.advanced(r)
}

// advanced takes a leader's high watermark over and notes what it calls committed.
func (s *sim) advanced(r *simReplica) {
	if r.lead == nil {
		return
	}
	hw := r.lead.HighWatermark()
	if s.mutation == watermarkOverCommittedSet {
		hw = s.naive(r)
	}
	if hw < r.hw {
		s.fail("high watermark of leader %d goes from %d back to %d", r.id, r.hw, hw)
	}
	r.hw = hw
	for i := range int(hw) {
		if i == len(s.committed) {
			s.committed = append(s.committed, r.log[i])
		} else if s.committed[i] != r.log[i] {
			s.fail("leader %d of epoch %d has %v committed at %d, where %v was", r.id, r.epoch, r.log[i], i, s.committed[i])
			return
		}
	}
}

// ends are what the naive watermark looks at: the offsets that followers fetched at.
var simEnds map[model.NodeID]model.Offset

func (s *sim) naive(r *simReplica) model.Offset {
	least := s.policyEnd(r)
	for _, id := range r.lead.ISR() {
		if id != r.id {
			least = min(least, simEnds[id])
		}
	}
	return max(r.hw, least)
}

// fetch is one fetch of a follower and what it does with the answer.
func (s *sim) fetch(r *simReplica) {
	if !r.up || r.lead != nil || r.leader == model.NoNode || r.leader == r.id {
		return
	}
	if !s.os && s.mutation != followerDoesNotSync {
		r.durable = len(r.log)
	}
	l := s.get(r.leader)
	if !l.up || l.lead == nil || l.epoch != r.epoch {
		return
	}
	last := model.NoEpoch
	if len(r.log) > 0 {
		last = r.log[len(r.log)-1].epoch
	}
	if epoch, end := endOf(l.log, last); last != model.NoEpoch && (epoch < last || end < r.end()) {
		if s.mutation != neverCut {
			e, local := endOf(r.log, epoch)
			cut := follow.CutAt(follow.EpochEnd{Epoch: epoch, End: end}, follow.EpochEnd{Epoch: e, End: local}, r.end())
			r.log = r.log[:cut:cut]
			r.durable = min(r.durable, int(cut))
			if cut < r.hw {
				s.fail("replica %d is cut to %d, below its high watermark %d", r.id, cut, r.hw)
			}
			return
		}
	} else if r.end() > l.end() {
		return
	}
	offset, leaderEnd, leaderHW := r.end(), l.end(), l.lead.HighWatermark()
	if s.mutation == watermarkOverCommittedSet {
		leaderHW = l.hw
	}
	simEnds[r.id] = offset
	if _, err := l.lead.Fetched(isr.Fetch{Follower: r.id, BrokerEpoch: r.life, Offset: offset, LeaderEnd: leaderEnd, HasEpoch: true}, s.now); err != nil {
		s.fail("fetch of %d: %v", r.id, err)
	}
	s.advanced(l)
	if p, ok := l.lead.Propose(s.now); ok {
		s.proposals = append(s.proposals, p)
	}
	if offset < leaderEnd {
		n := 1 + s.rng.IntN(int(leaderEnd-offset))
		r.log = append(r.log, l.log[offset:int(offset)+n]...)
	}
	if s.rng.IntN(2) == 0 && s.mutation != followerDoesNotSync {
		r.durable = len(r.log)
	}
	kept := model.Offset(r.durable)
	if s.os || s.mutation == followerDoesNotSync {
		kept = r.end()
	}
	r.hw = isr.FollowerHighWatermark(r.hw, leaderHW, kept)
}

// endOf is the largest epoch at or below epoch in a log, and where it ended.
func endOf(log []rec, epoch model.Epoch) (model.Epoch, model.Offset) {
	found, end := model.NoEpoch, model.Offset(0)
	for i, r := range log {
		if r.epoch > epoch {
			break
		}
		found, end = r.epoch, model.Offset(i+1)
	}
	return found, end
}

// crash takes a replica's power away: it loses some of what was not synced.
func (s *sim) crash(r *simReplica) {
	if !r.up {
		return
	}
	keep := r.durable + s.rng.IntN(len(r.log)-r.durable+1)
	r.log = r.log[:keep:keep]
	r.durable = keep
	r.up, r.lead, r.leader = false, nil, model.NoNode
	r.hw = min(r.hw, r.end())
	s.fence(r.id)
}

// fence takes a broker out of in-sync sets. The last ones stay eligible (KIP-966).
func (s *sim) fence(id model.NodeID) {
	s.fenced[id] = true
	if !slices.Contains(s.isr, id) {
		return
	}
	s.isr = slices.DeleteFunc(slices.Clone(s.isr), func(o model.NodeID) bool { return o == id })
	if len(s.isr) < simMinISR && !slices.Contains(s.elr, id) {
		s.elr = append(s.elr, id)
	}
	s.partitionEpoch++
	if s.leader == id {
		s.leader = model.NoNode
	}
	s.elect()
}

// elect finds a leader if there is none.
func (s *sim) elect() {
	if s.leader != model.NoNode {
		return
	}
	for _, set := range [][]model.NodeID{s.isr, s.elr} {
		for _, id := range set {
			if !s.fenced[id] {
				s.leader = id
				s.epoch++
				s.partitionEpoch++
				if !slices.Contains(s.isr, id) {
					s.isr = []model.NodeID{id}
				}
				s.tidy()
				s.complete(s.get(id))
				return
			}
		}
	}
	if s.unclean {
		s.electAny()
	}
}

// electAny makes a replica that is out of sync the leader. What it lacks is not
// committed any more, and nobody's high watermark is above where it parts.
func (s *sim) electAny() {
	up := slices.DeleteFunc(slices.Clone(s.replicas), func(r *simReplica) bool { return s.fenced[r.id] })
	if len(up) == 0 {
		return
	}
	r := up[s.rng.IntN(len(up))]
	s.leader, s.isr, s.elr = r.id, []model.NodeID{r.id}, nil
	s.epoch++
	s.partitionEpoch++
	kept := common(s.committed, r.log)
	s.givenUp += len(s.committed) - kept
	s.committed = s.committed[:kept:kept]
	for _, other := range s.replicas {
		other.hw = min(other.hw, model.Offset(common(other.log, r.log)))
	}
}

// common is how many records two logs begin with alike.
func common(a, b []rec) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// tidy keeps eligible leaders only while the in-sync set is too small.
func (s *sim) tidy() {
	s.elr = slices.DeleteFunc(slices.Clone(s.elr), func(id model.NodeID) bool {
		return slices.Contains(s.isr, id) || len(s.isr) >= simMinISR
	})
}

// complete checks leader completeness.
func (s *sim) complete(r *simReplica) {
	if len(r.log) < len(s.committed) || !slices.Equal(r.log[:len(s.committed)], s.committed) {
		s.fail("leader %d of epoch %d lacks what is committed: %v of %v", r.id, s.epoch, r.log, s.committed)
	}
}

// restart brings a replica back. Under policy fsync nothing that it acknowledged
// is lost, so it keeps its place; else it is no eligible leader any more.
func (s *sim) restart(r *simReplica) {
	if r.up {
		return
	}
	r.up, r.life = true, r.life+1
	s.fenced[r.id] = false
	if s.os && s.mutation != uncleanRestartIsTrusted {
		s.elr = slices.DeleteFunc(slices.Clone(s.elr), func(id model.NodeID) bool { return id == r.id })
		s.partitionEpoch++
	}
	s.elect()
}

// decide is the controller's decision on a proposal.
func (s *sim) decide() {
	if len(s.proposals) == 0 {
		return
	}
	p := s.proposals[0]
	s.proposals = s.proposals[1:]
	l := s.leader
	if l == model.NoNode || p.LeaderEpoch != s.epoch || p.PartitionEpoch != s.partitionEpoch {
		return // refused; the metadata brings what there is
	}
	for i, id := range p.ISR {
		if s.fenced[id] || p.BrokerEpochs[i] != s.get(id).life {
			if lead := s.get(l).lead; lead != nil {
				lead.Refused(p, s.now)
			}
			return
		}
	}
	s.isr = p.ISR
	s.partitionEpoch++
	s.tidy()
}

func (s *sim) step() {
	r := s.replicas[s.rng.IntN(3)]
	s.now = s.now.Add(time.Duration(s.rng.IntN(4000)) * time.Millisecond)
	switch s.rng.IntN(20) {
	case 0, 1, 2, 3:
		if r.up && r.lead != nil && r.leader == r.id && r.lead.MayAppend() {
			s.value++
			r.log = append(r.log, rec{r.epoch, s.value})
			r.lead.Local(r.end(), max(s.policyEnd(r), r.hw), s.now)
			s.advanced(r)
		}
	case 4, 5, 6, 7, 8, 9, 10:
		s.fetch(r)
	case 11, 12, 13:
		if r.up && s.mutation != followerDoesNotSync {
			r.durable = len(r.log)
		}
		if r.up && r.lead != nil {
			r.durable = len(r.log)
			r.lead.Local(r.end(), s.policyEnd(r), s.now)
			s.advanced(r)
		}
	case 14, 15:
		s.learn(r)
	case 16:
		s.decide()
	case 17:
		if r.up && r.lead != nil {
			if p, ok := r.lead.Propose(s.now); ok {
				s.proposals = append(s.proposals, p)
			}
		}
	case 18:
		if s.rng.IntN(3) == 0 {
			s.crash(r)
		}
	case 19:
		s.restart(r)
	}
	s.match()
}

// match checks that logs are the same below their high watermarks.
func (s *sim) match() {
	for i, a := range s.replicas {
		if a.hw > a.end() {
			s.fail("replica %d: high watermark %d beyond its end %d", a.id, a.hw, a.end())
			return
		}
		for _, b := range s.replicas[i+1:] {
			n := min(a.hw, b.hw, a.end(), b.end())
			if !slices.Equal(a.log[:n], b.log[:n]) {
				s.fail("replicas %d and %d differ below %d: %v, %v", a.id, b.id, n, a.log[:n], b.log[:n])
			}
		}
	}
}

// simulate runs one seed and returns what broke, how much was committed, and how
// much of what was once committed was given up.
func simulate(t *testing.T, w world, seed uint64, m mutation) (broken string, committed, givenUp int) {
	s := newSim(t, w, seed, m)
	simEnds = map[model.NodeID]model.Offset{}
	for range 1500 {
		if s.step(); s.broken != "" {
			break
		}
	}
	return s.broken, len(s.committed), s.givenUp
}

func TestSimulation(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.String(), func(t *testing.T) {
			total, lost := 0, 0
			for seed := range uint64(600) {
				broken, committed, givenUp := simulate(t, w, seed, none)
				if broken != "" {
					t.Fatalf("seed %d: %s", seed, broken)
				}
				total, lost = total+committed, lost+givenUp
			}
			t.Logf("%d records committed, %d given up", total, lost)
			if total < 600 {
				t.Errorf("only %d records were committed in all", total)
			}
			if w.unclean != (lost > 0) {
				t.Errorf("%d records were given up", lost)
			}
		})
	}
}

func TestSimulationNoticesMutations(t *testing.T) {
	for _, c := range []struct {
		mutation mutation
		world    world
		name     string
	}{
		{neverCut, world{}, "the log is never cut"},
		{neverCut, world{unclean: true}, "the log is never cut after an unclean election"},
		{watermarkAtLogEnd, world{}, "the watermark counts what is not synced"},
		{watermarkOverCommittedSet, world{}, "the watermark is over the committed set only"},
		{watermarkOverCommittedSet, world{os: true}, "the watermark is over the committed set only, under policy os"},
		{followerDoesNotSync, world{}, "a follower fetches on before it has synced"},
		{uncleanRestartIsTrusted, world{os: true}, "an unclean restart is trusted"},
	} {
		caught := false
		for seed := uint64(0); seed < 3000 && !caught; seed++ {
			broken, _, _ := simulate(t, c.world, seed, c.mutation)
			if caught = broken != ""; caught {
				t.Logf("%s: seed %d: %s", c.name, seed, broken)
			}
		}
		if !caught {
			t.Errorf("nobody notices that %s", c.name)
		}
	}
}
