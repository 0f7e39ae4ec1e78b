package fetch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/fetch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// world is a node, a cache of sessions and one topic.
type world struct {
	t     *testing.T
	node  *replicatest.Node
	cache *fetch.Cache
	topic model.TopicID
	looks int // how often a partition was looked at
}

func newWorld(t *testing.T, partitions, slots int) *world {
	w := &world{t: t, node: replicatest.Start(t, vfs.NewMem(), replicatest.OS), cache: fetch.NewCache(slots, time.Now)}
	w.topic = w.node.CreateTopic("t", partitions)
	t.Cleanup(func() {
		w.cache.Close()
		if err := w.node.Set.Close(1); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) Closer(*replica.Partition, model.Offset) model.NodeID { return model.NoNode }

func (w *world) Resolve(_ string, id model.TopicID, index int32) (string, *replica.Partition, error) {
	w.looks++
	if w.node.Image().Partition(id, index) == nil {
		return "", nil, kerr.UnknownTopicID
	}
	p, err := w.node.Set.Partition(id, index)
	return "t", p, err
}

// want is a partition in a request: index and offset.
type want struct{ index, offset int64 }

func (w *world) request(session, epoch int32, wants ...want) fetch.Request {
	topic := wire.FetchRequestTopic{TopicID: model.UUID(w.topic)}
	for _, x := range wants {
		var p wire.FetchRequestPartition
		p.Reset()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = int32(x.index), x.offset, 1<<20
		topic.Partitions = append(topic.Partitions, p)
	}
	r := fetch.Request{SessionID: session, SessionEpoch: epoch, UsesIDs: true}
	if len(wants) > 0 {
		r.Topics = []wire.FetchRequestTopic{topic}
	}
	return r
}

func terms(wait time.Duration) fetch.Terms {
	return fetch.Terms{Follower: model.NoNode, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: wait}
}

func (w *world) fetch(r fetch.Request, t fetch.Terms) (int32, []fetch.Result) {
	w.t.Helper()
	f, err := w.cache.Begin(r)
	if err != nil {
		w.t.Fatal(err)
	}
	id, results, err := f.Run(w.t.Context(), t, w)
	if err != nil {
		w.t.Fatal(err)
	}
	return id, results
}

func (w *world) append(index int32, value string) {
	w.t.Helper()
	if _, _, err := w.node.Partition(w.topic, index).Append(replicatest.Batch(value), 1, replica.Client); err != nil {
		w.t.Fatal(err)
	}
}

func indexes(results []fetch.Result) (out []int32) {
	for _, r := range results {
		out = append(out, r.Index)
	}
	return out
}

func TestIncrementalFetchCostsWhatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 100, 10)
		var all []want
		for i := range int64(100) {
			all = append(all, want{i, 0})
		}
		id, first := w.fetch(w.request(0, 0, all...), terms(0))
		if id == 0 || len(first) != 100 {
			t.Fatalf("session %d with %d partitions", id, len(first))
		}
		w.append(42, "x")
		w.looks = 0
		_, second := w.fetch(w.request(id, 1), terms(time.Second))
		if got := indexes(second); len(got) != 1 || got[0] != 42 || w.looks != 1 {
			t.Errorf("answered %v after looking at %d", got, w.looks)
		}
		// The client has not moved: it is told again.
		_, again := w.fetch(w.request(id, 2), terms(time.Second))
		if got := indexes(again); len(got) != 1 || got[0] != 42 {
			t.Errorf("not told again: %v", got)
		}
		w.looks = 0
		start := time.Now()
		_, none := w.fetch(w.request(id, 3, want{42, 1}), terms(time.Second))
		if len(none) != 0 || time.Since(start) != time.Second || w.looks != 1 {
			t.Errorf("answered %v after %v and %d looks", indexes(none), time.Since(start), w.looks)
		}
	})
}

func TestWakesOnceMinBytesCanBeMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, 10)
		size := len(replicatest.Batch("0123456789"))
		terms := terms(time.Minute)
		terms.MinBytes = 3 * size
		done := make(chan int)
		go func() {
			_, results := w.fetch(w.request(0, -1, want{0, 0}, want{1, 0}), terms)
			total := 0
			for _, r := range results {
				total += int(r.LogEnd)
			}
			done <- total
		}()
		synctest.Wait()
		w.append(0, "0123456789")
		w.append(1, "0123456789")
		synctest.Wait()
		if w.looks != 2 {
			t.Errorf("looked %d times with two thirds of min.bytes", w.looks)
		}
		select {
		case <-done:
			t.Fatal("answered with two thirds of min.bytes")
		default:
		}
		start := time.Now()
		w.append(0, "0123456789")
		if total := <-done; total != 3 || time.Since(start) != 0 {
			t.Errorf("answered %d records after %v", total, time.Since(start))
		}
	})
}

func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 10)
		ctx, cancel := context.WithCancel(t.Context())
		f, err := w.cache.Begin(w.request(0, -1, want{0, 0}))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if _, _, err := f.Run(ctx, terms(time.Hour), w); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestRoleChangeWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 10)
		done := make(chan []fetch.Result)
		leaderOnly := terms(time.Hour)
		leaderOnly.LeaderOnly = true
		go func() {
			_, results := w.fetch(w.request(0, -1, want{0, 0}), leaderOnly)
			done <- results
		}()
		synctest.Wait()
		w.node.Lead(w.topic, 0, 2)
		if r := <-done; len(r) != 1 || !errors.Is(r[0].Err, kerr.NotLeaderOrFollower) || r[0].HighWatermark != -1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestSessionErrors(t *testing.T) {
	w := newWorld(t, 1, 10)
	id, _ := w.fetch(w.request(0, 0, want{0, 0}), terms(0))
	byName := w.request(id, 1)
	byName.UsesIDs = false
	for _, c := range []struct {
		name string
		r    fetch.Request
		want error
	}{
		{"another session", w.request(id%1000+1, 1), kerr.FetchSessionIDNotFound},
		{"another epoch", w.request(id, 2), kerr.InvalidFetchSessionEpoch},
		{"names for ids", byName, kerr.FetchSessionTopicIDError},
	} {
		if _, err := w.cache.Begin(c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	w.fetch(w.request(id, 1), terms(0))
	w.fetch(w.request(id, 2), terms(0))
	if closed, _ := w.fetch(w.request(id, -1, want{0, 0}), terms(0)); closed != 0 || w.cache.Stats().Sessions != 0 {
		t.Errorf("the last epoch left session %d, %+v", closed, w.cache.Stats())
	}
}

func TestForgottenTopics(t *testing.T) {
	w := newWorld(t, 2, 10)
	id, _ := w.fetch(w.request(0, 0, want{0, 0}, want{1, 0}), terms(0))
	w.append(0, "x")
	w.append(1, "x")
	r := w.request(id, 1)
	r.Forgotten = []wire.FetchRequestForgottenTopicsData{{TopicID: model.UUID(w.topic), Partitions: []int32{0}}}
	if _, results := w.fetch(r, terms(0)); len(results) != 1 || results[0].Index != 1 {
		t.Errorf("answered %v", indexes(results))
	}
	r = w.request(id, 2)
	r.Forgotten = []wire.FetchRequestForgottenTopicsData{{TopicID: model.UUID(w.topic), Partitions: []int32{1}}}
	if left, _ := w.fetch(r, terms(0)); left != 0 || w.cache.Stats().Sessions != 0 {
		t.Errorf("a session without partitions stayed: %d", left)
	}
}

// A later fetch of the session overtakes one that still waits, which a client
// does when its connection broke.
func TestOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 10)
		id, _ := w.fetch(w.request(0, 0, want{0, 0}), terms(0))
		f, err := w.cache.Begin(w.request(id, 1))
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, _, err := f.Run(t.Context(), terms(time.Hour), w)
			done <- err
		}()
		synctest.Wait()
		g, err := w.cache.Begin(w.request(id, 2))
		if err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, kerr.InvalidFetchSessionEpoch) {
			t.Errorf("the overtaken fetch: %v", err)
		}
		go func() {
			_, results, err := g.Run(t.Context(), terms(time.Hour), w)
			if len(results) != 1 {
				t.Errorf("the later fetch answered %v", indexes(results))
			}
			done <- err
		}()
		synctest.Wait()
		w.append(0, "x")
		if err := <-done; err != nil {
			t.Errorf("the later fetch: %v", err)
		}
	})
}

func TestTakingTurns(t *testing.T) {
	w := newWorld(t, 3, 10)
	for i := range int32(3) {
		w.append(i, strings.Repeat("x", 100))
	}
	small := terms(0)
	small.MaxBytes = 1 // the first batch comes all the same
	id, _ := w.fetch(w.request(0, 0, want{0, 0}, want{1, 0}, want{2, 0}), small)
	var order []int32
	for epoch := int32(1); epoch <= 4; epoch++ {
		_, results := w.fetch(w.request(id, epoch), small)
		order = append(order, indexes(results)...)
	}
	if len(order) != 4 || order[0] != 1 || order[1] != 2 || order[2] != 0 || order[3] != 1 {
		t.Errorf("partitions came in the order %v", order)
	}
}

func TestUnknownPartitionWaitsForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 10)
		start := time.Now()
		_, results := w.fetch(w.request(0, -1, want{0, 0}, want{7, 0}), terms(time.Second))
		if time.Since(start) != time.Second || len(results) != 2 || !errors.Is(results[1].Err, kerr.UnknownTopicID) {
			t.Errorf("%+v after %v", results, time.Since(start))
		}
		start = time.Now()
		w.fetch(w.request(0, -1, want{7, 0}), terms(time.Second))
		if time.Since(start) != 0 {
			t.Errorf("alone it was answered after %v", time.Since(start))
		}
	})
}
