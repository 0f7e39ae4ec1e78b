package data_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica/replicatest"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// consumed is what one consumer has seen of each partition.
type consumed [4][]string

// consume reads all four partitions in one fetch session until enough says stop,
// and checks that offsets have no gap and no repetition.
func (b *broker) consume(enough func() bool) (seen consumed) {
	req := b.fetchRequest(13, 0, 1, 2, 3)
	req.MaxWaitMS, req.SessionEpoch = 50, 0
	for {
		r := b.get(13, req)
		if r.ErrorCode != 0 {
			b.t.Errorf("session %d epoch %d: %v", req.SessionID, req.SessionEpoch, kerr.FromCode(r.ErrorCode))
			return seen
		}
		req.SessionID, req.SessionEpoch, req.Topics = r.SessionID, req.SessionEpoch+1, nil
		moved := wire.FetchRequestTopic{TopicID: model.UUID(b.id)}
		for _, topic := range r.Responses {
			for _, p := range topic.Partitions {
				if b.take(&seen, &p) {
					var next wire.FetchRequestPartition
					next.Reset()
					next.Partition, next.PartitionMaxBytes = p.PartitionIndex, 1<<20
					next.FetchOffset = int64(len(seen[p.PartitionIndex]))
					moved.Partitions = append(moved.Partitions, next)
				}
			}
		}
		if len(moved.Partitions) > 0 {
			req.Topics = []wire.FetchRequestTopic{moved}
		} else if enough() {
			return seen
		}
	}
}

// take appends a response's records to what was seen.
func (b *broker) take(seen *consumed, p *wire.FetchResponsePartition) (moved bool) {
	for data := p.Records.Bytes(); len(data) > 0; {
		records, rest, err := batch.Next(data)
		if err == nil {
			err = records.Check()
		}
		if err != nil {
			b.t.Error(err)
			return false
		}
		for record, err := range records.Records(1 << 20) {
			if err != nil || record.Offset != model.Offset(len(seen[p.PartitionIndex])) || int64(record.Offset) >= p.HighWatermark {
				b.t.Errorf("partition %d: offset %d after %d, high watermark %d, %v", p.PartitionIndex, record.Offset, len(seen[p.PartitionIndex]), p.HighWatermark, err)
				return false
			}
			seen[p.PartitionIndex] = append(seen[p.PartitionIndex], string(record.Value))
		}
		data, moved = rest, true
	}
	return moved
}

// Producers, consumers in sessions, changes of the leader epoch and checkpoints,
// all at once: consumers see what was acknowledged, once and in order.
func TestEverythingAtOnce(t *testing.T) {
	b := newBroker(t, vfs.NewMem(), replicatest.Fsync)
	const producers, each = 8, 60
	var acknowledged [4]sync.Map
	var sending, all sync.WaitGroup
	var done atomic.Bool
	for producer := range producers {
		sending.Go(func() {
			for i := range each {
				index := int32((producer + i) % 4)
				value := fmt.Sprintf("%d-%d", producer, i)
				pending := b.produce.Begin(t.Context(), request(9, produceTo("t", index, -1, replicatest.Batch(value))))
				response := pending.Wait(t.Context()).(*wire.ProduceResponse)
				switch a := response.Responses[0].PartitionResponses[0]; a.ErrorCode {
				case 0:
					acknowledged[index].Store(value, a.BaseOffset)
				default:
					t.Errorf("%s: %v", value, kerr.FromCode(a.ErrorCode))
				}
			}
		})
	}
	results := make([]consumed, 3)
	for i := range results {
		all.Go(func() { results[i] = b.consume(done.Load) })
	}
	for i := range 40 {
		b.node.Lead(b.id, int32(i%4), replicatest.Self) // epochs without a gap
	}
	sending.Wait()
	done.Store(true)
	all.Wait()
	for i, seen := range results {
		for index := range seen {
			acknowledged[index].Range(func(value, offset any) bool {
				if at := offset.(int64); at >= int64(len(seen[index])) || seen[index][at] != value {
					t.Errorf("consumer %d, partition %d: %v acknowledged at offset %d is not there", i, index, value, at)
				}
				return true
			})
			if i > 0 && fmt.Sprint(seen[index]) != fmt.Sprint(results[0][index]) {
				t.Errorf("consumers saw different records of partition %d", index)
			}
		}
	}
}
