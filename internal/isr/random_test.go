package isr

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/model"
)

// world is three brokers around one leader: what each replica truly keeps, and
// a controller that agrees to proposals or not.
type world struct {
	t     *testing.T
	r     *rand.Rand
	l     *Leader
	now   time.Time
	truth map[model.NodeID]model.Offset // what a follower keeps now
	view  brokers
	epoch int32
	asked []Proposal
	last  model.Offset
	isr   []model.NodeID // as the controller has it
}

// check holds after every step: the order of the ends, a high watermark that
// never goes back, and all that is newly committed kept by every replica of the
// controller's in-sync set and by every replica that might be in it by now.
func (w *world) check(step string) {
	w.t.Helper()
	l := w.l
	if l.highWatermark > l.policyEnd || l.policyEnd > l.end {
		w.t.Fatalf("%s: high watermark %d, policy end %d, end %d", step, l.highWatermark, l.policyEnd, l.end)
	}
	if stable := LastStable(l.highWatermark, model.Offset(w.r.Int64N(int64(l.end)+1))); stable > l.highWatermark {
		w.t.Fatalf("%s: last stable %d > high watermark %d", step, stable, l.highWatermark)
	}
	if l.highWatermark < w.last {
		w.t.Fatalf("%s: high watermark went from %d to %d", step, w.last, l.highWatermark)
	}
	if l.highWatermark == w.last {
		return
	}
	w.last = l.highWatermark
	might := slices.Clone(w.isr)
	for _, p := range w.asked {
		might = append(might, p.ISR...)
	}
	for _, id := range might {
		if id != 1 && w.truth[id] < l.highWatermark {
			w.t.Fatalf("%s: high watermark %d but broker %d keeps %d (in-sync %v)", step, l.highWatermark, id, w.truth[id], w.isr)
		}
	}
}

func (w *world) step() string {
	l := w.l
	switch w.r.IntN(8) {
	case 0, 1:
		l.Local(l.end+model.Offset(w.r.IntN(5)), l.policyEnd, w.now)
		return "append"
	case 2:
		l.Local(l.end, l.policyEnd+model.Offset(w.r.Int64N(int64(l.end-l.policyEnd)+1)), w.now)
		return "sync"
	case 3, 4:
		id := model.NodeID(2 + w.r.IntN(2))
		f := Fetch{Follower: id, BrokerEpoch: w.view[id], Offset: w.truth[id], LeaderEnd: l.end, HasEpoch: true}
		if _, err := l.Fetched(f, w.now); err != nil {
			w.t.Fatal(err)
		}
		w.truth[id] += model.Offset(w.r.Int64N(int64(l.end-w.truth[id]) + 1))
		return "fetch"
	case 5:
		w.now = w.now.Add(time.Duration(w.r.IntN(20)) * time.Second)
		if p, ok := l.Propose(w.now); ok {
			w.asked = append(w.asked, p)
		}
		return "propose"
	case 6:
		return w.answer()
	default:
		if w.r.IntN(4) > 0 {
			return "nothing"
		}
		w.epoch++
		w.asked = nil // the controller refuses what an old epoch proposed
		l.Lead(l.epoch+1, Assignment{Replicas: ids(1, 2, 3), ISR: w.isr, PartitionEpoch: w.epoch}, w.now)
		return "lead"
	}
}

func (w *world) answer() string {
	if len(w.asked) == 0 {
		return "nothing"
	}
	p := w.asked[0]
	w.asked = w.asked[1:]
	if w.r.IntN(3) == 0 {
		w.l.Refused(p, w.now)
		return "refused"
	}
	w.epoch++
	w.isr = p.ISR
	w.l.Assign(Assignment{Replicas: ids(1, 2, 3), ISR: w.isr, PartitionEpoch: w.epoch}, w.now)
	return "agreed"
}

func TestRandomLeadership(t *testing.T) {
	for seed := range uint64(300) {
		w := &world{
			t: t, r: rand.New(rand.NewPCG(seed, 7)), now: t0, epoch: 1,
			truth: map[model.NodeID]model.Offset{}, view: brokers{1: 10, 2: 20, 3: 30}, isr: ids(1, 2, 3),
		}
		c := Config{Self: 1, LagMax: 30 * time.Second, Brokers: w.view}
		w.l = NewLeader(c, 1, Assignment{Replicas: ids(1, 2, 3), ISR: w.isr, PartitionEpoch: 1}, 1+w.r.IntN(2), 0, 0, 0, t0)
		for range 400 {
			w.check(w.step())
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
		}
		if w.last == 0 {
			t.Errorf("seed %d: nothing was ever committed", seed)
		}
	}
}
