package txn

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
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

func TestInitProducerID(t *testing.T) {
	text := func(s string) *string { return &s }
	everything := denied{auth.Cluster: true, auth.TransactionalID: true}
	for _, c := range []struct {
		name       string
		txn        *string
		id         int64
		epoch      int16
		authorizer auth.Authorizer
		code       int16
	}{
		{"idempotent", nil, -1, -1, auth.AllowAll{}, 0},
		{"idempotent that had an id", nil, 7, 3, auth.AllowAll{}, 0},
		{"id without epoch", nil, 7, -1, auth.AllowAll{}, kerr.InvalidRequest.Code},
		{"no right", nil, -1, -1, everything, kerr.ClusterAuthorizationFailed.Code},
		{"may write a topic", nil, -1, -1, writer{everything}, 0},
		{"transactional", text("t"), -1, -1, auth.AllowAll{}, kerr.UnsupportedVersion.Code},
		{"empty transactional id", text(""), -1, -1, auth.AllowAll{}, kerr.InvalidRequest.Code},
		{"transactional without right", text("t"), -1, -1, everything, kerr.TransactionalIDAuthorizationFailed.Code},
	} {
		t.Run(c.name, func(t *testing.T) {
			blocks := NewBlocks(func(context.Context) (Block, error) { return Block{1000, 1000}, nil })
			h := &InitProducerID{IDs: blocks, Authorizer: c.authorizer}
			body := &wire.InitProducerIdRequest{TransactionalID: c.txn, ProducerID: c.id, ProducerEpoch: c.epoch}
			got := h.Handle(t.Context(), &server.Request{Body: body}).(*wire.InitProducerIdResponse)
			if got.ErrorCode != c.code {
				t.Fatalf("error %d, want %d", got.ErrorCode, c.code)
			}
			if c.code == 0 && (got.ProducerID != 1000 || got.ProducerEpoch != 0) || c.code != 0 && got.ProducerID != -1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestBlocks: no id is given twice, however many ask at once, and a failed
// allocation gives none.
func TestBlocks(t *testing.T) {
	next, fail := model.ProducerID(0), true
	b := NewBlocks(func(context.Context) (Block, error) {
		if fail = !fail; fail {
			return Block{}, errors.New("no controller")
		}
		first := next
		next += 10
		return Block{first, 10}, nil
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[model.ProducerID]bool{}
	for range 8 {
		wg.Go(func() {
			for range 50 {
				id, err := b.Next(t.Context())
				mu.Lock()
				if err == nil && seen[id] {
					t.Errorf("id %d was given twice", id)
				}
				if err == nil {
					seen[id] = true
				} else if !errors.Is(err, kerr.CoordinatorLoadInProgress) {
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) == 0 {
		t.Error("no id was given")
	}
}
