package coordinator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// toy is a machine that keeps a map of texts.
type toy struct {
	values  map[string]string
	pending map[machine.Producer]map[string]string
	due     time.Time
	waiting []machine.Token // for the next put
	refused int
	image   *metadata.Image
}

func newToy(int32) machine.Machine {
	return &toy{values: map[string]string{}, pending: map[machine.Producer]map[string]string{}}
}

// The requests of a toy.
type (
	put struct {
		Key, Value string
		Event      any
		Producer   *machine.Producer
	}
	get    struct{ Key string }
	all    struct{}
	next   struct{}
	ping   struct{}
	status struct{}
	alarm  struct{ At time.Time }
)

type state struct {
	Values  map[string]string
	Refused int
	Offset  model.Offset
}

func (m *toy) Fold(from machine.Origin, r machine.Record) error {
	if len(r.Key) == 0 {
		return errors.New("a record without a key")
	}
	to := m.values
	if from.Producer.ID >= 0 {
		if to = m.pending[from.Producer]; to == nil {
			to = map[string]string{}
			m.pending[from.Producer] = to
		}
	}
	if r.Value == nil {
		delete(to, string(r.Key))
	} else {
		to[string(r.Key)] = string(r.Value)
	}
	return nil
}

func (m *toy) FoldMarker(p machine.Producer, committed bool) {
	for id, values := range m.pending {
		if id.ID != p.ID {
			continue
		}
		if committed {
			maps.Copy(m.values, values)
		}
		delete(m.pending, id)
	}
}

func (m *toy) Start(_ time.Time, img *metadata.Image) machine.Effects {
	m.image = img
	return machine.Effects{}
}

func (m *toy) Handle(_ time.Time, t machine.Token, request any) machine.Effects {
	reply := func(response any) machine.Effects {
		return machine.Effects{Replies: []machine.Reply{{Token: t, Response: response}}}
	}
	switch r := request.(type) {
	case put:
		e := reply("put")
		e.Records = []machine.Record{{Key: []byte(r.Key), Value: []byte(r.Value)}}
		e.Transaction = r.Producer
		for _, w := range m.waiting {
			e.Replies = append(e.Replies, machine.Reply{Token: w, Response: r.Key})
		}
		m.waiting = nil
		if r.Event != nil {
			e.Events = []any{r.Event}
		}
		return e
	case get:
		return reply(m.values[r.Key])
	case all:
		text, _ := json.Marshal(m.values)
		return reply(string(text))
	case next:
		m.waiting = append(m.waiting, t)
	case ping:
		return machine.Effects{Replies: []machine.Reply{{Token: t, Response: "pong", Early: true}}}
	case status:
		return reply(state{maps.Clone(m.values), m.refused, m.image.Offset})
	case alarm:
		m.due = r.At
		return reply("set")
	}
	return machine.Effects{}
}

func (m *toy) Update(_ time.Time, img *metadata.Image) machine.Effects {
	m.image = img
	return machine.Effects{}
}

func (m *toy) Due() time.Time { return m.due }

func (m *toy) Tick(time.Time) machine.Effects {
	m.due = time.Time{}
	return machine.Effects{Records: []machine.Record{{Key: []byte("alarm"), Value: []byte("rang")}}}
}

func (m *toy) Refused(time.Time, machine.Effects, error) machine.Effects {
	m.refused++
	return machine.Effects{}
}

// world is a broker with one Set over a topic of some partitions.
type world struct {
	*replicatest.Node
	t     *testing.T
	set   *coordinator.Set
	id    model.TopicID
	stop  func()
	event []string
}

const topic = "__toys"

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, n *replicatest.Node, change func(*coordinator.Options)) *world {
	w := &world{Node: n, t: t}
	o := coordinator.Options{
		Topic: topic, New: newToy, Self: replicatest.Self, Partitions: n.Set, Count: 7, Now: time.Now, Logger: quiet,
		Events: func(p int32, epoch model.Epoch, event any) {
			w.event = append(w.event, fmt.Sprintf("%v from %d in epoch %d", event, p, epoch))
		},
	}
	if change != nil {
		change(&o)
	}
	w.set = coordinator.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.set.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	return w
}

// start runs a broker on a file system, in a synctest bubble.
func start(t *testing.T, partitions int) *world {
	n := replicatest.Start(t, vfs.NewMem(), replicatest.Fsync)
	w := open(t, n, nil)
	w.id = n.CreateTopic(topic, partitions)
	w.set.Publish(n.Image())
	synctest.Wait()
	return w
}

func (w *world) close() {
	w.t.Helper()
	w.stop()
	if err := w.Set.Close(-1); err != nil {
		w.t.Error(err)
	}
}

func (w *world) lead(partition int32, leader model.NodeID) {
	w.Lead(w.id, partition, leader)
	w.set.Publish(w.Image())
}

func (w *world) call(partition int32, request any) any {
	w.t.Helper()
	response, err := w.set.Call(w.t.Context(), partition, request)
	if err != nil {
		w.t.Fatalf("%#v: %v", request, err)
	}
	return response
}

func (w *world) fails(partition int32, request any, want error) {
	w.t.Helper()
	if response, err := w.set.Call(w.t.Context(), partition, request); !errors.Is(err, want) {
		w.t.Fatalf("%#v: %v %v, want %v", request, response, err, want)
	}
}

func TestCallsAndFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 2)
		defer w.close()
		w.call(0, put{Key: "a", Value: "1"})
		w.call(1, put{Key: "b", Value: "2", Event: "hello"})
		if got := w.call(0, get{"a"}); got != "1" {
			t.Errorf("got %v", got)
		}
		if len(w.event) != 1 || w.event[0] != "hello from 1 in epoch 0" {
			t.Errorf("events %v", w.event)
		}
		w.lead(0, 2)
		w.fails(0, get{"a"}, kerr.NotCoordinator)
		w.lead(0, replicatest.Self)
		synctest.Wait()
		if got := w.call(0, get{"a"}); got != "1" {
			t.Errorf("after the leadership came back: %v", got)
		}
	})
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// async makes a call whose outcome comes later.
func (w *world) async(partition int32, request any) chan string {
	out := make(chan string, 1)
	go func() {
		response, err := w.set.Call(w.t.Context(), partition, request)
		if err != nil {
			out <- err.Error()
			return
		}
		out <- fmt.Sprint(response)
	}()
	synctest.Wait()
	return out
}

func pending(t *testing.T, c chan string) {
	t.Helper()
	select {
	case got := <-c:
		t.Fatalf("answered with %q before that was committed", got)
	default:
	}
}

func answered(t *testing.T, c chan string, want string) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-c:
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	default:
		t.Fatalf("no answer, want %q", want)
	}
}

// gated runs a broker whose syncs of records wait while shut holds a value.
func gated(t *testing.T, change func(*coordinator.Options)) (w *world, shut, open func()) {
	gate := make(chan struct{}, 1)
	disk := vfs.NewFaulty(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && (strings.HasSuffix(op.Path, ".log") || strings.Contains(op.Path, "/journal/")) {
			gate <- struct{}{}
			<-gate
		}
		return nil
	})
	n := replicatest.Start(t, disk, replicatest.Fsync)
	w = opened(t, n, change)
	return w, func() { gate <- struct{}{} }, func() { <-gate }
}

func opened(t *testing.T, n *replicatest.Node, change func(*coordinator.Options)) *world {
	w := open(t, n, change)
	w.id = n.CreateTopic(topic, 1)
	w.set.Publish(n.Image())
	synctest.Wait()
	return w
}

// What a reply shows, its own writes or another's, is committed when it leaves.
func TestRepliesAndEventsWaitForTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, shut, open := gated(t, nil)
		defer w.close()
		shut()
		put := w.async(0, put{Key: "a", Value: "1", Event: "event"})
		get := w.async(0, get{"a"})
		ping := w.async(0, ping{})
		answered(t, ping, "pong")
		pending(t, put)
		pending(t, get)
		if len(w.event) != 0 {
			t.Fatalf("event %v left before the commit", w.event)
		}
		open()
		answered(t, put, "put")
		answered(t, get, "1")
		if len(w.event) != 1 {
			t.Errorf("events %v", w.event)
		}
	})
}

func TestLeadershipEndsWhileCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, shut, open := gated(t, nil)
		defer w.close()
		next := w.async(0, next{})
		shut()
		put := w.async(0, put{Key: "a", Value: "1", Event: "event"})
		w.lead(0, 2)
		answered(t, put, "NOT_COORDINATOR")
		answered(t, next, "NOT_COORDINATOR")
		w.lead(0, replicatest.Self)
		open()
		synctest.Wait()
		if got := w.call(0, get{"a"}); got != "1" || len(w.event) != 0 {
			t.Errorf("the next leadership has %q and heard of %v", got, w.event)
		}
	})
}

// A leadership that was lost and came back between two looks is another one: what
// the old one decided is not appended.
func TestLeadershipThatCameBackUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		waits := w.async(0, next{})
		w.Records(replicatest.Leader(w.id, 0, 2), replicatest.Leader(w.id, 0, replicatest.Self))
		w.fails(0, put{Key: "a", Value: "1"}, kerr.NotCoordinator)
		answered(t, waits, "NOT_COORDINATOR")
		w.set.Publish(w.Image())
		synctest.Wait()
		w.call(0, put{Key: "a", Value: "2"})
		if got := w.call(0, get{"a"}); got != "2" {
			t.Errorf("got %v", got)
		}
	})
}

// Epochs led without a gap are one leadership, and events name the newest.
func TestGaplessEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		waits := w.async(0, next{})
		w.lead(0, replicatest.Self)
		w.call(0, put{Key: "a", Value: "1", Event: "event"})
		answered(t, waits, "a")
		if len(w.event) != 1 || w.event[0] != "event from 0 in epoch 1" {
			t.Errorf("events %v", w.event)
		}
	})
}

func TestRefusedAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		disk := vfs.NewFaulty(vfs.NewMem(), func(op vfs.Op) error {
			if full.Load() && op.Kind == vfs.OpWrite && strings.HasSuffix(op.Path, ".log") {
				return syscall.ENOSPC
			}
			return nil
		})
		n := replicatest.Start(t, disk, replicatest.Fsync)
		w := opened(t, n, nil)
		defer w.close()
		w.call(0, put{Key: "a", Value: "1"})

		small := replicatest.Fsync
		small.Log.MaxMessageBytes = 100
		n.Topics[topic] = small
		n.Configured(topic)
		large := put{Key: "a", Value: strings.Repeat("x", 1000), Event: "event"}
		w.fails(0, large, kerr.UnknownServerError)
		w.fails(0, large, kerr.MessageTooLarge)
		full.Store(true)
		w.fails(0, put{Key: "a", Value: "3"}, kerr.NotCoordinator)
		full.Store(false)
		if got := w.call(0, status{}).(state); got.Values["a"] != "1" || got.Refused != 3 || len(w.event) != 0 {
			t.Errorf("after refused appends: %+v, events %v", got, w.event)
		}
		w.call(0, put{Key: "a", Value: "4"})
		if got := w.set.Stats(); got.Refused != 3 || got.Appends != 2 || got.Active != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestNothingIsServedBeforeAllIsLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loaded := make(chan struct{})
		n := replicatest.Start(t, vfs.NewMem(), replicatest.Fsync)
		w := opened(t, n, func(o *coordinator.Options) {
			o.New = func(p int32) machine.Machine {
				<-loaded
				return newToy(p)
			}
		})
		defer w.close()
		w.fails(0, get{"a"}, kerr.CoordinatorLoadInProgress)
		w.fails(1, get{"a"}, kerr.NotCoordinator)
		if responses, loading := w.set.Each(t.Context(), get{"a"}); len(responses) != 0 || !loading {
			t.Errorf("each: %v, loading %v", responses, loading)
		}
		close(loaded)
		synctest.Wait()
		if responses, loading := w.set.Each(t.Context(), get{"a"}); len(responses) != 1 || loading {
			t.Errorf("each: %v, loading %v", responses, loading)
		}
	})
}

func TestEachAnswersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 5)
		defer w.close()
		for p := range int32(5) {
			w.call(p, put{Key: "k", Value: fmt.Sprint(p)})
		}
		w.lead(3, 2)
		if got, loading := w.set.Each(t.Context(), get{"k"}); fmt.Sprint(got) != "[0 1 2 4]" || loading {
			t.Errorf("%v, loading %v", got, loading)
		}
	})
}

// Records of a transaction count once its marker says so, live and after a
// failover, and an older coordinator's marker is refused (KIP-98).
func TestTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		p, q := machine.Producer{ID: 7, Epoch: 1}, machine.Producer{ID: 8}
		w.call(0, put{Key: "a", Value: "1", Producer: &p})
		w.call(0, put{Key: "b", Value: "1", Producer: &q})
		look := func(want string) {
			t.Helper()
			for range 2 {
				if got := w.call(0, all{}); got != want {
					t.Fatalf("got %v, want %v", got, want)
				}
				w.lead(0, 2)
				w.lead(0, replicatest.Self)
				synctest.Wait()
			}
		}
		look(`{}`)
		mark := func(p machine.Producer, committed bool, coordinatorEpoch model.Epoch) error {
			return w.set.Mark(t.Context(), 0, coordinator.Marker{Producer: p, Committed: committed, CoordinatorEpoch: coordinatorEpoch})
		}
		if err := mark(p, true, 5); err != nil {
			t.Fatal(err)
		}
		look(`{"a":"1"}`)
		if err := mark(q, false, 5); err != nil {
			t.Fatal(err)
		}
		look(`{"a":"1"}`)
		w.call(0, put{Key: "c", Value: "1", Producer: &p})
		if err := mark(p, true, 4); !errors.Is(err, kerr.TransactionCoordinatorFenced) {
			t.Errorf("an older coordinator's marker: %v", err)
		}
		if err := mark(machine.Producer{ID: 7}, true, 6); !errors.Is(err, kerr.InvalidProducerEpoch) {
			t.Errorf("an older producer's marker: %v", err)
		}
		look(`{"a":"1"}`)
	})
}

// The records of a transaction need a verification (KIP-890).
func TestVerifiedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		strict := replicatest.Fsync
		strict.Log.Verify = true
		w.Topics[topic] = strict
		w.Configured(topic)
		request := put{Key: "a", Value: "1", Producer: &machine.Producer{ID: 7}}
		w.fails(0, request, kerr.InvalidTxnState)
		guard, err := w.set.Verify(0, commitlog.Verification{Producer: 7, Sequence: batch.NoSequence})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.set.CallVerified(t.Context(), 0, guard, request); err != nil {
			t.Error(err)
		}
		w.call(0, request) // the transaction is open
		if _, err := w.set.Verify(1, commitlog.Verification{Producer: 7}); !errors.Is(err, kerr.NotCoordinator) {
			t.Error(err)
		}
	})
}

func TestTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		w.call(0, alarm{time.Now().Add(time.Minute)})
		time.Sleep(time.Minute - time.Nanosecond)
		synctest.Wait()
		if got := w.call(0, get{"alarm"}); got != "" {
			t.Fatal("the alarm rang too early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := w.call(0, get{"alarm"}); got != "rang" {
			t.Fatal("the alarm did not ring")
		}
	})
}

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, shut, open := gated(t, func(o *coordinator.Options) { o.Patience = 5 * time.Second })
		defer w.close()
		shut()
		first := w.async(0, put{Key: "a", Value: "1", Event: "first"})
		time.Sleep(3 * time.Second)
		second := w.async(0, put{Key: "a", Value: "2", Event: "second"})
		time.Sleep(2 * time.Second)
		answered(t, first, "COORDINATOR_NOT_AVAILABLE: not committed in time")
		pending(t, second)
		open()
		answered(t, second, "put")
		if len(w.event) != 2 {
			t.Errorf("events %v: they are not subject to patience", w.event)
		}
	})
}

func TestTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		w.lead(0, 2)
		w.lead(0, replicatest.Self)
		synctest.Wait()
		for _, c := range []struct {
			epoch model.Epoch
			want  string
		}{{0, ""}, {1, ""}, {2, "1"}} {
			if err := w.set.Tell(t.Context(), 0, c.epoch, put{Key: "a", Value: "1"}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := w.call(0, get{"a"}); got != c.want {
				t.Errorf("told of epoch %d: %q", c.epoch, got)
			}
		}
	})
}

func TestImages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		w.CreateTopic("other", 1)
		w.set.Publish(w.Image())
		synctest.Wait()
		if got := w.call(0, status{}).(state); got.Offset != w.Image().Offset {
			t.Errorf("the machine is at image %d of %d", got.Offset, w.Image().Offset)
		}
	})
}

// The topic deleted and created again is another topic.
func TestTopicCreatedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		w.call(0, put{Key: "a", Value: "1"})
		w.Records(&wire.RemoveTopicRecord{TopicID: model.UUID(w.id)})
		w.set.Publish(w.Image())
		w.fails(0, get{"a"}, kerr.NotCoordinator)
		w.id = w.CreateTopic(topic, 1)
		w.set.Publish(w.Image())
		synctest.Wait()
		if got := w.call(0, get{"a"}); got != "" {
			t.Errorf("got %v", got)
		}
	})
}

// What an administrator writes into the topic is folded where it stands.
func TestForeignRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1)
		defer w.close()
		w.call(0, put{Key: "a", Value: "1"})
		b := batch.New(batch.Options{})
		b.Add(time.Now().UnixMilli(), []byte("foreign"), []byte("x"))
		b.Add(time.Now().UnixMilli(), nil, []byte("not understood"))
		records, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Partition(w.id, 0).Append(records, -1, replica.Client); err != nil {
			t.Fatal(err)
		}
		w.call(0, put{Key: "a", Value: "2"})
		const want = `{"a":"2","foreign":"x"}`
		if got := w.call(0, all{}); got != want {
			t.Errorf("live: %v", got)
		}
		w.lead(0, 2)
		w.lead(0, replicatest.Self)
		synctest.Wait()
		if got := w.call(0, all{}); got != want {
			t.Errorf("loaded: %v", got)
		}
		if got := w.set.Stats().Unreadable; got != 2 {
			t.Errorf("%d records not understood, want one twice", got)
		}
	})
}

// A partition whose records cannot be read is not coordinated; the others are.
func TestCorruptPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		n := replicatest.Start(t, mem, replicatest.Fsync)
		w := open(t, n, nil)
		w.id = n.CreateTopic(topic, 2)
		w.set.Publish(n.Image())
		synctest.Wait()
		w.call(0, put{Key: "a", Value: "1"})
		w.call(1, put{Key: "a", Value: "1"})
		w.close()
		f, err := mem.OpenFile("data/"+topic+"-0/00000000000000000000.log", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte{0xff}, batch.HeaderSize+3); err != nil {
			t.Fatal(err)
		}
		n.Open(n.Options(mem, "data"))
		w = open(t, n, nil)
		defer w.close()
		w.set.Publish(n.Image())
		synctest.Wait()
		w.fails(0, get{"a"}, kerr.NotCoordinator)
		if got := w.call(1, get{"a"}); got != "1" {
			t.Errorf("the good partition: %v", got)
		}
		if got := w.set.Stats(); got.FailedLoads != 1 || got.Active != 1 {
			t.Errorf("%+v", got)
		}
	})
}
