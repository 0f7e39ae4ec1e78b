package coordinator_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// TestExactlyOnce lets members of a group copy records in transactions that commit
// what they have read as well (KIP-447): against the group's machine and that of the
// transactions, each with a log whose leadership is lost, appends that fail, and
// requests, answers and markers that are lost, late or doubled. Members pause, are
// thrown out without knowing, go on as zombies, and are replaced by others with
// their transactional ids; the groups are classic or of KIP-848, by the seed.
//
// Of no record are there ever two copies that a reader of committed records sees,
// and in the end of each that the group has passed there is one and of no other any.
func TestExactlyOnce(t *testing.T) {
	happened := map[string]int{}
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			w := newSimulation(t, seed)
			for range 6000 {
				w.step()
			}
			w.settle()
			for what, n := range w.happened {
				happened[what] += n
			}
		})
	}
	t.Log(happened)
	for _, what := range []string{"copied", "aborted", "fenced member", "fenced producer", "unstable", "group failover", "transaction failover", "usurped", "paused", "marker lost", "rejoined"} {
		if happened[what] < 40 {
			t.Errorf("too little happened: %s %d times", what, happened[what])
		}
	}
}

const (
	theGroup      = "copiers"
	source        = "in"
	sources       = 4
	outputs       = 2
	transactional = 2 // version of transactions
)

// offsetsPartition is where the group's offsets lie; to the coordinator of
// transactions it is a partition like any other.
var offsetsPartition = model.Partition{Topic: model.OffsetsTopic}

type simulation struct {
	*rand.Rand
	t        *testing.T
	now      time.Time
	steps    int
	modern   bool // the group is of KIP-848
	groups   *shell
	txns     *shell
	outputs  []*output
	sending  []*markers
	late     []func()
	copiers  []*copier
	members  int
	seen     map[input]int // copies that are committed
	happened map[string]int
}

// input is a record to be copied.
type input struct {
	partition int32
	offset    int64
}

// markers is a SendMarkers of one leadership.
type markers struct {
	txn.SendMarkers
	leadership int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	w := &simulation{Rand: rand.New(rand.NewPCG(seed, 447)), t: t, now: time.UnixMilli(1_000_000_000_000), modern: seed%2 == 1, seen: map[input]int{}, happened: map[string]int{}}
	for range outputs {
		w.outputs = append(w.outputs, &output{producers: map[model.ProducerID]*writer{}})
	}
	w.groups = &shell{simulation: w, name: "group", fresh: w.groupMachine()}
	w.txns = &shell{simulation: w, name: "transaction", fresh: w.txnMachine()}
	w.groups.lead()
	w.txns.lead()
	for i := range 3 {
		w.spawn(fmt.Sprint("id", i))
	}
	return w
}

func (w *simulation) groupMachine() func() machine.Machine {
	limits := func(d time.Duration) consumer.Limits {
		return consumer.Limits{Default: d, Min: time.Millisecond, Max: time.Hour}
	}
	config := &group.Config{MaxMetadata: 100, Retention: 100 * time.Hour, CheckInterval: time.Hour, Classic: group.ClassicConfig{MaxSize: 100},
		Consumer: consumer.Config{SessionTimeout: limits(20 * time.Second), HeartbeatInterval: limits(time.Second), MaxSize: 100,
			Assignors: []string{"uniform"}, Migration: consumer.ParsePolicy("disabled"), RegexRefresh: time.Hour, ClassicMaxSize: 100}}
	ids := 0
	return func() machine.Machine {
		return group.New(group.Options{Config: config, NewID: func() string { ids++; return fmt.Sprintf("member%d", ids) }})
	}
}

func (w *simulation) txnMachine() func() machine.Machine {
	next := model.ProducerID(100)
	config := txn.Config{NewID: func() (model.ProducerID, bool) { next++; return next, true }, MaxTimeout: time.Minute, Expiration: 100 * time.Hour,
		AbortInterval: time.Second, ExpiryInterval: time.Hour, Linger: time.Duration(w.IntN(2)) * 50 * time.Millisecond, Retry: 100 * time.Millisecond}
	return func() machine.Machine { return txn.New(config) }
}

func image() *metadata.Image {
	d := metadata.NewDraft(metadata.Empty)
	id := model.UUID{15: 7}
	records := []wire.Record{&wire.FeatureLevelRecord{Name: metadata.FeatureTransactionVersion, FeatureLevel: transactional}, &wire.TopicRecord{Name: source, TopicID: id}}
	for p := range int32(sources) {
		r := &wire.PartitionRecord{}
		r.Reset()
		r.PartitionID, r.TopicID, r.Leader, r.Replicas, r.ISR, r.Directories = p, id, 1, []int32{1}, []int32{1}, make([]model.UUID, 1)
		records = append(records, r)
	}
	for _, r := range records {
		if err := d.Apply(r, 0); err != nil {
			panic(err)
		}
	}
	img, _ := d.Image(0, 1)
	return img
}

func (w *simulation) chance(percent int) bool { return w.IntN(100) < percent }

func (w *simulation) step() {
	w.steps++
	switch n := w.IntN(100); {
	case n < 55:
		w.copiers[w.IntN(len(w.copiers))].act()
	case n < 75:
		for _, s := range []*shell{w.groups, w.txns} {
			if open := len(s.log) - s.committed; open > 0 {
				s.commit(1 + w.IntN(open))
			}
		}
	case n < 88:
		w.sendMarkers()
	case n < 95:
		d := time.Duration(w.IntN(400)) * time.Millisecond
		if w.chance(3) {
			d = time.Duration(w.IntN(10)) * time.Second
		}
		w.pass(d)
	case n < 96 && w.chance(40):
		[]*shell{w.groups, w.txns}[w.IntN(2)].failover()
	case n < 97 && w.chance(6):
		w.happened["usurped"]++
		w.spawn(w.copiers[w.IntN(len(w.copiers))].id)
	case n < 99 && len(w.late) > 0:
		i := w.IntN(len(w.late))
		arrives := w.late[i]
		w.late = slices.Delete(w.late, i, i+1)
		arrives()
	}
}

func (w *simulation) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.groups.tick()
	w.txns.tick()
}

// sendMarkers tries one marker that is outstanding, at one partition.
func (w *simulation) sendMarkers() {
	if len(w.sending) == 0 {
		return
	}
	i := w.IntN(len(w.sending))
	m := w.sending[i]
	at := m.Partitions[w.IntN(len(m.Partitions))]
	if w.chance(15) {
		w.happened["marker lost"]++
		return
	}
	written := func() {
		if m.leadership != w.txns.leadership || w.chance(15) {
			return // nobody is there to hear it, or it is lost, and the marker is sent again
		}
		m.Partitions = slices.DeleteFunc(slices.Clone(m.Partitions), func(p model.Partition) bool { return p == at })
		w.sending = slices.DeleteFunc(w.sending, func(o *markers) bool { return len(o.Partitions) == 0 })
		tell := func() {
			if m.leadership == w.txns.leadership {
				w.txns.do(w.txns.m.Handle(w.now, 0, txn.MarkersWritten{TransactionalID: m.TransactionalID, Round: m.Round, Partitions: []model.Partition{at}}))
			}
		}
		tell()
		if w.chance(20) {
			w.late = append(w.late, tell)
		}
	}
	refused := false
	if at == offsetsPartition {
		refused = !w.groups.mark(m, written)
	} else if refused = !w.outputs[at.Index].mark(w, m); !refused {
		written()
	}
	if refused { // another leadership is at it
		w.sending = slices.DeleteFunc(w.sending, func(o *markers) bool { return o == m })
	}
}

// copied: a copy has become visible.
func (w *simulation) copied(in input) {
	w.happened["copied"]++
	if w.seen[in]++; w.seen[in] > 1 {
		w.t.Fatalf("step %d: there are two copies of %v", w.steps, in)
	}
}

// settle lets everything come to its end without copiers, and compares what the
// group has passed with what there is.
func (w *simulation) settle() {
	w.copiers, w.late = nil, nil
	for range 3000 {
		w.groups.commit(len(w.groups.log) - w.groups.committed)
		w.txns.commit(len(w.txns.log) - w.txns.committed)
		w.sendMarkers()
		w.pass(20 * time.Millisecond)
	}
	offsets := map[int32]int64{}
	w.groups.ask(fetchOffsets(), func(response any, err error) {
		if err == nil {
			offsets, err = committedIn(response.(*wire.OffsetFetchResponseGroup))
		}
		if err != nil {
			w.t.Fatalf("in the end: %v", err)
		}
	})
	w.groups.commit(len(w.groups.log) - w.groups.committed)
	total := 0
	for p, end := range offsets {
		for o := range end {
			if w.seen[input{p, o}] != 1 {
				w.t.Fatalf("%d-%d has been passed, the group is at %d, and there is no copy of it", p, o, end)
			}
		}
		total += int(end)
	}
	if total != len(w.seen) {
		w.t.Fatalf("%d records were passed, and there are copies of %d", total, len(w.seen))
	}
	for _, o := range w.outputs {
		for id, p := range o.producers {
			if len(p.open) > 0 {
				w.t.Fatalf("producer %d is left open", id)
			}
		}
	}
}

func fetchOffsets() group.Request {
	topic := wire.OffsetFetchRequestGroupTopic{Name: source}
	for p := range int32(sources) {
		topic.PartitionIndexes = append(topic.PartitionIndexes, p)
	}
	q := &wire.OffsetFetchRequestGroup{GroupID: theGroup, MemberEpoch: -1, Topics: []wire.OffsetFetchRequestGroupTopic{topic}}
	return group.Request{Version: 9, ClientID: "c", ClientHost: "/h", Body: group.FetchOffsets{Group: q, RequireStable: true}}
}

// committedIn are the offsets in a response, from 0 on.
func committedIn(r *wire.OffsetFetchResponseGroup) (map[int32]int64, error) {
	if r.ErrorCode != 0 {
		return nil, kerr.FromCode(r.ErrorCode)
	}
	all := map[int32]int64{}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return nil, kerr.FromCode(p.ErrorCode)
			}
			all[p.PartitionIndex] = max(0, p.CommittedOffset)
		}
	}
	return all, nil
}

// output is a partition that copies are written to; its leader and its log stay.
type output struct {
	producers map[model.ProducerID]*writer
}

// writer is what a partition knows of a producer.
type writer struct {
	known      bool
	epoch      int16
	leadership int // of the coordinator whose marker came last
	marks      int
	open       []input
}

// guard is what a marker changes that comes between a verification and the append.
type guard struct {
	known      bool
	epoch      int16
	leadership int
	marks      int
}

func (p writer) guard() guard { return guard{p.known, p.epoch, p.leadership, p.marks} }

func (o *output) writer(id model.ProducerID) *writer {
	p := o.producers[id]
	if p == nil {
		p = &writer{}
		o.producers[id] = p
	}
	return p
}

// stale reports whether a marker is of the past: nothing is open that it could end.
func (p *writer) stale(m *markers) bool {
	return p.known && (m.Producer.Epoch < p.epoch || m.Producer.Epoch == p.epoch && len(p.open) > 0)
}

func (o *output) mark(w *simulation, m *markers) bool {
	p := o.writer(m.Producer.ID)
	if p.leadership > m.leadership {
		return false
	}
	if p.stale(m) {
		return true
	}
	for _, in := range p.open {
		if m.Commit {
			w.copied(in)
		}
	}
	*p = writer{known: true, epoch: m.Producer.Epoch, leadership: m.leadership, marks: p.marks + 1}
	return true
}

// verified has the coordinator add a partition to a producer's transaction before
// the first of its records there (KIP-890), and then writes, unless a marker came
// in between.
func (w *simulation) verified(c *copier, at model.Partition, state func() writer, write func(), failed func(error)) {
	before := state()
	producer := *c.producer
	switch {
	case before.known && before.epoch > producer.Epoch:
		failed(kerr.ProducerFenced)
		return
	case before.known && before.epoch == producer.Epoch && len(before.open) > 0:
		write()
		return
	}
	request := txn.AddPartitions{TransactionalID: c.id, Producer: producer, Partitions: []model.Partition{at}, Client: transactional}
	w.txns.call(request, func(response any, err error) {
		if err == nil {
			err = response.(txn.AddPartitionsReply).Err
		}
		if now := state(); err == nil && now.guard() != before.guard() {
			err = kerr.InvalidTxnState
		}
		if err != nil {
			failed(err)
			return
		}
		write()
	})
}

// shell runs a machine as package coordinator does, on a log in memory.
type shell struct {
	*simulation
	name       string
	fresh      func() machine.Machine
	m          machine.Machine
	leadership int
	log        []entry
	committed  int
	held       []held
	token      machine.Token
	callers    map[machine.Token]func(any, error)
}

// entry is a record or a marker.
type entry struct {
	record     machine.Record
	producer   machine.Producer
	marker     bool
	commit     bool
	leadership int // of the coordinator that sent the marker
}

// held is what leaves once its part of the log is committed.
type held struct {
	end    int
	leaves func()
}

func (s *shell) lead() {
	s.m, s.callers, s.held = s.fresh(), map[machine.Token]func(any, error){}, nil
	for i := range s.log {
		s.fold(i)
	}
	s.do(s.m.Start(s.now, image()))
}

func (s *shell) fold(i int) {
	e := s.log[i]
	if e.marker {
		s.m.FoldMarker(e.producer, e.commit)
	} else if err := s.m.Fold(machine.Origin{Offset: model.Offset(i), Timestamp: s.now, Producer: e.producer}, e.record); err != nil {
		s.t.Fatalf("step %d: %v", s.steps, err)
	}
}

func (s *shell) append(e entry) {
	s.log = append(s.log, e)
	s.fold(len(s.log) - 1)
}

// failover makes another broker lead, which has all that was written or only what
// was committed.
func (s *shell) failover() {
	s.happened[s.name+" failover"]++
	s.leadership++
	s.log = s.log[:s.committed+s.IntN(len(s.log)-s.committed+1)]
	s.committed = len(s.log)
	callers, last := s.callers, s.token
	s.lead()
	for t := range last + 1 {
		if answer := callers[t]; answer != nil {
			answer(nil, kerr.NotCoordinator)
		}
	}
	s.tick()
}

func (s *shell) tick() {
	for n := 0; !s.m.Due().IsZero() && !s.m.Due().After(s.now); n++ {
		if n > 1000 {
			s.t.Fatalf("step %d: the machine is never done", s.steps)
		}
		s.do(s.m.Tick(s.now))
	}
}

// do appends what a machine decided, or not.
func (s *shell) do(e machine.Effects) {
	for len(e.Records) > 0 && s.chance(3) {
		for _, r := range e.Replies {
			s.answer(r.Token, nil, kerr.CoordinatorNotAvailable)
		}
		e = s.m.Refused(s.now, e, machine.Refusal(kerr.NotEnoughReplicas))
	}
	producer := machine.Producer{ID: -1, Epoch: -1}
	if e.Transaction != nil {
		producer = *e.Transaction
	}
	for _, r := range e.Records {
		s.append(entry{record: r, producer: producer})
	}
	leadership := s.leadership
	s.hold(func() {
		for _, event := range e.Events {
			s.sending = append(s.sending, &markers{event.(txn.SendMarkers), leadership})
		}
		for _, r := range e.Replies {
			s.answer(r.Token, r.Response, nil)
		}
	})
}

func (s *shell) hold(leaves func()) {
	s.held = append(s.held, held{len(s.log), leaves})
	s.commit(0)
}

func (s *shell) commit(n int) {
	s.committed += n
	for len(s.held) > 0 && s.held[0].end <= s.committed {
		h := s.held[0]
		s.held = s.held[1:]
		h.leaves()
	}
}

func (s *shell) answer(t machine.Token, response any, err error) {
	answer := s.callers[t]
	if answer == nil {
		s.t.Fatalf("step %d: an answer to %d, who does not wait: %+v", s.steps, t, response)
	}
	delete(s.callers, t)
	answer(response, err)
}

// ask sends a request that arrives, and is answered.
func (s *shell) ask(request any, answered func(any, error)) {
	s.token++
	s.callers[s.token] = answered
	s.do(s.m.Handle(s.now, s.token, request))
}

// call sends a request that may be lost, and whose answer may be.
func (s *shell) call(request any, answered func(any, error)) {
	if s.chance(3) {
		answered(nil, kerr.RequestTimedOut)
		return
	}
	lost := s.chance(3)
	s.ask(request, func(response any, err error) {
		if lost {
			response, err = nil, kerr.RequestTimedOut
		}
		answered(response, err)
	})
}

// writer is what the log says of a producer.
func (s *shell) writer(id model.ProducerID) writer {
	p := writer{}
	for _, e := range s.log {
		switch {
		case e.producer.ID != id:
		case e.marker:
			p = writer{known: true, epoch: e.producer.Epoch, leadership: e.leadership, marks: p.marks + 1}
		default:
			p.known, p.epoch, p.open = true, e.producer.Epoch, append(p.open, input{})
		}
	}
	return p
}

// mark writes a marker, and tells once it is committed; false when the coordinator
// that sends it is one of the past.
func (s *shell) mark(m *markers, written func()) bool {
	p := s.writer(m.Producer.ID)
	if p.leadership > m.leadership {
		return false
	}
	if !p.stale(m) {
		s.append(entry{producer: m.Producer, marker: true, commit: m.Commit, leadership: m.leadership})
	}
	s.hold(written)
	return true
}

// fatal reports errors after which a producer can do nothing any more.
func fatal(err error) bool {
	for _, f := range []error{kerr.ProducerFenced, kerr.InvalidProducerIDMapping, kerr.InvalidTxnState, kerr.InvalidProducerEpoch} {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}
