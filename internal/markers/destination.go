package markers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// destination is one broker and what is to be sent to it. While there is any of
// that, workers send it.
type destination struct {
	broker  model.NodeID
	entries []entry // Sender.mu
	workers int     // Sender.mu

	mu   sync.Mutex
	conn Conn // another broker's, nil if there is none; used by one worker
}

func (d *destination) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
}

// queue needs mu.
func (s *Sender) queue(broker model.NodeID, e entry) {
	d := s.brokers[broker]
	if d == nil {
		d = &destination{broker: broker}
		s.brokers[broker] = d
	}
	d.entries = append(d.entries, e)
	limit := 1
	if broker == s.o.Self {
		limit = localRequests
	}
	if d.workers < limit {
		d.workers++
		ctx := s.running
		s.work.Go(func() { s.serve(ctx, d) })
	}
}

// serve sends requests until the queue is empty.
func (s *Sender) serve(ctx context.Context, d *destination) {
	for {
		batch := s.take(ctx, d)
		if len(batch) == 0 {
			return
		}
		response, err := s.request(ctx, d, batch)
		if ctx.Err() != nil {
			continue // take ends it
		}
		s.settle(ctx, d, batch, response, err)
	}
}

// take is the next request's entries, none when the worker is to end. The answer
// tells producers apart, so that one request has one entry of each.
func (s *Sender) take(ctx context.Context, d *destination) []entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var batch, rest []entry
	seen, partitions := map[model.ProducerID]bool{}, 0
	for i, e := range d.entries {
		if !s.current(e.job) {
			continue
		}
		if len(batch) == maxMarkers || len(batch) > 0 && partitions+len(e.partitions) > maxPartitions {
			rest = append(rest, d.entries[i:]...)
			break
		}
		if seen[e.Producer.ID] {
			rest = append(rest, e)
			continue
		}
		seen[e.Producer.ID] = true
		partitions += len(e.partitions)
		batch = append(batch, e)
	}
	d.entries = rest
	if ctx.Err() != nil {
		batch = nil
	}
	if len(batch) == 0 {
		d.workers--
	}
	return batch
}

// request sends a batch and returns what each producer's partitions are answered.
func (s *Sender) request(ctx context.Context, d *destination, batch []entry) (*wire.WriteTxnMarkersResponse, error) {
	q := &wire.WriteTxnMarkersRequest{Markers: make([]wire.WriteTxnMarkersRequestMarker, len(batch))}
	for i, e := range batch {
		q.Markers[i] = e.marker()
	}
	if d.broker == s.o.Self {
		return s.o.Local(ctx, q), nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		conn, err := s.o.Connect(ctx, d.broker)
		if err != nil {
			return nil, err
		}
		d.conn = conn
	}
	answer, err := d.conn.Do(ctx, q)
	response, ok := answer.(*wire.WriteTxnMarkersResponse)
	if err == nil && !ok {
		err = fmt.Errorf("broker %d answered with %T", d.broker, answer)
	}
	if err != nil {
		d.conn.Close()
		d.conn = nil
		return nil, err
	}
	return response, nil
}

func (e entry) marker() wire.WriteTxnMarkersRequestMarker {
	m := wire.WriteTxnMarkersRequestMarker{
		ProducerID: int64(e.Producer.ID), ProducerEpoch: e.Producer.Epoch, TransactionResult: e.Commit,
		CoordinatorEpoch: int32(e.epoch), TransactionVersion: int8(e.Client),
	}
	for _, p := range e.partitions { // in order
		if n := len(m.Topics); n == 0 || m.Topics[n-1].Name != p.Topic {
			m.Topics = append(m.Topics, wire.WriteTxnMarkersRequestTopic{Name: p.Topic})
		}
		last := &m.Topics[len(m.Topics)-1]
		last.PartitionIndexes = append(last.PartitionIndexes, p.Index)
	}
	return m
}

// settle tells what is written and has the rest tried again.
func (s *Sender) settle(ctx context.Context, d *destination, batch []entry, response *wire.WriteTxnMarkersResponse, err error) {
	if err != nil {
		s.o.Log.Debug("markers did not get through", "broker", d.broker, "error", err)
		for _, e := range batch {
			s.retry(e, e.backoff())
		}
		return
	}
	codes := map[model.ProducerID]map[model.Partition]int16{}
	for _, m := range response.Markers {
		id := model.ProducerID(m.ProducerID)
		if codes[id] == nil {
			codes[id] = map[model.Partition]int16{}
		}
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				codes[id][model.Partition{Topic: t.Name, Index: p.PartitionIndex}] = p.ErrorCode
			}
		}
	}
	for _, e := range batch {
		s.settleOne(ctx, d, e, codes[e.Producer.ID])
	}
}

func (s *Sender) settleOne(ctx context.Context, d *destination, e entry, codes map[model.Partition]int16) {
	var written, again []model.Partition
	after := e.backoff()
	for _, p := range e.partitions {
		code, ok := codes[p]
		err := kerr.FromCode(code)
		if !ok {
			err = errors.New("the answer leaves it out")
		}
		wait, ended := s.outcome(d, e, p, err)
		if ended {
			written = append(written, p)
			continue
		}
		again = append(again, p)
		after = max(after, wait)
	}
	if len(again) > 0 {
		rest := e
		rest.partitions = again
		s.retry(rest, after)
	}
	if len(written) > 0 {
		s.done(ctx, e.job, written)
	}
}

// outcome says whether a partition has no need of the marker any more, and else
// how long to wait at least before the next try.
//
// An answer at which Kafka gives up and leaves the transaction unfinished is tried
// again here, slowly: after a while the partition forgets what it is based on.
func (s *Sender) outcome(d *destination, e entry, p model.Partition, err error) (wait time.Duration, ended bool) {
	switch kerr.Code(err) {
	case 0, kerr.UnsupportedForMessageFormat.Code, kerr.UnsupportedVersion.Code:
		return 0, true
	case kerr.InvalidProducerEpoch.Code:
		// The partition has records of a later epoch. The transaction that is
		// ended was of an earlier one, so it is not open there.
		s.o.Log.Warn("a partition has later records of the producer than the transaction that ends",
			"partition", p, "transactional_id", e.id, "producer", e.Producer)
		return 0, true
	case kerr.TransactionCoordinatorFenced.Code, kerr.CorruptMessage.Code, kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		s.o.Log.Warn("a marker is refused", "partition", p, "broker", d.broker, "transactional_id", e.id, "error", err)
		return slowBackoff, false
	}
	s.o.Log.Debug("a marker is not written yet", "partition", p, "broker", d.broker, "transactional_id", e.id, "tries", e.tries, "error", err)
	return 0, false
}
