package verify

import (
	"context"
	"errors"
	"sync"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// question is about one transaction.
type question struct {
	transaction Transaction
	partitions  []model.Partition
	answered    chan map[model.Partition]error // gets one value
}

// all is the same error for every partition.
func (q *question) all(err error) map[model.Partition]error {
	failed := make(map[model.Partition]error, len(q.partitions))
	for _, p := range q.partitions {
		failed[p] = err
	}
	return failed
}

// node is another coordinator.
type node struct {
	o  *Options
	id model.NodeID

	mu      sync.Mutex
	waiting []*question
	sending bool // somebody runs send

	link *link.Link // of whoever sends
}

// add leaves a question; the caller must have send run if it is true.
func (n *node) add(q *question) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = append(n.waiting, q)
	begin := !n.sending
	n.sending = true
	return begin
}

// take is what goes into the next request: each transactional id once, since that
// is what the answers are told apart by. It is nothing once nothing waits.
func (n *node) take() []*question {
	n.mu.Lock()
	defer n.mu.Unlock()
	var now, later []*question
	seen := map[string]bool{}
	for _, q := range n.waiting {
		if seen[q.transaction.ID] {
			later = append(later, q)
			continue
		}
		seen[q.transaction.ID] = true
		now = append(now, q)
	}
	n.waiting = later
	n.sending = len(now) > 0
	return now
}

// send asks until nothing waits.
func (n *node) send(ctx context.Context) {
	for questions := n.take(); len(questions) > 0; questions = n.take() {
		response, err := n.do(ctx, request(questions))
		for _, q := range questions {
			switch {
			case err == nil:
				q.answered <- q.read(response)
			case errors.Is(err, kerr.UnsupportedVersion):
				q.answered <- nil // a broker from before KIP-890: as it was then
			default:
				q.answered <- q.all(kerr.NetworkException)
			}
		}
	}
}

func (n *node) do(ctx context.Context, r *wire.AddPartitionsToTxnRequest) (*wire.AddPartitionsToTxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, n.o.Timeout)
	defer cancel()
	response, err := n.try(ctx, r)
	if err == nil {
		return response.(*wire.AddPartitionsToTxnResponse), nil
	}
	n.o.Log.Warn("a coordinator cannot be asked about transactions", "broker", n.id, "err", err)
	if !errors.Is(err, kerr.UnsupportedVersion) {
		n.hangUp()
	}
	return nil, err
}

// batched is the first version that brokers use among each other.
const batched = 4

func (n *node) try(ctx context.Context, r *wire.AddPartitionsToTxnRequest) (wire.Response, error) {
	if n.link != nil {
		select {
		case <-n.link.Done():
			n.hangUp()
		default:
		}
	}
	if n.link == nil {
		var err error
		if n.link, err = n.o.Connect(ctx, n.id); err != nil {
			return nil, err
		}
	}
	if version, err := n.link.Version(wire.KeyAddPartitionsToTxn); err != nil || version < batched {
		return nil, kerr.UnsupportedVersion.With("the broker does not verify transactions")
	}
	return n.link.Do(ctx, r)
}

func (n *node) hangUp() {
	if n.link != nil {
		n.link.Close()
		n.link = nil
	}
}

// request asks several questions at once.
func request(questions []*question) *wire.AddPartitionsToTxnRequest {
	r := &wire.AddPartitionsToTxnRequest{}
	r.Reset()
	for _, q := range questions {
		t := wire.AddPartitionsToTxnRequestTransaction{
			TransactionalID: q.transaction.ID, ProducerID: int64(q.transaction.Producer), ProducerEpoch: q.transaction.Epoch,
			VerifyOnly: q.transaction.Client != Adding,
		}
		at := map[string]int{}
		for _, p := range q.partitions {
			i, ok := at[p.Topic]
			if !ok {
				i = len(t.Topics)
				at[p.Topic] = i
				t.Topics = append(t.Topics, wire.AddPartitionsToTxnRequestTopic{Name: p.Topic})
			}
			t.Topics[i].Partitions = append(t.Topics[i].Partitions, p.Index)
		}
		r.Transactions = append(r.Transactions, t)
	}
	return r
}

// read is what an answer says about the question. An answer without a word on it
// is none: it is asked again.
func (q *question) read(r *wire.AddPartitionsToTxnResponse) map[model.Partition]error {
	switch r.ErrorCode {
	case 0:
	case kerr.ClusterAuthorizationFailed.Code: // the broker's trouble, not the client's
		return q.all(kerr.InvalidTxnState)
	default:
		return q.all(kerr.FromCode(r.ErrorCode))
	}
	for _, result := range r.ResultsByTransaction {
		if result.TransactionalID != q.transaction.ID {
			continue
		}
		failed := map[model.Partition]error{}
		for _, topic := range result.TopicResults {
			for _, p := range topic.ResultsByPartition {
				if err := q.told(p.PartitionErrorCode); err != nil {
					failed[model.Partition{Topic: topic.Name, Index: p.PartitionIndex}] = err
				}
			}
		}
		return failed
	}
	return q.all(kerr.NetworkException)
}

// told is the coordinator's error in the client's terms.
func (q *question) told(code int16) error {
	switch {
	case code == kerr.ProducerFenced.Code:
		return kerr.InvalidProducerEpoch
	case code == kerr.TransactionAbortable.Code && q.transaction.Client == Old:
		return kerr.InvalidTxnState
	}
	return kerr.FromCode(code)
}
