package data

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DescribeProducers is API key 61, version 0 (KIP-664): the idempotent producers
// that a replica knows of, leader or not, and where their open transactions began.
// That is how transactions are found that nobody ends. Needs READ on the topic.
type DescribeProducers struct {
	Image      func() *metadata.Image
	Partitions Partitions
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DescribeProducers) Handle(_ context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.DescribeProducersRequest)
	img := h.Image()
	response := &wire.DescribeProducersResponse{Topics: make([]wire.DescribeProducersResponseTopic, len(q.Topics))}
	for i, topic := range q.Topics {
		out := &response.Topics[i]
		out.Name, out.Partitions = topic.Name, make([]wire.DescribeProducersResponsePartition, len(topic.PartitionIndexes))
		var err error
		switch {
		case controller.CheckTopicName(topic.Name) != nil:
			err = controller.CheckTopicName(topic.Name)
		case !rights.Topic(h.Authorizer, r, auth.Read, topic.Name):
			err = kerr.TopicAuthorizationFailed
		case img.Topic(topic.Name) == nil:
			err = kerr.UnknownTopicOrPartition
		}
		for j, index := range topic.PartitionIndexes {
			answer := &out.Partitions[j]
			answer.PartitionIndex = index
			failed := err
			if failed == nil {
				failed = h.describe(img, img.Topic(topic.Name), index, answer)
			}
			answer.ErrorCode, answer.ErrorMessage = kerr.Code(failed), kerr.Message(failed)
		}
	}
	return response
}

func (h *DescribeProducers) describe(img *metadata.Image, topic *metadata.Topic, index int32, answer *wire.DescribeProducersResponsePartition) error {
	p, err := find(img, h.Partitions, topic.ID, index)
	if err != nil {
		return err
	}
	producers, err := p.Producers()
	if err != nil {
		return err
	}
	answer.ActiveProducers = make([]wire.DescribeProducersResponseProducer, len(producers))
	for i, producer := range producers {
		answer.ActiveProducers[i] = wire.DescribeProducersResponseProducer{
			ProducerID: int64(producer.ID), ProducerEpoch: int32(producer.Epoch), LastSequence: producer.LastSequence,
			LastTimestamp: producer.LastTimestamp, CoordinatorEpoch: producer.CoordinatorEpoch, CurrentTxnStartOffset: int64(producer.TxnStart),
		}
	}
	return nil
}
