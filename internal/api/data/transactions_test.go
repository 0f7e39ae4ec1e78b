package data_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/api/data"
	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/verify"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// transactions is a coordinator that knows which partitions are part of them.
type transactions struct {
	parts  map[model.Partition]bool
	asked  int
	fails  error
	before func() // called once the coordinator has decided
}

func (c *transactions) Verify(_ context.Context, t verify.Transaction, partitions []model.Partition) map[model.Partition]error {
	c.asked++
	failed := map[model.Partition]error{}
	for _, p := range partitions {
		switch {
		case c.fails != nil:
			failed[p] = c.fails
		case t.Client == verify.Adding:
			c.parts[p] = true
		case !c.parts[p]:
			failed[p] = kerr.InvalidTxnState
		}
	}
	if c.before != nil {
		c.before()
	}
	return failed
}

// transactional is a broker under test, and what a producer and its coordinator do.
type transactional struct {
	*broker
	coordinator *transactions
	markers     *data.WriteTxnMarkers
	describe    *data.DescribeProducers
}

func newTransactional(t *testing.T) *transactional {
	policy := replicatest.Fsync
	policy.Log.Verify = true
	b := &transactional{broker: newBroker(t, vfs.NewMem(), policy), coordinator: &transactions{parts: map[model.Partition]bool{}}}
	b.produce.Verifier = b.coordinator
	b.markers = &data.WriteTxnMarkers{Image: b.node.Image, Partitions: b.node.Set, Authorizer: b.denied, Timeout: time.Minute, Now: time.Now}
	b.describe = &data.DescribeProducers{Image: b.node.Image, Partitions: b.node.Set, Authorizer: b.denied}
	return b
}

// in produces one value to partition index in a transaction.
func (b *transactional) in(version int16, producer batch.Producer, index int32, value string) error {
	b.t.Helper()
	builder := batch.New(batch.Options{Transactional: true, Producer: &producer})
	builder.Add(time.Now().UnixMilli(), nil, []byte(value))
	records, err := builder.Build()
	if err != nil {
		b.t.Fatal(err)
	}
	id := "tx"
	req := produceTo("t", index, -1, records)
	req.TransactionalID = &id
	if version >= 13 {
		req.TopicData[0].TopicID = model.UUID(b.id)
	}
	return kerr.FromCode(b.answer(version, req).ErrorCode)
}

func (b *transactional) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// mark writes a marker into partitions of "t" and returns their error codes.
func (b *transactional) mark(version int16, m wire.WriteTxnMarkersRequestMarker, indexes ...int32) string {
	b.t.Helper()
	m.Topics = []wire.WriteTxnMarkersRequestTopic{{Name: "t", PartitionIndexes: indexes}}
	req := &wire.WriteTxnMarkersRequest{Markers: []wire.WriteTxnMarkersRequestMarker{m}}
	response := b.markers.Handle(b.t.Context(), request(version, req)).(*wire.WriteTxnMarkersResponse)
	if _, err := wire.Encode(version, response); err != nil {
		b.t.Fatal(err)
	}
	var codes []string
	for _, p := range response.Markers[0].Topics[0].Partitions {
		codes = append(codes, fmt.Sprint(p.PartitionIndex, ":", p.ErrorCode))
	}
	return strings.Join(codes, " ")
}

// consumer reads one partition of "t": the values that it is given, without those of
// transactions that it is told were aborted.
func (b *transactional) consume(index int32, committed bool) string {
	b.t.Helper()
	req := b.fetchRequest(12, index)
	if committed {
		req.IsolationLevel = 1
	}
	p := b.get(12, req).Responses[0].Partitions[0]
	if (p.AbortedTransactions != nil) != committed {
		b.t.Errorf("committed %v: aborted transactions %v", committed, p.AbortedTransactions)
	}
	aborted := map[model.ProducerID]bool{}
	var values []string
	for records := p.Records.Bytes(); len(records) > 0; {
		one, rest, err := batch.Next(records)
		if err != nil {
			b.t.Fatal(err)
		}
		records = rest
		for _, a := range p.AbortedTransactions {
			if model.Offset(a.FirstOffset) <= one.BaseOffset() {
				aborted[model.ProducerID(a.ProducerID)] = true
			}
		}
		for r, err := range one.Records(1 << 20) {
			switch {
			case err != nil:
				b.t.Fatal(err)
			case one.IsControl():
				delete(aborted, one.ProducerID())
			case !one.IsTransactional() || !aborted[one.ProducerID()]:
				values = append(values, string(r.Value))
			}
		}
	}
	return strings.Join(values, " ")
}

func (b *transactional) expect(what, got, want string) {
	b.t.Helper()
	if got != want {
		b.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (b *transactional) refused(what string, err error, want *kerr.Error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// A read_committed consumer sees the records of a transaction once it is
// committed, never those of one that was aborted, and nothing behind an open one
// (KIP-98).
func TestReadCommitted(t *testing.T) {
	b := newTransactional(t)
	latest := func() int64 {
		req := listRequest(-1)
		req.IsolationLevel = 1
		return b.offset(5, req).Offset
	}
	b.must(b.in(13, batch.Producer{ID: 1}, 0, "a1"))
	b.must(b.in(13, batch.Producer{ID: 2}, 0, "b1"))
	if a := b.answer(9, produceTo("t", 0, -1, replicatest.Batch("plain"))); a.ErrorCode != 0 {
		t.Fatalf("%+v", a)
	}
	b.expect("uncommitted", b.consume(0, false), "a1 b1 plain")
	b.expect("two open", b.consume(0, true), "")
	b.expect("the first commits", b.mark(2, wire.WriteTxnMarkersRequestMarker{ProducerID: 1, ProducerEpoch: 1, TransactionResult: true, TransactionVersion: 2}, 0), "0:0")
	b.expect("one open", b.consume(0, true), "a1")
	if got := latest(); got != 1 {
		t.Errorf("the last stable offset is %d, want 1", got)
	}
	b.expect("the second aborts", b.mark(1, wire.WriteTxnMarkersRequestMarker{ProducerID: 2}, 0), "0:0")
	b.expect("none open", b.consume(0, true), "a1 plain")
	b.expect("uncommitted", b.consume(0, false), "a1 b1 plain")
	if got := latest(); got != 5 {
		t.Errorf("the last stable offset is %d, want 5", got)
	}
	b.must(b.in(13, batch.Producer{ID: 1, Epoch: 1}, 0, "a2"))
	b.expect("the next is open", b.consume(0, true), "a1 plain")
	b.expect("and aborts", b.mark(2, wire.WriteTxnMarkersRequestMarker{ProducerID: 1, ProducerEpoch: 2, TransactionVersion: 2}, 0), "0:0")
	b.expect("aborted", b.consume(0, true), "a1 plain")
}

// Records get in only as part of a transaction that the coordinator knows to have
// the partition (KIP-890).
func TestProduceVerifies(t *testing.T) {
	b := newTransactional(t)
	old := batch.Producer{ID: 1}
	b.refused("not added", b.in(11, old, 0, "x"), kerr.InvalidTxnState)
	b.coordinator.parts[model.Partition{Topic: "t"}] = true
	b.must(b.in(11, old, 0, "a"))
	asked := b.coordinator.asked
	old.BaseSequence = 1
	b.must(b.in(11, old, 0, "b"))
	if b.coordinator.asked != asked {
		t.Error("asked again about an open transaction")
	}
	b.refused("the next partition", b.in(11, old, 1, "x"), kerr.InvalidTxnState)
	b.must(b.in(12, batch.Producer{ID: 2}, 2, "c")) // version 12 leaves adding to the broker

	// The transaction ends between the coordinator's answer and the append.
	b.coordinator.before = func() {
		b.expect("marker", b.mark(1, wire.WriteTxnMarkersRequestMarker{ProducerID: 3}, 3), "3:0")
	}
	b.coordinator.parts[model.Partition{Topic: "t", Index: 3}] = true
	b.refused("overtaken by its abort", b.in(11, batch.Producer{ID: 3}, 3, "x"), kerr.InvalidTxnState)
	b.coordinator.before = nil
	b.expect("nothing hangs", b.consume(3, true), "")
	if r := b.described("t", 3); len(r.ActiveProducers) != 1 || r.ActiveProducers[0].CurrentTxnStartOffset != -1 {
		t.Errorf("%+v", r)
	}
}

// The coordinator's errors become those that a producer knows what to do about.
func TestVerificationErrors(t *testing.T) {
	b := newTransactional(t)
	for _, c := range []struct {
		version     int16
		fails, want *kerr.Error
	}{
		{11, kerr.NotCoordinator, kerr.NotEnoughReplicas},
		{11, kerr.CoordinatorNotAvailable, kerr.NotEnoughReplicas},
		{11, kerr.CoordinatorLoadInProgress, kerr.NotEnoughReplicas},
		{11, kerr.NetworkException, kerr.NotEnoughReplicas},
		{11, kerr.ConcurrentTransactions, kerr.NotEnoughReplicas},
		{12, kerr.ConcurrentTransactions, kerr.ConcurrentTransactions},
		{11, kerr.InvalidTxnState, kerr.InvalidTxnState},
		{12, kerr.InvalidProducerEpoch, kerr.InvalidProducerEpoch},
		{11, kerr.TransactionAbortable, kerr.TransactionAbortable},
		{11, kerr.InvalidProducerIDMapping, kerr.InvalidProducerIDMapping},
	} {
		b.coordinator.fails = c.fails
		b.refused(c.fails.Name, b.in(c.version, batch.Producer{ID: 1}, 0, "x"), c.want)
	}
	b.coordinator.fails = nil
	b.expect("nothing was written", b.consume(0, false), "")

	two := produceTo("t", 0, -1, buildBatch(t, batch.Options{Transactional: true, Producer: &batch.Producer{ID: 1}}))
	two.TopicData[0].PartitionData = append(two.TopicData[0].PartitionData, wire.ProduceRequestPartitionData{
		Index: 1, Records: wire.BytesRecords(buildBatch(t, batch.Options{Transactional: true, Producer: &batch.Producer{ID: 2}}))})
	id := "tx"
	two.TransactionalID = &id
	for _, p := range b.send(12, two).(*wire.ProduceResponse).Responses[0].PartitionResponses {
		b.refused("two producers", kerr.FromCode(p.ErrorCode), kerr.InvalidProducerIDMapping)
	}
	b.denied["tx"] = true
	b.refused("no right to the id", b.in(12, batch.Producer{ID: 1}, 0, "x"), kerr.TransactionalIDAuthorizationFailed)
}

func TestWriteTxnMarkers(t *testing.T) {
	b := newTransactional(t)
	b.must(b.in(12, batch.Producer{ID: 1, Epoch: 3}, 0, "a"))
	b.must(b.in(12, batch.Producer{ID: 1, Epoch: 3}, 1, "a"))
	m := wire.WriteTxnMarkersRequestMarker{ProducerID: 1, ProducerEpoch: 3, TransactionResult: true, CoordinatorEpoch: 5}
	stale := m
	stale.ProducerEpoch = 2
	b.expect("an older epoch of the producer", b.mark(1, stale, 0), fmt.Sprint("0:", kerr.InvalidProducerEpoch.Code))
	b.expect("a version 2 marker without a new epoch", b.mark(2, with(m, func(m *wire.WriteTxnMarkersRequestMarker) { m.TransactionVersion = 2 }), 0),
		fmt.Sprint("0:", kerr.InvalidProducerEpoch.Code))
	b.expect("several, and one that is not there", b.mark(1, m, 0, 1, 9), fmt.Sprint("0:0 1:0 9:", kerr.UnknownTopicOrPartition.Code))
	b.expect("an older epoch of the coordinator", b.mark(1, with(m, func(m *wire.WriteTxnMarkersRequestMarker) { m.CoordinatorEpoch = 4 }), 0),
		fmt.Sprint("0:", kerr.TransactionCoordinatorFenced.Code))
	b.expect("again", b.mark(1, m, 0), "0:0")
	b.expect("committed", b.consume(1, true), "a")

	b.node.Lead(b.id, 2, 2)
	b.expect("led by another", b.mark(1, m, 2), fmt.Sprint("2:", kerr.NotLeaderOrFollower.Code))
	b.denied["kafka-cluster"] = true
	b.expect("no right", b.mark(1, m, 0, 1), fmt.Sprintf("0:%d 1:%[1]d", kerr.ClusterAuthorizationFailed.Code))
}

func with(m wire.WriteTxnMarkersRequestMarker, change func(*wire.WriteTxnMarkersRequestMarker)) wire.WriteTxnMarkersRequestMarker {
	change(&m)
	return m
}

// groups are the coordinators of groups, as far as markers go.
type groups struct {
	marked []coordinator.Marker
	err    error
}

func (g *groups) Mark(_ context.Context, partition int32, m coordinator.Marker) error {
	g.marked = append(g.marked, m)
	return g.err
}

// Markers for committed offsets pass through the coordinators of groups.
func TestMarkersOfOffsets(t *testing.T) {
	b := newTransactional(t)
	b.node.CreateTopic(model.OffsetsTopic, 1)
	g := &groups{}
	b.markers.Offsets = g
	for _, c := range []struct{ err, want *kerr.Error }{
		{nil, nil},
		{kerr.CoordinatorLoadInProgress, kerr.NotLeaderOrFollower},
		{kerr.NotCoordinator, kerr.NotLeaderOrFollower},
		{kerr.CoordinatorNotAvailable, kerr.NotLeaderOrFollower},
		{kerr.InvalidProducerEpoch, kerr.InvalidProducerEpoch},
	} {
		g.err, g.marked = nil, nil
		if c.err != nil {
			g.err = c.err
		}
		req := &wire.WriteTxnMarkersRequest{Markers: []wire.WriteTxnMarkersRequestMarker{{ProducerID: 7, ProducerEpoch: 2, TransactionResult: true, CoordinatorEpoch: 3, TransactionVersion: 2,
			Topics: []wire.WriteTxnMarkersRequestTopic{{Name: model.OffsetsTopic, PartitionIndexes: []int32{0}}}}}}
		response := b.markers.Handle(t.Context(), request(2, req)).(*wire.WriteTxnMarkersResponse)
		want := int16(0)
		if c.want != nil {
			want = c.want.Code
		}
		if got := response.Markers[0].Topics[0].Partitions[0].ErrorCode; got != want {
			t.Errorf("%v: error %d, want %d", c.err, got, want)
		}
		if got := fmt.Sprint(g.marked); got != "[{{7 2} true 3 2}]" {
			t.Errorf("marked %s", got)
		}
	}
}

func (b *transactional) described(topic string, index int32) wire.DescribeProducersResponsePartition {
	b.t.Helper()
	req := &wire.DescribeProducersRequest{Topics: []wire.DescribeProducersRequestTopic{{Name: topic, PartitionIndexes: []int32{index}}}}
	response := b.describe.Handle(b.t.Context(), request(0, req)).(*wire.DescribeProducersResponse)
	if _, err := wire.Encode(0, response); err != nil {
		b.t.Fatal(err)
	}
	return response.Topics[0].Partitions[0]
}

func TestDescribeProducers(t *testing.T) {
	b := newTransactional(t)
	if a := b.answer(9, produceTo("t", 0, -1, replicatest.Batch("plain"))); a.ErrorCode != 0 {
		t.Fatalf("%+v", a)
	}
	b.must(b.in(12, batch.Producer{ID: 1, Epoch: 3}, 0, "a"))
	b.must(b.in(12, batch.Producer{ID: 2}, 0, "b"))
	b.expect("marker", b.mark(2, wire.WriteTxnMarkersRequestMarker{ProducerID: 2, ProducerEpoch: 1, CoordinatorEpoch: 6, TransactionVersion: 2}, 0), "0:0")
	r := b.described("t", 0)
	for i := range r.ActiveProducers {
		r.ActiveProducers[i].LastTimestamp = 0
	}
	if got := fmt.Sprint(r.ActiveProducers); r.ErrorCode != 0 || got != "[{1 3 0 0 -1 1} {2 1 -1 0 6 -1}]" {
		t.Errorf("error %d, %s", r.ErrorCode, got)
	}
	b.node.Lead(b.id, 1, 2) // a follower tells what it knows as well
	if r := b.described("t", 1); r.ErrorCode != 0 || len(r.ActiveProducers) != 0 {
		t.Errorf("as a follower: %+v", r)
	}
	b.denied["secret"] = true
	for _, c := range []struct {
		topic string
		index int32
		want  *kerr.Error
	}{
		{"t", 9, kerr.UnknownTopicOrPartition},
		{"nobody", 0, kerr.UnknownTopicOrPartition},
		{"secret", 0, kerr.TopicAuthorizationFailed},
		{"no name!", 0, kerr.InvalidTopicException},
	} {
		b.refused(c.topic, kerr.FromCode(b.described(c.topic, c.index).ErrorCode), c.want)
	}
}
