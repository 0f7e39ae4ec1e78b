package coordinator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
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

func open(t *testing.T, n *replicatest.Node, change func(*coordinator.Options)) *world {
	w := &world{Node: n, t: t}
	o := coordinator.Options{
		Topic: topic, New: newToy, Self: replicatest.Self, Partitions: n.Set, Count: 7, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
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
