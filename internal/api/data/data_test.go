package data_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/api/data"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/fetch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deny refuses some names.
type deny map[string]bool

func (d deny) Allowed(_ auth.Principal, _ string, _ auth.Operation, _ auth.ResourceType, name string) bool {
	return !d[name]
}

// broker is a node with the handlers in front of it.
type broker struct {
	t       testing.TB
	node    *replicatest.Node
	denied  deny
	id      model.TopicID // of topic "t"
	produce *data.Produce
	fetch   *data.Fetch
	list    *data.ListOffsets
	epochs  *data.OffsetForLeaderEpoch
}

func newBroker(t testing.TB, fsys vfs.FS, policy replica.TopicConfig) *broker {
	b := &broker{t: t, node: replicatest.Start(t, fsys, policy), denied: deny{}}
	b.id = b.node.CreateTopic("t", 4)
	set, image := b.node.Set, b.node.Image
	cache := fetch.NewCache(100, time.Now)
	b.produce = &data.Produce{Image: image, Partitions: set, Authorizer: b.denied}
	b.fetch = &data.Fetch{Image: image, Partitions: set, Authorizer: b.denied, Sessions: cache, MaxBytes: 55 << 20}
	b.list = &data.ListOffsets{Image: image, Partitions: set, Authorizer: b.denied}
	b.epochs = &data.OffsetForLeaderEpoch{Image: image, Partitions: set, Authorizer: b.denied}
	t.Cleanup(func() {
		cache.Close()
		if err := set.Close(1); err != nil {
			t.Error(err)
		}
	})
	return b
}

func request(version int16, body wire.Request) *server.Request {
	client := "test"
	return &server.Request{
		Header: wire.RequestHeader{APIKey: body.Key(), APIVersion: version, ClientID: &client}, Body: body,
		Listener: "PLAIN", Principal: auth.Anonymous, ClientHost: "127.0.0.1",
	}
}

// produceTo makes a request for one partition.
func produceTo(topic string, index int32, acks int16, records []byte) *wire.ProduceRequest {
	return &wire.ProduceRequest{Acks: acks, TimeoutMS: 1000, TopicData: []wire.ProduceRequestTopicData{{
		Name: topic, PartitionData: []wire.ProduceRequestPartitionData{{Index: index, Records: wire.BytesRecords(records)}},
	}}}
}

func (b *broker) send(version int16, req *wire.ProduceRequest) wire.Response {
	b.t.Helper()
	pending := b.produce.Begin(b.t.Context(), request(version, req))
	if pending == nil {
		return nil
	}
	response := pending.Wait(b.t.Context())
	if response != nil && response != server.Close {
		frame, err := wire.EncodeResponse(1, version, response)
		if err != nil {
			b.t.Fatal(err)
		}
		frame.Release()
	}
	return response
}

// answer is the response's one partition.
func (b *broker) answer(version int16, req *wire.ProduceRequest) *wire.ProduceResponsePartitionResponse {
	b.t.Helper()
	response, ok := b.send(version, req).(*wire.ProduceResponse)
	if !ok || len(response.Responses) != 1 || len(response.Responses[0].PartitionResponses) != 1 {
		b.t.Fatalf("%+v", response)
	}
	return &response.Responses[0].PartitionResponses[0]
}

func (b *broker) must(values ...string) {
	b.t.Helper()
	if a := b.answer(9, produceTo("t", 0, -1, replicatest.Batch(values...))); a.ErrorCode != 0 {
		b.t.Fatalf("%+v", a)
	}
}

func TestProduce(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	for i, acks := range []int16{-1, 1} {
		a := b.answer(9, produceTo("t", 0, acks, replicatest.Batch("x")))
		if a.ErrorCode != 0 || a.BaseOffset != int64(i) || a.LogAppendTimeMS != -1 || a.LogStartOffset != 0 {
			t.Errorf("acks %d: %+v", acks, a)
		}
	}
	if r := b.send(9, produceTo("t", 0, 0, replicatest.Batch("x"))); r != nil {
		t.Errorf("acks 0 was answered: %+v", r)
	}
	if r := b.send(9, produceTo("nobody", 0, 0, replicatest.Batch("x"))); r != server.Close {
		t.Errorf("acks 0 with an error does not close the connection: %+v", r)
	}
	byID := produceTo("", 0, -1, replicatest.Batch("x"))
	byID.TopicData[0].TopicID = model.UUID(b.id)
	if a := b.answer(13, byID); a.ErrorCode != 0 || a.BaseOffset != 3 {
		t.Errorf("by id: %+v", a)
	}
}

func TestProduceErrors(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	b.node.CreateTopic("__consumer_offsets", 1)
	b.denied["secret"] = true
	good := replicatest.Batch("x")
	corrupt := slices.Clone(good)
	corrupt[len(corrupt)-1] ^= 1
	transactional := buildBatch(t, batch.Options{Transactional: true, Producer: &batch.Producer{ID: 1}})
	unknownID := produceTo("", 0, -1, good)
	unknownID.TopicData[0].TopicID = model.UUID{1, 2, 3}
	for _, c := range []struct {
		name    string
		version int16
		req     *wire.ProduceRequest
		want    *kerr.Error
	}{
		{"unknown topic", 9, produceTo("nobody", 0, -1, good), kerr.UnknownTopicOrPartition},
		{"unknown partition", 9, produceTo("t", 99, -1, good), kerr.UnknownTopicOrPartition},
		{"negative partition", 9, produceTo("t", -1, -1, good), kerr.UnknownTopicOrPartition},
		{"unknown id", 13, unknownID, kerr.UnknownTopicID},
		{"refused", 9, produceTo("secret", 0, -1, good), kerr.TopicAuthorizationFailed},
		{"acks 2", 9, produceTo("t", 0, 2, good), kerr.InvalidRequiredAcks},
		{"internal topic", 9, produceTo("__consumer_offsets", 0, -1, good), kerr.InvalidTopicException},
		{"no records", 9, produceTo("t", 0, -1, []byte{}), kerr.InvalidRecord},
		{"two batches", 9, produceTo("t", 0, -1, append(slices.Clone(good), good...)), kerr.InvalidRecord},
		{"corrupt", 9, produceTo("t", 0, -1, corrupt), kerr.CorruptMessage},
		{"transactional without an id", 9, produceTo("t", 0, -1, transactional), kerr.TransactionalIDAuthorizationFailed},
	} {
		a := b.answer(c.version, c.req)
		if a.ErrorCode != c.want.Code || a.BaseOffset != -1 || a.LogAppendTimeMS != -1 {
			t.Errorf("%s: %v, want %v (%+v)", c.name, kerr.FromCode(a.ErrorCode), c.want, a)
		}
	}
	if s, err := b.node.Partition(b.id, 0).Status(); err != nil || s.LogEnd != 0 {
		t.Errorf("something was appended: %+v", s)
	}
}

func buildBatch(t *testing.T, o batch.Options) []byte {
	builder := batch.New(o)
	builder.Add(time.Now().UnixMilli(), nil, []byte("x"))
	out, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// KIP-467: which records were refused, and why.
func TestProduceTellsRefusedRecords(t *testing.T) {
	policy := replicatest.Fsync
	policy.Log.Compact = true
	b := newBroker(t, vfs.NewMem(), policy)
	a := b.answer(9, produceTo("t", 0, -1, replicatest.Batch("no", "keys")))
	if a.ErrorCode != kerr.InvalidRecord.Code || len(a.RecordErrors) != 2 || a.RecordErrors[1].BatchIndex != 1 ||
		a.ErrorMessage == nil || a.RecordErrors[0].BatchIndexErrorMessage == nil || a.LogStartOffset != 0 {
		t.Errorf("%+v", a)
	}
}

func TestProduceToTheWrongBrokerNamesTheRightOne(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	b.node.Records(&wire.RegisterBrokerRecord{BrokerID: 2, BrokerEpoch: 5, EndPoints: []wire.RegisterBrokerRecordEndPoint{
		{Name: "PLAIN", Host: "two", Port: 9092}, {Name: "OTHER", Host: "other", Port: 1},
	}})
	b.node.Lead(b.id, 0, 2)
	response := b.send(10, produceTo("t", 0, -1, replicatest.Batch("x"))).(*wire.ProduceResponse)
	a := response.Responses[0].PartitionResponses[0]
	if a.ErrorCode != kerr.NotLeaderOrFollower.Code || a.CurrentLeader.LeaderID != 2 || a.CurrentLeader.LeaderEpoch != 1 ||
		len(response.NodeEndpoints) != 1 || response.NodeEndpoints[0].Host != "two" || response.NodeEndpoints[0].Port != 9092 {
		t.Errorf("%+v", response)
	}
}

func TestProduceTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		b := newBroker(t, vfs.NewFaulty(vfs.NewMem(), func(op vfs.Op) error {
			if op.Kind == vfs.OpSync && (strings.HasSuffix(op.Path, ".log") || strings.Contains(op.Path, "/journal/")) {
				<-let
			}
			return nil
		}), replicatest.Fsync)
		start := time.Now()
		a := b.answer(9, produceTo("t", 0, -1, replicatest.Batch("x")))
		if a.ErrorCode != kerr.RequestTimedOut.Code || time.Since(start) != time.Second {
			t.Errorf("%+v after %v", a, time.Since(start))
		}
		close(let)
	})
}

// Pipelined requests are appended in order, before any is waited for.
func TestProducePipelined(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	var pending []server.Pending
	for range 5 {
		pending = append(pending, b.produce.Begin(t.Context(), request(9, produceTo("t", 0, -1, replicatest.Batch("x")))))
	}
	for i, p := range pending {
		if a := p.Wait(t.Context()).(*wire.ProduceResponse).Responses[0].PartitionResponses[0]; a.ErrorCode != 0 || a.BaseOffset != int64(i) {
			t.Errorf("%d: %+v", i, a)
		}
	}
}

// fetchRequest asks for partitions of "t" from offset 0.
func (b *broker) fetchRequest(version int16, indexes ...int32) *wire.FetchRequest {
	req := &wire.FetchRequest{}
	req.Reset()
	req.MinBytes, req.MaxWaitMS, req.MaxBytes = 1, 0, 1<<20
	topic := wire.FetchRequestTopic{Topic: "t"}
	if version >= 13 {
		topic = wire.FetchRequestTopic{TopicID: model.UUID(b.id)}
	}
	for _, i := range indexes {
		var p wire.FetchRequestPartition
		p.Reset()
		p.Partition, p.PartitionMaxBytes = i, 1<<20
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = []wire.FetchRequestTopic{topic}
	return req
}

// get fetches, through the bytes of the wire and back.
func (b *broker) get(version int16, req *wire.FetchRequest) *wire.FetchResponse {
	b.t.Helper()
	frame, err := wire.EncodeResponse(1, version, b.fetch.Handle(b.t.Context(), request(version, req)))
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := frame.WriteTo(&out); err != nil {
		b.t.Fatal(err)
	}
	_, response, err := wire.DecodeResponse(wire.KeyFetch, version, out.Bytes()[4:])
	if err != nil {
		b.t.Fatal(err)
	}
	return response.(*wire.FetchResponse)
}

func TestFetchAtEveryVersion(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	b.must("hello", strings.Repeat("x", 5000))
	for version := int16(4); version <= 18; version++ {
		r := b.get(version, b.fetchRequest(version, 0))
		if len(r.Responses) != 1 || len(r.Responses[0].Partitions) != 1 {
			t.Fatalf("version %d: %+v", version, r)
		}
		p := r.Responses[0].Partitions[0]
		got, _, err := batch.Next(p.Records.Bytes())
		if err == nil {
			err = got.Check()
		}
		if err != nil || got.RecordCount() != 2 || p.HighWatermark != 2 || p.LastStableOffset != 2 || p.ErrorCode != 0 {
			t.Errorf("version %d: %+v, %v", version, p, err)
		}
	}
}

func TestFetchErrors(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	b.must("x")
	b.node.CreateTopic("secret", 1)
	b.denied["secret"] = true
	at := func(offset int64, epoch int32) *wire.FetchRequest {
		r := b.fetchRequest(12, 0)
		r.Topics[0].Partitions[0].FetchOffset, r.Topics[0].Partitions[0].CurrentLeaderEpoch = offset, epoch
		return r
	}
	named := func(topic string) *wire.FetchRequest {
		r := b.fetchRequest(12, 0)
		r.Topics[0].Topic = topic
		return r
	}
	for _, c := range []struct {
		name string
		req  *wire.FetchRequest
		want error
	}{
		{"at the end", at(1, -1), nil},
		{"beyond the end", at(2, -1), kerr.OffsetOutOfRange},
		{"before the start", at(-1, -1), kerr.OffsetOutOfRange},
		{"this epoch", at(0, 0), nil},
		{"a later epoch", at(0, 1), kerr.UnknownLeaderEpoch},
		{"unknown topic", named("nobody"), kerr.UnknownTopicOrPartition},
		{"refused", named("secret"), kerr.TopicAuthorizationFailed},
	} {
		p := b.get(12, c.req).Responses[0].Partitions[0]
		if p.ErrorCode != kerr.Code(c.want) || c.want != nil && p.HighWatermark != -1 {
			t.Errorf("%s: %v (%+v)", c.name, kerr.FromCode(p.ErrorCode), p)
		}
	}
	b.node.Lead(b.id, 0, replicatest.Self)
	if p := b.get(12, at(0, 0)).Responses[0].Partitions[0]; p.ErrorCode != kerr.FencedLeaderEpoch.Code {
		t.Errorf("an earlier epoch: %+v", p)
	}
	unknown := b.fetchRequest(13, 0)
	unknown.Topics[0].TopicID = model.UUID{9}
	if p := b.get(13, unknown).Responses[0].Partitions[0]; p.ErrorCode != kerr.UnknownTopicID.Code {
		t.Errorf("unknown id: %+v", p)
	}
}

func TestFetchLimits(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	one := replicatest.Batch(strings.Repeat("x", 1000))
	for i := range int32(4) {
		for range 3 {
			if a := b.answer(9, produceTo("t", i, -1, slices.Clone(one))); a.ErrorCode != 0 {
				t.Fatal(a)
			}
		}
	}
	sizes := func(maxBytes, partitionMax int32) (out []int) {
		req := b.fetchRequest(12, 0, 1, 2, 3)
		req.MaxBytes = maxBytes
		for i := range req.Topics[0].Partitions {
			req.Topics[0].Partitions[i].PartitionMaxBytes = partitionMax
		}
		for _, p := range b.get(12, req).Responses[0].Partitions {
			out = append(out, p.Records.Len()/len(one))
		}
		return out
	}
	for _, c := range []struct {
		maxBytes, partitionMax int32
		want                   []int
	}{
		{1 << 20, 1 << 20, []int{3, 3, 3, 3}},
		{1, 1 << 20, []int{1, 0, 0, 0}},
		{1 << 20, 1, []int{1, 0, 0, 0}},
		{1 << 20, int32(2 * len(one)), []int{2, 2, 2, 2}},
		{int32(4*len(one) + 10), 1 << 20, []int{3, 1, 0, 0}},
	} {
		if got := sizes(c.maxBytes, c.partitionMax); !slices.Equal(got, c.want) {
			t.Errorf("max.bytes %d, partition %d: %v batches, want %v", c.maxBytes, c.partitionMax, got, c.want)
		}
	}
}

func TestFetchSession(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	first := b.fetchRequest(13, 0, 1, 2, 3)
	first.SessionEpoch = 0
	r := b.get(13, first)
	if r.SessionID == 0 || len(r.Responses[0].Partitions) != 4 {
		t.Fatalf("%+v", r)
	}
	b.must("x")
	next := b.fetchRequest(13)
	next.Topics, next.SessionID, next.SessionEpoch = nil, r.SessionID, 1
	r = b.get(13, next)
	if len(r.Responses) != 1 || len(r.Responses[0].Partitions) != 1 || r.Responses[0].TopicID != model.UUID(b.id) {
		t.Errorf("%+v", r)
	}
	next.SessionEpoch = 9
	if r = b.get(13, next); r.ErrorCode != kerr.InvalidFetchSessionEpoch.Code {
		t.Errorf("%+v", r)
	}
}

func (b *broker) offset(version int16, req *wire.ListOffsetsRequest) *wire.ListOffsetsResponsePartition {
	b.t.Helper()
	response := b.list.Handle(b.t.Context(), request(version, req)).(*wire.ListOffsetsResponse)
	return &response.Topics[0].Partitions[0]
}

func listRequest(timestamp int64) *wire.ListOffsetsRequest {
	req := &wire.ListOffsetsRequest{}
	req.Reset()
	req.ReplicaID = -1
	var p wire.ListOffsetsRequestPartition
	p.Reset()
	p.Timestamp = timestamp
	req.Topics = []wire.ListOffsetsRequestTopic{{Name: "t", Partitions: []wire.ListOffsetsRequestPartition{p}}}
	return req
}

func TestListOffsets(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	now := time.Now().UnixMilli()
	for _, ago := range []int64{3000, 1000, 2000} {
		builder := batch.New(batch.Options{})
		builder.Add(now-ago, nil, []byte("x"))
		records, err := builder.Build()
		if err != nil {
			t.Fatal(err)
		}
		if a := b.answer(9, produceTo("t", 0, -1, records)); a.ErrorCode != 0 {
			t.Fatal(a)
		}
	}
	for _, c := range []struct {
		name      string
		version   int16
		timestamp int64
		offset    int64
		found     int64
		err       error
	}{
		{"latest", 11, -1, 3, -1, nil},
		{"earliest", 11, -2, 0, -1, nil},
		{"max timestamp", 11, -3, 1, now - 1000, nil},
		{"max timestamp before it was there", 6, -3, -1, -1, kerr.UnsupportedVersion},
		{"earliest local", 11, -4, 0, -1, nil},
		{"latest tiered", 11, -5, -1, -1, nil},
		{"earliest pending upload", 11, -6, -1, -1, nil},
		{"earliest pending upload before it was there", 10, -6, -1, -1, kerr.UnsupportedVersion},
		{"nonsense", 11, -7, -1, -1, kerr.UnsupportedVersion},
		{"by time", 11, now - 2500, 1, now - 1000, nil},
		{"by an earlier time", 1, now - 9000, 0, now - 3000, nil},
		{"by a later time", 11, now, -1, -1, nil},
	} {
		got := b.offset(c.version, listRequest(c.timestamp))
		if got.Offset != c.offset || got.Timestamp != c.found || got.ErrorCode != kerr.Code(c.err) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	twice := listRequest(-1)
	twice.Topics = append(twice.Topics, twice.Topics[0])
	if got := b.offset(11, twice); got.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a partition named twice: %+v", got)
	}
	later := listRequest(-1)
	later.Topics[0].Partitions[0].CurrentLeaderEpoch = 5
	if got := b.offset(11, later); got.ErrorCode != kerr.UnknownLeaderEpoch.Code {
		t.Errorf("a later epoch: %+v", got)
	}
	b.denied["t"] = true
	if got := b.offset(11, listRequest(-1)); got.ErrorCode != kerr.TopicAuthorizationFailed.Code || got.Offset != -1 {
		t.Errorf("refused: %+v", got)
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	b.must("x", "y")
	b.node.Lead(b.id, 0, replicatest.Self)
	b.must("z")
	ask := func(topic string, current, epoch int32) wire.OffsetForLeaderEpochResponsePartition {
		req := &wire.OffsetForLeaderEpochRequest{Topics: []wire.OffsetForLeaderEpochRequestTopic{{Topic: topic,
			Partitions: []wire.OffsetForLeaderEpochRequestPartition{{CurrentLeaderEpoch: current, LeaderEpoch: epoch}}}}}
		response := b.epochs.Handle(context.Background(), request(4, req)).(*wire.OffsetForLeaderEpochResponse)
		return response.Topics[0].Partitions[0]
	}
	for _, c := range []struct {
		name           string
		topic          string
		current, epoch int32
		want           error
		wantEpoch      int32
		wantEnd        int64
	}{
		{"the first", "t", -1, 0, nil, 0, 2},
		{"the current", "t", 1, 1, nil, 1, 3},
		{"a later one", "t", 1, 7, nil, -1, -1},
		{"fenced", "t", 0, 0, kerr.FencedLeaderEpoch, -1, -1},
		{"ahead", "t", 2, 0, kerr.UnknownLeaderEpoch, -1, -1},
		{"unknown", "nobody", -1, 0, kerr.UnknownTopicOrPartition, -1, -1},
	} {
		if got := ask(c.topic, c.current, c.epoch); got.ErrorCode != kerr.Code(c.want) || got.LeaderEpoch != c.wantEpoch || got.EndOffset != c.wantEnd {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
