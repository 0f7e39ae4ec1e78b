package workload

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/stromkafka/strom/internal/history"
)

// transactional are the options of everybody who writes in transactions.
func (o *Options) transactional(id string) []kgo.Opt {
	return []kgo.Opt{kgo.TransactionalID(id), kgo.TransactionTimeout(transactionTimeout), kgo.ProducerLinger(0),
		kgo.RecordDeliveryTimeout(o.Patience), kgo.ProduceRequestTimeout(5 * time.Second), kgo.UnknownTopicRetries(-1)}
}

// sending is the records of one transaction on their way.
type sending struct {
	options *Options
	client  string
	txn     string
	numbers map[history.Partition]int // the newest of each partition
	produce func(context.Context, *kgo.Record, func(*kgo.Record, error))

	open   sync.WaitGroup
	mu     sync.Mutex
	failed bool
}

// send produces a record. The value is made from the record's number.
func (s *sending) send(ctx context.Context, to history.Partition, source string, value func(number int) string) {
	o := s.options
	s.numbers[to]++
	op := history.Op{Kind: history.Send, Client: s.client, Partition: to, Number: s.numbers[to], Offset: -1, Acks: -1, Idempotent: true, Txn: s.txn, Source: source,
		Value: value(s.numbers[to]), Begin: o.Record.Now()}
	s.open.Add(1)
	s.produce(context.WithoutCancel(ctx), &kgo.Record{Topic: to.Topic, Partition: to.Index, Value: payload(op.Value, o.Size)}, func(r *kgo.Record, err error) {
		defer s.open.Done()
		o.produced(op, r, err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = s.failed || err != nil
	})
}

// whole waits for the outcome of what was sent; it is true if all of it is there
// for sure.
func (s *sending) whole() bool {
	s.open.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.failed
}

// ended records how a transaction ended, and is false if that is not known.
func (o *Options) ended(op history.Op, whole bool, err error) bool {
	if err != nil || !whole {
		op.Outcome = history.Unknown
		if err != nil {
			op.Error = err.Error()
		}
	}
	o.Record.Add(op)
	return op.Outcome == history.OK
}
