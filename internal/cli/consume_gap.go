package cli

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// gapFetchBytes is enough to see one batch, and large batches are sent whole.
const gapFetchBytes = 1 << 20

// skipGaps moves positions over offsets that hold no record to show: compaction
// leaves the last batch of a log in place with nothing in it, and read-committed
// leaves out aborted records. The client passes over both without telling, so
// reading to the end would wait for a record that never comes. The broker is
// asked for what is at each position, and its answer moves it.
func (r *reading) skipGaps(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	t, err := findTopic(bounded, newCluster(r.client), r.o.topic)
	if err != nil {
		return err
	}
	for _, id := range r.unfinished() {
		s := r.spans[id]
		next, err := r.skipGap(bounded, id, t.ID, t.Partitions[id].Leader, s)
		if err != nil {
			return err
		}
		s.from = next
		r.spans[id] = s
	}
	return nil
}

// skipGap is the first offset from s.from on that may hold a record to show. A
// partition whose leader does not answer stays where it is: the client keeps
// trying, and so do we at the next pause.
func (r *reading) skipGap(ctx context.Context, id int32, topic [16]byte, leader int32, s span) (int64, error) {
	at := s.from
	for at < s.end && leader >= 0 {
		fetched, next, err := r.fetchAt(ctx, id, topic, leader, at)
		if err != nil {
			return at, nil
		}
		if fetched.Err != nil {
			return at, r.fetchError(ctx, id, fetched.Err)
		}
		if r.shows(fetched.Records) || next <= at {
			return at, nil
		}
		at = next
	}
	return at, nil
}

func (r *reading) shows(records []*kgo.Record) bool {
	for _, rec := range records {
		if !rec.Attrs.IsControl() {
			return true
		}
	}
	return false
}

func (r *reading) fetchAt(ctx context.Context, id int32, topicID [16]byte, leader int32, at int64) (kgo.FetchPartition, int64, error) {
	partition := kmsg.NewFetchRequestTopicPartition()
	partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = id, at, gapFetchBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = r.o.topic, topicID
	topic.Partitions = append(topic.Partitions, partition)
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.Topics = gapFetchBytes, append(req.Topics, topic)
	if r.o.committed {
		req.IsolationLevel = 1
	}
	resp, err := r.client.Broker(int(leader)).RetriableRequest(ctx, req)
	if err != nil {
		return kgo.FetchPartition{}, at, err
	}
	answer := resp.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return kgo.FetchPartition{}, at, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return kgo.FetchPartition{}, at, fmt.Errorf("the broker answered about %d topics", len(answer.Topics))
	}
	isolation := kgo.ReadUncommitted()
	if r.o.committed {
		isolation = kgo.ReadCommitted()
	}
	fetched, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: at, IsolationLevel: isolation, Topic: r.o.topic, Partition: id,
	}, &answer.Topics[0].Partitions[0], kgo.DefaultDecompressor(), nil)
	return fetched, next, nil
}
