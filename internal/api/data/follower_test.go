package data_test

import (
	"testing"
	"testing/synctest"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// A follower in the in-sync set holds the high watermark back until it has
// fetched beyond the records; its fetch is what commits them.
func TestFollowerCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
		b.id = model.TopicID{0: 60, 15: 160}
		r := replicatest.PartitionRecord(b.id, 0)
		r.Replicas, r.ISR = []int32{1, 2}, []int32{1, 2}
		r.Directories = append(r.Directories, r.Directories[0])
		b.node.Records(&wire.TopicRecord{Name: "two", TopicID: model.UUID(b.id)}, r)
		p := b.node.Partition(b.id, 0)

		pending := b.produce.Begin(t.Context(), request(9, produceTo("two", 0, -1, replicatest.Batch("x"))))
		done := make(chan *wire.ProduceResponse)
		go func() { done <- pending.Wait(t.Context()).(*wire.ProduceResponse) }()
		synctest.Wait()
		if s, err := p.Status(); err != nil || s.HighWatermark != 0 || s.LogEnd != 1 {
			t.Errorf("before the follower has it: %+v, %v", s, err)
		}
		consumer := b.get(17, b.fetchRequest(17, 0))
		if got := consumer.Responses[0].Partitions[0]; got.Records.Len() != 0 || got.HighWatermark != 0 {
			t.Errorf("a consumer sees %+v", got)
		}

		follow := func(offset int64, id int32) *wire.FetchResponsePartition {
			req := b.fetchRequest(17, 0)
			req.ReplicaState.ReplicaID, req.ReplicaState.ReplicaEpoch = id, -1
			q := &req.Topics[0].Partitions[0]
			q.FetchOffset, q.CurrentLeaderEpoch = offset, 0
			return &b.get(17, req).Responses[0].Partitions[0]
		}
		if got := follow(0, 2); got.Records.Len() == 0 || got.HighWatermark != 0 {
			t.Errorf("the follower gets %+v", got)
		}
		if got := follow(0, 3); got.ErrorCode != kerr.UnknownLeaderEpoch.Code || got.Records.Len() != 0 {
			t.Errorf("who is no replica gets %+v", got)
		}
		follow(1, 2)
		if response := <-done; response.Responses[0].PartitionResponses[0].ErrorCode != 0 {
			t.Errorf("%+v", response)
		}
		if s, err := p.Status(); err != nil || s.HighWatermark != 1 {
			t.Errorf("after: %+v, %v", s, err)
		}
		diverged := b.fetchRequest(17, 0)
		diverged.ReplicaState.ReplicaID = 2
		q := &diverged.Topics[0].Partitions[0]
		q.FetchOffset, q.CurrentLeaderEpoch, q.LastFetchedEpoch = 5, 0, 0
		if got := b.get(17, diverged).Responses[0].Partitions[0]; got.DivergingEpoch.Epoch != 0 || got.DivergingEpoch.EndOffset != 1 {
			t.Errorf("a follower beyond the end gets %+v", got)
		}
	})
}

// A fetch that waits while its follower has long fetched further, on another
// connection, does not take the follower back: the high watermark would stand
// still until the next append.
func TestWaitingFetchIsOldNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
		b.id = model.TopicID{0: 60, 15: 160}
		r := replicatest.PartitionRecord(b.id, 0)
		r.Replicas, r.ISR = []int32{1, 2}, []int32{1, 2}
		r.Directories = append(r.Directories, r.Directories[0])
		b.node.Records(&wire.TopicRecord{Name: "two", TopicID: model.UUID(b.id)}, r)
		p := b.node.Partition(b.id, 0)
		ask := func(offset int64, minBytes int32) *wire.FetchRequest {
			req := b.fetchRequest(17, 0)
			req.ReplicaState.ReplicaID, req.ReplicaState.ReplicaEpoch = 2, -1
			req.MaxWaitMS, req.MinBytes = 10_000, minBytes
			q := &req.Topics[0].Partitions[0]
			q.FetchOffset, q.CurrentLeaderEpoch = offset, 0
			return req
		}
		waited := make(chan *wire.FetchResponse)
		go func() { waited <- b.get(17, ask(0, 200)) }()
		synctest.Wait()
		append1 := func(value string) {
			if _, _, err := p.Append(replicatest.Batch(value), 1, replica.Client); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		append1("x")
		b.get(17, ask(1, 0))
		append1(string(make([]byte, 300))) // now the waiting one is answered
		if got := (<-waited).Responses[0].Partitions[0]; got.Records.Len() == 0 {
			t.Errorf("%+v", got)
		}
		if got := p.Readable(1); len(got) != 1 || got[0].End != 1 {
			t.Errorf("the follower is believed to be at %+v", got)
		}
	})
}

// TestOldConnectionIsOldNews: a fetch that the leader handles only after those of
// the follower's next connection takes the follower back in no order of events.
// The fetcher of another log directory has a connection of its own.
func TestOldConnectionIsOldNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
		b.id = model.TopicID{0: 60, 15: 160}
		r := replicatest.PartitionRecord(b.id, 0)
		r.Replicas, r.ISR = []int32{1, 2}, []int32{1, 2}
		r.Directories = append(r.Directories, r.Directories[0])
		b.node.Records(&wire.TopicRecord{Name: "two", TopicID: model.UUID(b.id)}, r)
		p := b.node.Partition(b.id, 0)
		if _, _, err := p.Append(replicatest.Batch("x"), 1, replica.Client); err != nil {
			t.Fatal(err)
		}
		fetchOn := func(connection uint64, client string, offset int64, wait, minBytes int32) *wire.FetchResponse {
			req := b.fetchRequest(17, 0)
			req.SessionEpoch = 0 // begins a session
			req.ReplicaState.ReplicaID, req.ReplicaState.ReplicaEpoch = 2, -1
			req.MaxWaitMS, req.MinBytes = wait, minBytes
			q := &req.Topics[0].Partitions[0]
			q.FetchOffset, q.CurrentLeaderEpoch = offset, 0
			asked := request(17, req)
			asked.Header.ClientID, asked.ConnectionNumber = &client, connection
			return b.fetch.Handle(t.Context(), asked).(*wire.FetchResponse)
		}
		end := func() model.Offset {
			t.Helper()
			got := p.Readable(0)
			if len(got) != 1 {
				t.Fatalf("%+v", got)
			}
			return got[0].End
		}
		waiting := make(chan *wire.FetchResponse)
		go func() { waiting <- fetchOn(4, "fetcher-0", 0, 10_000, 1_000) }()
		synctest.Wait()
		fetchOn(5, "fetcher-0", 1, 0, 1)
		if got := (<-waiting).ErrorCode; got == 0 {
			t.Error("a fetch on the old connection waits on")
		}
		if got := fetchOn(4, "fetcher-0", 0, 0, 1).ErrorCode; got != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("a fetch on the old connection: error %d", got)
		}
		if got := end(); got != 1 {
			t.Errorf("the follower was taken back to %d", got)
		}
		if got := fetchOn(3, "fetcher-1", 1, 0, 1).ErrorCode; got != 0 {
			t.Errorf("the other fetcher: error %d", got)
		}
	})
}
