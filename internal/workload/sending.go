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
	through *kgo.Client

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
	s.through.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: to.Topic, Partition: to.Index, Value: payload(op.Value, o.Size)}, func(r *kgo.Record, err error) {
		defer s.open.Done()
		o.produced(op, r, err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failed = s.failed || err != nil
	})
}

// whole waits for the outcome of what was sent; it is true if all of it is there
// for sure.
//
// A client's first records of a topic can be acknowledged before the client has
// noted that it knows the topic (v1.22), and if the transaction ends before that,
// it is aborted as one without records, and the commit reported as done. Both take
// the lock of the topics not yet known; an abort of what is buffered, which is
// nothing here, waits for it.
func (s *sending) whole() bool {
	s.open.Wait()
	_ = s.through.AbortBufferedRecords(context.Background()) // fails only with its context
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
