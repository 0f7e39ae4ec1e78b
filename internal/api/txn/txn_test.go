package txn

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/verify"
	"github.com/stromkafka/strom/internal/wire"
)

// denied refuses the resources of some types.
type denied map[auth.ResourceType]bool

func (d denied) Allowed(_ auth.Principal, _ string, _ auth.Operation, rt auth.ResourceType, _ string) bool {
	return !d[rt]
}

// writer may write some topic and nothing else.
type writer struct{ denied }

func (writer) AllowedAny(_ auth.Principal, _ string, op auth.Operation, rt auth.ResourceType) bool {
	return op == auth.Write && rt == auth.Topic
}

// ids are counted from 1000.
type ids struct {
	next  model.ProducerID
	ready int // how often Ready was asked
}

func (i *ids) Next(context.Context) (model.ProducerID, error) {
	i.next++
	return 999 + i.next, nil
}

func (i *ids) Ready(context.Context) error {
	i.ready++
	return nil
}

// fake answers each request with the next of what it is given.
type fake struct {
	asked   []any
	replies []any // an error is the call's
	loading bool
}

func (c *fake) PartitionFor(key string) int32 { return int32(len(key)) }

func (c *fake) Call(_ context.Context, _ int32, request any) (any, error) {
	c.asked = append(c.asked, request)
	if len(c.replies) == 0 {
		return nil, errors.New("nobody expected this call")
	}
	r := c.replies[0]
	c.replies = c.replies[1:]
	if err, ok := r.(error); ok {
		return nil, err
	}
	return r, nil
}

func (c *fake) Each(_ context.Context, request any) ([]any, bool) {
	c.asked = append(c.asked, request)
	return c.replies, c.loading
}

// handle runs a handler and encodes its answer as the version has it.
func handle[R wire.Response](t *testing.T, h server.Handler, version int16, body wire.Request) R {
	t.Helper()
	response := h.Handle(t.Context(), &server.Request{Header: wire.RequestHeader{APIKey: body.Key(), APIVersion: version}, Body: body})
	if _, err := wire.Encode(version, response); err != nil {
		t.Fatal(err)
	}
	return response.(R)
}

func image(t *testing.T) *metadata.Image {
	t.Helper()
	draft := metadata.NewDraft(metadata.Empty)
	var records []wire.Record
	for i, name := range []string{"t", model.OffsetsTopic} {
		id := model.UUID{15: 200 + byte(i)}
		records = append(records, &wire.TopicRecord{Name: name, TopicID: id})
		for p := range int32(2) {
			r := &wire.PartitionRecord{}
			r.Reset()
			r.PartitionID, r.TopicID, r.Leader, r.Replicas, r.ISR, r.Directories = p, id, 1, []int32{1}, []int32{1}, make([]model.UUID, 1)
			records = append(records, r)
		}
	}
	for i, r := range records {
		if err := draft.Apply(r, model.Offset(i)); err != nil {
			t.Fatal(err)
		}
	}
	img, _ := draft.Image(10, 1)
	return img
}

func TestInitProducerIDIdempotent(t *testing.T) {
	for _, c := range []struct {
		name       string
		id         int64
		epoch      int16
		authorizer auth.Authorizer
		code       int16
	}{
		{"new", -1, -1, auth.AllowAll{}, 0},
		{"had an id", 7, 3, auth.AllowAll{}, 0},
		{"id without epoch", 7, -1, auth.AllowAll{}, kerr.InvalidRequest.Code},
		{"no right", -1, -1, denied{auth.Cluster: true}, kerr.ClusterAuthorizationFailed.Code},
		{"may write a topic", -1, -1, writer{denied{auth.Cluster: true}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &InitProducerID{IDs: &ids{}, Authorizer: c.authorizer}
			got := handle[*wire.InitProducerIdResponse](t, h, 5, &wire.InitProducerIdRequest{ProducerID: c.id, ProducerEpoch: c.epoch})
			if got.ErrorCode != c.code {
				t.Fatalf("error %d, want %d", got.ErrorCode, c.code)
			}
			if c.code == 0 && (got.ProducerID != 1000 || got.ProducerEpoch != 0) || c.code != 0 && got.ProducerID != -1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestInitProducerIDTransactional(t *testing.T) {
	ok := txn.InitProducerIDReply{Producer: machine.Producer{ID: 7, Epoch: 3}}
	lacking := txn.InitProducerIDReply{Err: kerr.CoordinatorLoadInProgress}
	for _, c := range []struct {
		name    string
		id      string
		version int16
		change  func(*wire.InitProducerIdRequest)
		rights  auth.Authorizer
		replies []any
		code    int16
		asked   int
		ready   int
	}{
		{name: "new", replies: []any{ok}, asked: 1},
		{name: "no id at hand", replies: []any{lacking, ok}, asked: 2, ready: 1},
		{name: "still no id", replies: []any{lacking, lacking}, asked: 2, ready: 1, code: kerr.CoordinatorLoadInProgress.Code},
		{name: "no coordinator", replies: []any{kerr.NotCoordinator}, asked: 1, code: kerr.NotCoordinator.Code},
		{name: "loading", replies: []any{kerr.CoordinatorLoadInProgress}, asked: 1, code: kerr.CoordinatorLoadInProgress.Code},
		{name: "fenced", replies: []any{txn.InitProducerIDReply{Err: kerr.ProducerFenced}}, asked: 1, code: kerr.ProducerFenced.Code},
		{name: "fenced, old", version: 3, replies: []any{txn.InitProducerIDReply{Err: kerr.ProducerFenced}}, asked: 1, code: kerr.InvalidProducerEpoch.Code},
		{name: "empty id", id: "-", code: kerr.InvalidRequest.Code},
		{name: "no right", rights: denied{auth.TransactionalID: true}, code: kerr.TransactionalIDAuthorizationFailed.Code},
		{name: "two-phase", version: 6, change: func(r *wire.InitProducerIdRequest) { r.Enable2Pc = true }, code: kerr.TransactionalIDAuthorizationFailed.Code},
		{name: "prepared", version: 6, change: func(r *wire.InitProducerIdRequest) { r.KeepPreparedTxn = true }, code: kerr.UnsupportedVersion.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.version == 0 {
				c.version = 5
			}
			if c.rights == nil {
				c.rights = auth.AllowAll{}
			}
			transactional := "id"
			if c.id == "-" {
				transactional = ""
			}
			ids, transactions := &ids{}, &fake{replies: c.replies}
			h := &InitProducerID{IDs: ids, Authorizer: c.rights, Transactions: transactions}
			body := &wire.InitProducerIdRequest{TransactionalID: &transactional, TransactionTimeoutMS: 5, ProducerID: 7, ProducerEpoch: 2}
			if c.change != nil {
				c.change(body)
			}
			got := handle[*wire.InitProducerIdResponse](t, h, c.version, body)
			if got.ErrorCode != c.code || len(transactions.asked) != c.asked || ids.ready != c.ready {
				t.Fatalf("error %d, want %d; %d calls, %d waits", got.ErrorCode, c.code, len(transactions.asked), ids.ready)
			}
			if c.code == 0 && (got.ProducerID != 7 || got.ProducerEpoch != 3) {
				t.Errorf("%+v", got)
			}
			if c.asked > 0 {
				r := transactions.asked[0].(txn.InitProducerID)
				if r.TransactionalID != "id" || r.TimeoutMS != 5 || *r.Expected != (machine.Producer{ID: 7, Epoch: 2}) {
					t.Errorf("asked %+v", r)
				}
			}
		})
	}
}

func codes(topics []wire.AddPartitionsToTxnResponseTopic) string {
	s := ""
	for _, t := range topics {
		for _, p := range t.ResultsByPartition {
			s += fmt.Sprintf("%s-%d:%d ", t.Name, p.PartitionIndex, p.PartitionErrorCode)
		}
	}
	return s
}

func TestAddPartitionsToTxnOfClients(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int16
		topic   string
		parts   []int32
		rights  denied
		reply   any
		want    string
	}{
		{name: "added", parts: []int32{0, 1}, reply: txn.AddPartitionsReply{}, want: "t-0:0 t-1:0 "},
		{name: "fenced", parts: []int32{0}, reply: txn.AddPartitionsReply{Err: kerr.ProducerFenced}, want: "t-0:90 "},
		{name: "fenced, old", version: 1, parts: []int32{0}, reply: txn.AddPartitionsReply{Err: kerr.ProducerFenced}, want: "t-0:47 "},
		{name: "not here", parts: []int32{0}, reply: kerr.NotCoordinator, want: "t-0:16 "},
		{name: "one does not exist", parts: []int32{0, 2, -1}, want: "t-0:55 t-2:3 t--1:3 "},
		{name: "internal", topic: model.OffsetsTopic, parts: []int32{0}, want: "__consumer_offsets-0:29 "},
		{name: "no right to the topic", parts: []int32{0}, rights: denied{auth.Topic: true}, want: "t-0:29 "},
		{name: "no right to the id", parts: []int32{0}, rights: denied{auth.TransactionalID: true}, want: "t-0:53 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.topic == "" {
				c.topic = "t"
			}
			if c.version == 0 {
				c.version = 3
			}
			transactions := &fake{}
			if c.reply != nil {
				transactions.replies = []any{c.reply}
			}
			img := image(t)
			h := &AddPartitionsToTxn{Image: func() *metadata.Image { return img }, Transactions: transactions, Authorizer: c.rights}
			got := handle[*wire.AddPartitionsToTxnResponse](t, h, c.version, &wire.AddPartitionsToTxnRequest{
				V3AndBelowTransactionalID: "id", V3AndBelowProducerID: 7, V3AndBelowProducerEpoch: 3,
				V3AndBelowTopics: []wire.AddPartitionsToTxnRequestTopic{{Name: c.topic, Partitions: c.parts}},
			})
			if s := codes(got.ResultsByTopicV3AndBelow); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
			if c.reply != nil {
				r := transactions.asked[0].(txn.AddPartitions)
				if r.Client != 0 || r.Producer != (machine.Producer{ID: 7, Epoch: 3}) || len(r.Partitions) != len(c.parts) {
					t.Errorf("asked %+v", r)
				}
			} else if len(transactions.asked) > 0 {
				t.Errorf("asked %+v", transactions.asked)
			}
		})
	}
}

func TestAddPartitionsToTxnOfBrokers(t *testing.T) {
	img := image(t)
	topics := []wire.AddPartitionsToTxnRequestTopic{{Name: "t", Partitions: []int32{0, 1}}, {Name: model.OffsetsTopic, Partitions: []int32{1}}}
	ask := func(rights denied, verify bool, reply any) (*wire.AddPartitionsToTxnResponse, *fake) {
		transactions := &fake{replies: []any{reply}}
		h := &AddPartitionsToTxn{Image: func() *metadata.Image { return img }, Transactions: transactions, Authorizer: rights}
		return handle[*wire.AddPartitionsToTxnResponse](t, h, 5, &wire.AddPartitionsToTxnRequest{
			Transactions: []wire.AddPartitionsToTxnRequestTransaction{{TransactionalID: "id", ProducerID: 7, ProducerEpoch: 3, VerifyOnly: verify, Topics: topics}},
		}), transactions
	}
	got, transactions := ask(nil, false, txn.AddPartitionsReply{})
	if s := codes(got.ResultsByTransaction[0].TopicResults); s != "t-0:0 t-1:0 __consumer_offsets-1:0 " || got.ResultsByTransaction[0].TransactionalID != "id" {
		t.Errorf("added: %+v", got)
	}
	if r := transactions.asked[0].(txn.AddPartitions); r.Client != 2 || len(r.Partitions) != 3 {
		t.Errorf("asked %+v", r)
	}
	got, _ = ask(nil, true, txn.VerifyPartitionsReply{Missing: []model.Partition{{Topic: "t", Index: 1}}})
	if s := codes(got.ResultsByTransaction[0].TopicResults); s != "t-0:0 t-1:120 __consumer_offsets-1:0 " {
		t.Errorf("verified: %s", s)
	}
	got, _ = ask(nil, true, txn.VerifyPartitionsReply{Err: kerr.ProducerFenced})
	if s := codes(got.ResultsByTransaction[0].TopicResults); s != "t-0:90 t-1:90 __consumer_offsets-1:90 " {
		t.Errorf("verified: %s", s)
	}
	got, transactions = ask(denied{auth.Cluster: true}, true, nil)
	if got.ErrorCode != kerr.ClusterAuthorizationFailed.Code || len(transactions.asked) > 0 {
		t.Errorf("without right: %+v", got)
	}
}

type created []string

func (c *created) Create(_ *server.Request, names []string) { *c = append(*c, names...) }

func TestAddOffsetsToTxn(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int16
		empty   bool
		rights  denied
		reply   any
		code    int16
	}{
		{name: "added", version: 4, reply: txn.AddPartitionsReply{}},
		{name: "fenced, old", version: 1, reply: txn.AddPartitionsReply{Err: kerr.ProducerFenced}, code: kerr.InvalidProducerEpoch.Code},
		{name: "no right to the group", version: 4, rights: denied{auth.Group: true}, code: kerr.GroupAuthorizationFailed.Code},
		{name: "no right to the id", version: 4, rights: denied{auth.TransactionalID: true}, code: kerr.TransactionalIDAuthorizationFailed.Code},
		{name: "no topic yet", version: 4, empty: true, code: kerr.CoordinatorNotAvailable.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			img, transactions, topics := image(t), &fake{replies: []any{c.reply}}, created{}
			if c.empty {
				img = metadata.Empty
			}
			h := &AddOffsetsToTxn{Image: func() *metadata.Image { return img }, Transactions: transactions, Authorizer: c.rights, Internal: &topics}
			got := handle[*wire.AddOffsetsToTxnResponse](t, h, c.version, &wire.AddOffsetsToTxnRequest{TransactionalID: "id", ProducerID: 7, ProducerEpoch: 3, GroupID: "g"})
			if got.ErrorCode != c.code || c.empty != (len(topics) == 1) {
				t.Errorf("error %d, created %v", got.ErrorCode, topics)
			}
			if c.reply != nil {
				want := model.Partition{Topic: model.OffsetsTopic, Index: 'g' % 2}
				if r := transactions.asked[0].(txn.AddPartitions); len(r.Partitions) != 1 || r.Partitions[0] != want || r.Client != 0 {
					t.Errorf("asked %+v", r)
				}
			}
		})
	}
}

func TestEndTxn(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int16
		id      string
		rights  denied
		reply   any
		want    wire.EndTxnResponse
	}{
		{name: "version 5", version: 5, id: "id", reply: txn.EndTxnReply{Producer: machine.Producer{ID: 7, Epoch: 4}}, want: wire.EndTxnResponse{ProducerID: 7, ProducerEpoch: 4}},
		{name: "version 4", version: 4, id: "id", reply: txn.EndTxnReply{Producer: machine.Producer{ID: -1, Epoch: -1}}, want: wire.EndTxnResponse{ProducerID: -1, ProducerEpoch: -1}},
		{name: "fenced", version: 2, id: "id", reply: txn.EndTxnReply{Err: kerr.ProducerFenced}, want: wire.EndTxnResponse{ErrorCode: 90, ProducerID: -1, ProducerEpoch: -1}},
		{name: "fenced, old", version: 1, id: "id", reply: txn.EndTxnReply{Err: kerr.ProducerFenced}, want: wire.EndTxnResponse{ErrorCode: 47, ProducerID: -1, ProducerEpoch: -1}},
		{name: "empty id", version: 5, want: wire.EndTxnResponse{ErrorCode: 42, ProducerID: -1, ProducerEpoch: -1}},
		{name: "no right", version: 5, id: "id", rights: denied{auth.TransactionalID: true}, want: wire.EndTxnResponse{ErrorCode: 53, ProducerID: -1, ProducerEpoch: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			transactions := &fake{replies: []any{c.reply}}
			h := &EndTxn{Transactions: transactions, Authorizer: c.rights}
			got := handle[*wire.EndTxnResponse](t, h, c.version, &wire.EndTxnRequest{TransactionalID: c.id, ProducerID: 7, ProducerEpoch: 3, Committed: true})
			if *got != c.want {
				t.Errorf("%+v, want %+v", *got, c.want)
			}
			if c.reply != nil {
				if r := transactions.asked[0].(txn.EndTxn); !r.Commit || (r.Client == 2) != (c.version >= 5) || r.Producer != (machine.Producer{ID: 7, Epoch: 3}) {
					t.Errorf("asked %+v", r)
				}
			}
		})
	}
}

func TestDescribeTransactions(t *testing.T) {
	transactions := &fake{replies: []any{
		txn.DescribeReply{Found: true, State: txn.Ongoing, TimeoutMS: 5, StartedMS: 6, Producer: machine.Producer{ID: 7, Epoch: 3},
			PartitionsLeft: []model.Partition{{Topic: "t", Index: 0}, {Topic: "t", Index: 1}, {Topic: "u", Index: 0}}},
		txn.DescribeReply{}, kerr.NotCoordinator,
	}}
	h := &DescribeTransactions{Transactions: transactions, Authorizer: auth.AllowAll{}}
	got := handle[*wire.DescribeTransactionsResponse](t, h, 0, &wire.DescribeTransactionsRequest{TransactionalIDs: []string{"a", "b", "c", ""}})
	want := "[{0 a Ongoing 5 6 7 3 [{t [0 1]} {u [0]}]} {105 b  0 0 0 0 []} {16 c  0 0 0 0 []} {42   0 0 0 0 []}]"
	if s := fmt.Sprint(got.TransactionStates); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	transactions.replies = []any{txn.DescribeReply{Found: true, PartitionsLeft: []model.Partition{{Topic: "t"}}}}
	h.Authorizer = denied{auth.Topic: true}
	got = handle[*wire.DescribeTransactionsResponse](t, h, 0, &wire.DescribeTransactionsRequest{TransactionalIDs: []string{"a"}})
	if got.TransactionStates[0].ErrorCode != 0 || len(got.TransactionStates[0].Topics) > 0 {
		t.Errorf("without right to the topic: %+v", got)
	}
	h.Authorizer = denied{auth.TransactionalID: true}
	got = handle[*wire.DescribeTransactionsResponse](t, h, 0, &wire.DescribeTransactionsRequest{TransactionalIDs: []string{"a"}})
	if got.TransactionStates[0].ErrorCode != kerr.TransactionalIDAuthorizationFailed.Code {
		t.Errorf("without right to the id: %+v", got)
	}
}

func TestListTransactions(t *testing.T) {
	transactions := &fake{replies: []any{
		txn.ListReply{Transactions: []txn.Listed{{TransactionalID: "a", ProducerID: 7, State: txn.Ongoing}}},
		txn.ListReply{Transactions: []txn.Listed{{TransactionalID: "b", ProducerID: 8, State: txn.Empty}}},
	}}
	h := &ListTransactions{Transactions: transactions, Authorizer: auth.AllowAll{}}
	pattern := "a|ab"
	got := handle[*wire.ListTransactionsResponse](t, h, 2, &wire.ListTransactionsRequest{
		StateFilters: []string{"Ongoing", "ongoing"}, ProducerIDFilters: []int64{7}, DurationFilter: 5, TransactionalIDPattern: &pattern,
	})
	if s := fmt.Sprint(*got); s != "{0 0 [ongoing] [{a 7 Ongoing} {b 8 Empty}]}" {
		t.Errorf("%s", s)
	}
	r := transactions.asked[0].(txn.List)
	if len(r.States) != 1 || r.States[0] != txn.Ongoing || len(r.ProducerIDs) != 1 || r.DurationMS != 5 {
		t.Errorf("asked %+v", r)
	}
	for id, want := range map[string]bool{"a": true, "ab": true, "abc": false, "ba": false} {
		if r.Pattern.MatchString(id) != want {
			t.Errorf("%q matches %s: %v", id, pattern, !want)
		}
	}
	// Only unknown states: none passes.
	handle[*wire.ListTransactionsResponse](t, h, 0, &wire.ListTransactionsRequest{StateFilters: []string{"x"}, DurationFilter: -1})
	if r := transactions.asked[1].(txn.List); r.States == nil || len(r.States) > 0 {
		t.Errorf("asked %+v", r)
	}
	for _, bad := range []string{"(", "a)(b", "(?=a)"} {
		got = handle[*wire.ListTransactionsResponse](t, h, 2, &wire.ListTransactionsRequest{TransactionalIDPattern: &bad})
		if got.ErrorCode != kerr.InvalidRegularExpression.Code {
			t.Errorf("pattern %s: %+v", bad, got)
		}
	}
	h.Authorizer = denied{auth.TransactionalID: true}
	if got = handle[*wire.ListTransactionsResponse](t, h, 2, &wire.ListTransactionsRequest{DurationFilter: -1}); len(got.TransactionStates) > 0 {
		t.Errorf("without right: %+v", got)
	}
	transactions.loading = true
	if got = handle[*wire.ListTransactionsResponse](t, h, 2, &wire.ListTransactionsRequest{DurationFilter: -1}); got.ErrorCode != kerr.CoordinatorLoadInProgress.Code {
		t.Errorf("loading: %+v", got)
	}
}

// offsets are a group coordinator that answers 0, after a verification with a guard.
type offsets struct {
	guard    commitlog.Guard
	refused  error
	verified []commitlog.Verification
	calls    []group.Request
	guards   []commitlog.Guard
}

func (o *offsets) PartitionFor(string) int32 { return 1 }

func (o *offsets) Verify(_ int32, v commitlog.Verification) (commitlog.Guard, error) {
	o.verified = append(o.verified, v)
	return o.guard, o.refused
}

func (o *offsets) CallVerified(_ context.Context, _ int32, guard commitlog.Guard, request any) (any, error) {
	r := request.(group.Request)
	o.calls, o.guards = append(o.calls, r), append(o.guards, guard)
	return group.TxnCommitRefused(r.Body.(*wire.TxnOffsetCommitRequest), nil), nil
}

// verdict is what transactions' coordinators say.
type verdict struct {
	err   error
	asked []verify.Transaction
}

func (v *verdict) Verify(_ context.Context, t verify.Transaction, partitions []model.Partition) map[model.Partition]error {
	v.asked = append(v.asked, t)
	return map[model.Partition]error{partitions[0]: v.err}
}

func TestTxnOffsetCommit(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int16
		rights  denied
		groupID string
		refused error
		guard   commitlog.Guard
		verdict error
		asked   verify.Client
		want    string // codes of t-0, t-9 and, by name, nope-0
	}{
		{name: "open already", version: 4, want: "0 3 3"},
		{name: "verified", version: 3, guard: 7, asked: verify.Old, want: "0 3 3"},
		{name: "verified, 4", version: 4, guard: 7, asked: verify.Abortable, want: "0 3 3"},
		{name: "added", version: 5, guard: 7, asked: verify.Adding, want: "0 3 3"},
		{name: "by id", version: 6, guard: 7, asked: verify.Adding, want: "0 3 100"},
		{name: "not in the transaction", version: 4, guard: 7, verdict: kerr.TransactionAbortable, asked: verify.Abortable, want: "120 3 3"},
		{name: "no network", version: 4, guard: 7, verdict: kerr.NetworkException, asked: verify.Abortable, want: "14 3 3"},
		{name: "no network, old", version: 1, guard: 7, verdict: kerr.NetworkException, asked: verify.Old, want: "15 3 3"},
		{name: "not here", version: 4, refused: kerr.NotCoordinator, want: "16 3 3"},
		{name: "no right to the topic", version: 4, rights: denied{auth.Topic: true}, want: "29 29 29"},
		{name: "no right to the group", version: 4, rights: denied{auth.Group: true}, want: "30 30 30"},
		{name: "no right to the id", version: 4, rights: denied{auth.TransactionalID: true}, want: "53 53 53"},
		{name: "no group", version: 4, groupID: "-", want: "24 24 24"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := image(t)
			groups, verifier := &offsets{guard: c.guard, refused: c.refused}, &verdict{err: c.verdict}
			h := &TxnOffsetCommit{Image: func() *metadata.Image { return img }, Groups: groups, Verifier: verifier, Authorizer: c.rights}
			q := &wire.TxnOffsetCommitRequest{TransactionalID: "id", GroupID: "g", ProducerID: 7, ProducerEpoch: 3, GenerationID: -1}
			if c.groupID == "-" {
				q.GroupID = ""
			}
			q.Topics = []wire.TxnOffsetCommitRequestTopic{
				{Name: "t", Partitions: []wire.TxnOffsetCommitRequestPartition{{PartitionIndex: 0, CommittedOffset: 5}, {PartitionIndex: 9}}},
				{Name: "nope", Partitions: []wire.TxnOffsetCommitRequestPartition{{PartitionIndex: 0}}},
			}
			if c.version >= 6 {
				q.Topics[0].Name, q.Topics[0].TopicID = "", model.UUID(img.Topic("t").ID)
				q.Topics[1].Name, q.Topics[1].TopicID = "", model.UUID{1: 1}
			}
			got := handle[*wire.TxnOffsetCommitResponse](t, h, c.version, q)
			codes := fmt.Sprint(got.Topics[0].Partitions[0].ErrorCode, got.Topics[0].Partitions[1].ErrorCode, got.Topics[1].Partitions[0].ErrorCode)
			if codes != c.want {
				t.Errorf("codes %s, want %s", codes, c.want)
			}
			if (c.guard != 0) != (len(verifier.asked) == 1) || len(verifier.asked) == 1 && verifier.asked[0] != (verify.Transaction{ID: "id", Producer: 7, Epoch: 3, Client: c.asked}) {
				t.Errorf("asked %+v", verifier.asked)
			}
			if len(groups.calls) > 0 {
				body := groups.calls[0].Body.(*wire.TxnOffsetCommitRequest)
				if groups.guards[0] != c.guard || len(body.Topics) != 1 || body.Topics[0].Name != "t" || len(body.Topics[0].Partitions) != 1 {
					t.Errorf("guard %d, %+v", groups.guards[0], body)
				}
			}
		})
	}
}
