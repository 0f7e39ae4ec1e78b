package group

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// cluster is the image of two brokers, of which the second is fenced, with
// __consumer_offsets of 3 partitions: led by 1, by 2, by nobody.
func cluster(t *testing.T) *metadata.Image {
	t.Helper()
	draft := metadata.NewDraft(metadata.Empty)
	id := model.UUID{15: 200}
	records := []wire.Record{&wire.TopicRecord{Name: model.OffsetsTopic, TopicID: id}}
	for i, leader := range []int32{1, 2, -1} {
		p := &wire.PartitionRecord{}
		p.Reset()
		p.PartitionID, p.TopicID, p.Leader, p.Replicas, p.ISR = int32(i), id, leader, []int32{1, 2}, []int32{1, 2}
		p.Directories = make([]model.UUID, 2)
		records = append(records, p)
	}
	for b := range int32(2) {
		r := &wire.RegisterBrokerRecord{}
		r.Reset()
		r.BrokerID, r.Fenced = b+1, b == 1
		r.EndPoints = []wire.RegisterBrokerRecordEndPoint{{Name: "CLIENTS", Host: fmt.Sprintf("host%d", b+1), Port: 9092}}
		records = append(records, r)
	}
	for i, r := range records {
		if err := draft.Apply(r, model.Offset(i)); err != nil {
			t.Fatal(err)
		}
	}
	img, _ := draft.Image(10, 1)
	return img
}

// keyFor is a group that the partition coordinates.
func keyFor(partition int32) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint("group", i); coordinator.PartitionFor(key, 3) == partition {
			return key
		}
	}
}

type created []string

func (c *created) Create(_ *server.Request, names []string) { *c = append(*c, names...) }

type denied map[auth.ResourceType]bool

func (d denied) Allowed(_ auth.Principal, _ string, op auth.Operation, rt auth.ResourceType, _ string) bool {
	return op != auth.Describe || !d[rt]
}

func TestFindCoordinator(t *testing.T) {
	img := cluster(t)
	const none = "-1 :-1"
	for _, c := range []struct {
		name     string
		kind     int8
		key      string
		listener string
		rights   denied
		want     string
		code     int16
		create   string
	}{
		{name: "group", key: keyFor(0), want: "1 host1:9092"},
		{name: "leader fenced", key: keyFor(1), want: none, code: kerr.CoordinatorNotAvailable.Code},
		{name: "no leader", key: keyFor(2), want: none, code: kerr.CoordinatorNotAvailable.Code},
		{name: "leader not on this listener", key: keyFor(0), listener: "OTHER", want: none, code: kerr.CoordinatorNotAvailable.Code},
		{name: "no right to the group", key: keyFor(0), rights: denied{auth.Group: true}, want: none, code: kerr.GroupAuthorizationFailed.Code},
		{name: "topic not created yet", kind: wire.CoordinatorOfTransaction, key: "t", want: none, code: kerr.CoordinatorNotAvailable.Code, create: model.TransactionsTopic},
		{name: "no right to the id", kind: wire.CoordinatorOfTransaction, key: "t", rights: denied{auth.TransactionalID: true}, want: none, code: kerr.TransactionalIDAuthorizationFailed.Code},
		{name: "share", kind: wire.CoordinatorOfShare, key: "g:AAAAAAAAAAAAAAAAAAAAAQ:0", want: none, code: kerr.InvalidRequest.Code},
		{name: "unknown kind", kind: 7, key: "x", want: none, code: kerr.InvalidRequest.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.listener == "" {
				c.listener = "CLIENTS"
			}
			var topics created
			h := &FindCoordinator{Image: func() *metadata.Image { return img }, Authorizer: c.rights, Internal: &topics}
			ask := func(version int16) *wire.FindCoordinatorResponse {
				q := &wire.FindCoordinatorRequest{KeyType: c.kind, CoordinatorKey: c.key}
				if version >= 4 {
					q.CoordinatorKey, q.CoordinatorKeys = "", []string{c.key, keyFor(2)}
				}
				r := &server.Request{Header: wire.RequestHeader{APIVersion: version}, Listener: c.listener, Body: q}
				response := h.Handle(t.Context(), r).(*wire.FindCoordinatorResponse)
				if _, err := wire.Encode(version, response); err != nil {
					t.Fatal(err)
				}
				return response
			}
			old := ask(3)
			if got := fmt.Sprintf("%d %s:%d", old.NodeID, old.Host, old.Port); got != c.want || old.ErrorCode != c.code {
				t.Errorf("version 3: %s, error %d", got, old.ErrorCode)
			}
			if c.code == 0 && *old.ErrorMessage != "NONE" {
				t.Errorf("message %q", *old.ErrorMessage)
			}
			if c.create != "" && !slices.Contains(topics, c.create) || c.create == "" && len(topics) > 0 {
				t.Errorf("created %v", topics)
			}
			batch := ask(6).Coordinators
			if got := fmt.Sprintf("%d %s:%d", batch[0].NodeID, batch[0].Host, batch[0].Port); len(batch) != 2 || got != c.want || batch[0].ErrorCode != c.code || batch[0].Key != c.key {
				t.Errorf("version 6: %+v", batch)
			}
		})
	}
}
