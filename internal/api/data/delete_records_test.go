package data_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/api/data"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

func (b *broker) deleteRecords(ctx context.Context, topic string, index int32, before int64) wire.DeleteRecordsResponsePartition {
	b.t.Helper()
	h := &data.DeleteRecords{Image: b.node.Image, Partitions: b.node.Set, Authorizer: b.denied}
	req := &wire.DeleteRecordsRequest{TimeoutMS: 10_000, Topics: []wire.DeleteRecordsRequestTopic{{
		Name: topic, Partitions: []wire.DeleteRecordsRequestPartition{{PartitionIndex: index, Offset: before}},
	}}}
	out := h.Handle(ctx, request(2, req)).(*wire.DeleteRecordsResponse)
	if len(out.Topics) != 1 || out.Topics[0].Name != topic || len(out.Topics[0].Partitions) != 1 || out.Topics[0].Partitions[0].PartitionIndex != index {
		b.t.Fatalf("%+v", out)
	}
	return out.Topics[0].Partitions[0]
}

func TestDeleteRecords(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	b.denied["secret"] = true
	b.must("a", "b", "c", "d", "e")
	compacted := replicatest.Fsync
	compacted.Log.Compact, compacted.Log.Delete = true, false
	b.node.Topics = map[string]replica.TopicConfig{"compacted": compacted}
	b.node.CreateTopic("compacted", 1)
	b.node.CreateTopic("__consumer_offsets", 1)
	elsewhere := b.node.CreateTopic("elsewhere", 1)
	b.node.Lead(elsewhere, 0, 2)
	for _, c := range []struct {
		topic  string
		index  int32
		before int64
		low    int64
		err    *kerr.Error
	}{
		{"t", 0, 2, 2, nil},
		{"t", 0, 1, 2, nil}, // it begins later already
		{"t", 0, 6, -1, kerr.OffsetOutOfRange},
		{"t", 0, -2, -1, kerr.OffsetOutOfRange},
		{"t", 0, -1, 5, nil}, // the high watermark
		{"t", 1, 0, 0, nil},
		{"t", 9, 0, -1, kerr.UnknownTopicOrPartition},
		{"unknown", 0, 0, -1, kerr.UnknownTopicOrPartition},
		{"secret", 0, 0, -1, kerr.TopicAuthorizationFailed},
		{"compacted", 0, 0, -1, kerr.PolicyViolation},
		{"__consumer_offsets", 0, 0, -1, kerr.InvalidTopicException},
		{"elsewhere", 0, 0, -1, kerr.NotLeaderOrFollower},
	} {
		got := b.deleteRecords(t.Context(), c.topic, c.index, c.before)
		var code int16
		if c.err != nil {
			code = c.err.Code
		}
		if got.LowWatermark != c.low || got.ErrorCode != code {
			t.Errorf("%s-%d before %d: %+v, want %d and code %d", c.topic, c.index, c.before, got, c.low, code)
		}
	}
	if got := b.offset(7, listRequest(-2)); got.Offset != 5 {
		t.Errorf("earliest offset %d", got.Offset)
	}
}

// The answer waits until the log of each live follower begins there too.
func TestDeleteRecordsWaitsForFollowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
		b.node.Live = map[model.NodeID]bool{2: true}
		b.id = model.TopicID{0: 60, 15: 160}
		r := replicatest.PartitionRecord(b.id, 0)
		r.Replicas, r.ISR = []int32{1, 2, 3}, []int32{1}
		r.Directories = append(r.Directories, r.Directories[0], r.Directories[0])
		b.node.Records(&wire.TopicRecord{Name: "three", TopicID: model.UUID(b.id)}, r)
		if a := b.answer(9, produceTo("three", 0, 1, replicatest.Batch("a", "b", "c"))); a.ErrorCode != 0 {
			t.Fatal(a.ErrorCode)
		}
		synctest.Wait()
		follow := func(start int64) {
			req := b.fetchRequest(17, 0)
			req.ReplicaState.ReplicaID, req.ReplicaState.ReplicaEpoch = 2, -1
			q := &req.Topics[0].Partitions[0]
			q.FetchOffset, q.CurrentLeaderEpoch, q.LogStartOffset = 3, 0, start
			b.get(17, req)
		}
		follow(0)
		synctest.Wait()
		done := make(chan wire.DeleteRecordsResponsePartition, 1)
		send := func() { done <- b.deleteRecords(t.Context(), "three", 0, 2) }
		go send()
		synctest.Wait()
		follow(1)
		synctest.Wait()
		select {
		case got := <-done:
			t.Fatalf("answered before the follower has deleted: %+v", got)
		default:
		}
		go follow(2)
		if got := <-done; got.LowWatermark != 2 || got.ErrorCode != 0 {
			t.Errorf("%+v", got)
		}
		follow(1) // as if it had started again
		before := time.Now()
		go send()
		if got := <-done; got.LowWatermark != 1 || got.ErrorCode != kerr.RequestTimedOut.Code || time.Since(before) != 10*time.Second {
			t.Errorf("%+v after %v", got, time.Since(before))
		}
		go send()
		synctest.Wait()
		b.node.Lead(b.id, 0, 2)
		if got := <-done; got.LowWatermark != -1 || got.ErrorCode != kerr.NotLeaderOrFollower.Code {
			t.Errorf("after the leadership: %+v", got)
		}
	})
}
