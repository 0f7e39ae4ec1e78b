package data

import (
	"context"
	"errors"
	"time"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DeleteRecords is API key 21, versions 0-2 (KIP-107): the logs begin at the
// offsets named, -1 for the high watermark, and the answer waits until those of
// all live replicas do. Needs DELETE on the topic. Internal topics, and topics that
// are compacted only, are refused.
type DeleteRecords struct {
	Image      func() *metadata.Image
	Partitions Partitions
	Authorizer auth.Authorizer
}

// deletion is one partition of a request.
type deletion struct {
	answer    *wire.DeleteRecordsResponsePartition
	partition *replica.Partition
	before    model.Offset
}

// Handle implements server.Handler.
func (h *DeleteRecords) Handle(ctx context.Context, r *server.Request) wire.Response {
	req := r.Body.(*wire.DeleteRecordsRequest)
	out := &wire.DeleteRecordsResponse{Topics: make([]wire.DeleteRecordsResponseTopic, len(req.Topics))}
	img := h.Image()
	var waits []deletion
	for i := range req.Topics {
		in, topic := &req.Topics[i], &out.Topics[i]
		topic.Name = in.Name
		topic.Partitions = make([]wire.DeleteRecordsResponsePartition, len(in.Partitions))
		allowed := rights.Topic(h.Authorizer, r, auth.Delete, in.Name)
		for j, q := range in.Partitions {
			answer := &topic.Partitions[j]
			answer.PartitionIndex, answer.LowWatermark = q.PartitionIndex, -1
			if !allowed {
				answer.ErrorCode = kerr.TopicAuthorizationFailed.Code
				continue
			}
			p, before, err := h.one(img, in.Name, q)
			answer.ErrorCode = kerr.Code(err)
			if err == nil {
				waits = append(waits, deletion{answer, p, before})
			}
		}
	}
	timeout := time.Duration(max(req.TimeoutMS, 0)) * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, kerr.RequestTimedOut)
	defer cancel()
	for _, w := range waits {
		w.wait(ctx)
	}
	return out
}

func (h *DeleteRecords) one(img *metadata.Image, name string, q wire.DeleteRecordsRequestPartition) (*replica.Partition, model.Offset, error) {
	topic := img.Topic(name)
	if topic == nil || img.Partition(topic.ID, q.PartitionIndex) == nil {
		return nil, 0, kerr.UnknownTopicOrPartition
	}
	if model.IsInternalTopic(name) {
		return nil, 0, kerr.InvalidTopicException.With("records of the internal topic %s cannot be deleted", name)
	}
	p, err := h.Partitions.Partition(topic.ID, q.PartitionIndex)
	if err != nil {
		return nil, 0, err
	}
	before, err := p.DeleteRecords(model.Offset(q.Offset))
	return p, before, err
}

// wait fills in the low watermark once it is where it should be.
func (d *deletion) wait(ctx context.Context) {
	low, err := d.partition.WaitLow(ctx, d.before)
	if err != nil && !errors.Is(err, kerr.RequestTimedOut) {
		low = -1
	}
	d.answer.LowWatermark, d.answer.ErrorCode = int64(low), kerr.Code(err)
}
