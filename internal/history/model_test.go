package history

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// world is a cluster that keeps every promise, and clients at work on it: one
// step at a time, in any order. Requests are answered long after they took
// effect, or never.
type world struct {
	rng     *rand.Rand
	now     time.Duration
	logs    [][]string // by partition
	history History
	values  int
	open    []*request
	numbers map[string]int
	reader  map[string][]int // positions, by consumer
}

// request is a send under way.
type request struct {
	op      Op
	applied bool
}

func newWorld(seed uint64, partitions int) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 1)), logs: make([][]string, partitions), numbers: map[string]int{}, reader: map[string][]int{}}
}

func (w *world) step() {
	w.now += time.Millisecond
	switch w.rng.IntN(4) {
	case 0:
		w.send()
	case 1, 2:
		w.advance()
	case 3:
		w.poll(fmt.Sprintf("c%d", w.rng.IntN(2)))
	}
}

// send begins one: a producer that is idempotent and one that is not.
func (w *world) send() {
	client := fmt.Sprintf("p%d", w.rng.IntN(2))
	p := Partition{"t", int32(w.rng.IntN(len(w.logs)))}
	w.values++
	w.numbers[client+p.String()]++
	w.open = append(w.open, &request{op: Op{
		Kind: Send, Client: client, Begin: w.now, Partition: p, Value: fmt.Sprint("v", w.values), Number: w.numbers[client+p.String()],
		Offset: -1, Acks: -1, Idempotent: client == "p0",
	}})
}

// advance does the next thing to one of the sends: the first of its producer and
// partition, which is what idempotence is.
func (w *world) advance() {
	if len(w.open) == 0 {
		return
	}
	r := w.open[w.rng.IntN(len(w.open))]
	for _, other := range w.open {
		if other.op.Client == r.op.Client && other.op.Partition == r.op.Partition {
			r = other
			break
		}
	}
	p := r.op.Partition.Index
	chance := w.rng.IntN(10)
	switch {
	case !r.applied && chance == 0: // refused
		w.answer(r, Failed)
	case !r.applied && chance == 1: // never arrived
		w.answer(r, Unknown)
	case !r.applied:
		r.applied, r.op.Offset = true, int64(len(w.logs[p]))
		w.logs[p] = append(w.logs[p], r.op.Value)
		if !r.op.Idempotent && chance == 2 { // arrived twice
			w.logs[p] = append(w.logs[p], r.op.Value)
		}
	case chance == 0: // the answer was lost
		w.answer(r, Unknown)
	default:
		w.answer(r, OK)
	}
}

func (w *world) answer(r *request, outcome Outcome) {
	r.op.End, r.op.Outcome = w.now, outcome
	if outcome != OK {
		r.op.Offset = -1
	}
	w.history = append(w.history, r.op)
	w.open = slices.DeleteFunc(w.open, func(o *request) bool { return o == r })
}

func (w *world) poll(client string) {
	positions := w.reader[client]
	if positions == nil || w.rng.IntN(20) == 0 {
		positions = make([]int, len(w.logs))
		w.reader[client] = positions
		w.history = append(w.history, Op{Kind: Assign, Client: client, Begin: w.now, End: w.now})
		w.now++
	}
	op := Op{Kind: Poll, Client: client, Begin: w.now, End: w.now}
	for i, log := range w.logs {
		n := min(len(log)-positions[i], w.rng.IntN(5))
		if n > 0 {
			op.Reads = append(op.Reads, w.read(i, positions[i], positions[i]+n))
			positions[i] += n
		}
	}
	w.history = append(w.history, op)
}

func (w *world) read(partition, from, to int) Read {
	r := Read{Partition: Partition{"t", int32(partition)}}
	for i := from; i < to; i++ {
		r.Offsets = append(r.Offsets, int64(i))
		r.Values = append(r.Values, w.logs[partition][i])
	}
	return r
}

// finish answers what is under way and reads everything.
func (w *world) finish() History {
	for _, r := range slices.Clone(w.open) {
		w.answer(r, Unknown)
	}
	w.now++
	for i, log := range w.logs {
		w.history = append(w.history, Op{Kind: Final, Client: "final", Begin: w.now, End: w.now, Reads: []Read{w.read(i, 0, len(log))}})
	}
	w.rng.Shuffle(len(w.history), func(i, j int) { w.history[i], w.history[j] = w.history[j], w.history[i] })
	return w.history
}

func simulated(seed uint64) *world {
	w := newWorld(seed, 2)
	for range 400 {
		w.step()
	}
	w.finish()
	return w
}

// Nothing is found in the histories of a world that keeps its promises.
func TestNothingFalse(t *testing.T) {
	for seed := range uint64(300) {
		w := simulated(seed)
		if r := Check(w.history, Minimum{Acknowledged: 10, Read: 10, Faults: 0}); r.Verdict() != Fine {
			t.Fatalf("seed %d:\n%s", seed, r)
		}
	}
}

// sabotage breaks one promise in a history; false when there is nothing to break.
type sabotage func(w *world) bool

// everyRead changes each read of one partition.
func (w *world) everyRead(change func(op *Op, r *Read)) {
	for i := range w.history {
		for j := range w.history[i].Reads {
			change(&w.history[i], &w.history[i].Reads[j])
		}
	}
}

func (r *Read) remove(i int) {
	r.Offsets, r.Values = slices.Delete(r.Offsets, i, i+1), slices.Delete(r.Values, i, i+1)
}

// pick is any send that want takes.
func (w *world) pick(want func(op *Op) bool) *Op {
	for _, i := range w.rng.Perm(len(w.history)) {
		if op := &w.history[i]; op.Kind == Send && want(op) {
			return op
		}
	}
	return nil
}

func (w *world) isRead(op *Op) bool { return slices.Contains(w.logs[op.Partition.Index], op.Value) }

// Whatever promise is broken in such a history, the check for it notices.
func TestEveryBreachIsFound(t *testing.T) {
	drop := func(w *world, victim *Op, from Kind) bool {
		if victim == nil {
			return false
		}
		w.everyRead(func(op *Op, r *Read) {
			for i := slices.Index(r.Values, victim.Value); i >= 0 && (from == "" || op.Kind == from); i = slices.Index(r.Values, victim.Value) {
				r.remove(i)
			}
		})
		return true
	}
	for kind, break_ := range map[string]sabotage{
		LostWrite: func(w *world) bool {
			return drop(w, w.pick(func(op *Op) bool { return op.Outcome == OK }), "")
		},
		Unseen: func(w *world) bool {
			polled := map[string]bool{}
			w.everyRead(func(op *Op, r *Read) {
				for _, v := range r.Values {
					polled[v] = polled[v] || op.Kind == Poll
				}
			})
			return drop(w, w.pick(func(op *Op) bool { return polled[op.Value] }), Final)
		},
		AbortedRead: func(w *world) bool {
			victim := w.pick(func(op *Op) bool { return op.Outcome == Unknown && w.isRead(op) })
			if victim != nil {
				victim.Outcome = Failed
			}
			return victim != nil
		},
		Inconsistent: func(w *world) bool {
			victim := w.pick(func(op *Op) bool {
				return op.Outcome == OK && op.Idempotent && int(op.Offset)+1 < len(w.logs[op.Partition.Index])
			})
			if victim != nil {
				victim.Offset++
			}
			return victim != nil
		},
		Duplicate: func(w *world) bool {
			victim := w.pick(func(op *Op) bool { return op.Idempotent && w.isRead(op) })
			if victim == nil {
				return false
			}
			end := int64(len(w.logs[victim.Partition.Index]))
			w.everyRead(func(op *Op, r *Read) {
				if op.Kind == Final && r.Partition == victim.Partition {
					r.Offsets, r.Values = append(r.Offsets, end), append(r.Values, victim.Value)
				}
			})
			return true
		},
		RealTimeOrder: func(w *world) bool {
			early := w.pick(func(op *Op) bool { return op.Outcome == OK })
			late := w.pick(func(op *Op) bool { return op.Outcome == OK && early.Partition == op.Partition && early.End < op.Begin })
			if early == nil || late == nil {
				return false
			}
			early.Offset, late.Offset = late.Offset, early.Offset
			w.everyRead(func(_ *Op, r *Read) {
				for i, v := range r.Values {
					switch v {
					case early.Value:
						r.Values[i] = late.Value
					case late.Value:
						r.Values[i] = early.Value
					}
				}
			})
			return true
		},
		UnexpectedRead: func(w *world) bool {
			victim := w.pick(w.isRead)
			if victim == nil {
				return false
			}
			victim.Partition.Index = 1 - victim.Partition.Index
			return true
		},
		Backwards: func(w *world) bool {
			done := false
			w.everyRead(func(op *Op, r *Read) {
				if n := len(r.Values); !done && op.Kind == Poll && n > 1 {
					r.Offsets[0], r.Offsets[n-1] = r.Offsets[n-1], r.Offsets[0]
					r.Values[0], r.Values[n-1] = r.Values[n-1], r.Values[0]
					done = true
				}
			})
			return done
		},
		Skipped: func(w *world) bool {
			done := false
			w.everyRead(func(op *Op, r *Read) {
				if !done && op.Kind == Poll && len(r.Values) > 2 {
					r.remove(1)
					done = true
				}
			})
			return done
		},
	} {
		t.Run(kind, func(t *testing.T) {
			broken := 0
			for seed := range uint64(100) {
				w := simulated(seed)
				if !break_(w) {
					continue
				}
				broken++
				if r := Check(w.history, Minimum{}); r.Found[kind] == nil {
					t.Fatalf("seed %d:\n%s", seed, r)
				}
			}
			if broken < 50 {
				t.Errorf("only %d histories could be broken", broken)
			}
		})
	}
}
