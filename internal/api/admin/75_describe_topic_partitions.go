package admin

import (
	"cmp"
	"context"
	"slices"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DescribeTopicPartitions serves version 0 (KIP-966): topics with their eligible
// leaders, page by page in name order.
type DescribeTopicPartitions struct {
	View       *View
	Authorizer auth.Authorizer
	MaxPage    int // max.request.partition.size.limit
}

// Handle implements server.Handler.
func (h *DescribeTopicPartitions) Handle(_ context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.DescribeTopicPartitionsRequest)
	p := page{
		img: h.View.Image(), listener: r.Listener, named: len(body.Topics) > 0,
		left: max(min(h.MaxPage, int(body.ResponsePartitionLimit)), 1),
	}
	if body.Cursor != nil {
		p.fromTopic, p.fromPartition = body.Cursor.TopicName, body.Cursor.PartitionIndex
	}
	names := p.names(body)
	if err := checkCursor(body, p.named, names); err != nil {
		return refusePartitions(body, err)
	}
	var denied []wire.DescribeTopicPartitionsResponseTopic
	for _, name := range names {
		if rights.Topic(h.Authorizer, r, auth.Describe, name) {
			p.add(name)
		} else if p.named {
			denied = append(denied, partitionsError(name, kerr.TopicAuthorizationFailed))
		}
	}
	for i := range p.response.Topics {
		t := &p.response.Topics[i]
		t.TopicAuthorizedOperations = rights.Operations(h.Authorizer, r, auth.Topic, *t.Name)
	}
	p.response.Topics = append(p.response.Topics, denied...)
	return &p.response
}

// page is a response being filled until its partitions are used up.
type page struct {
	img           *metadata.Image
	listener      string
	named         bool // the request names its topics: errors are answered
	fromTopic     string
	fromPartition int32
	left          int // partitions that still fit
	full          bool
	response      wire.DescribeTopicPartitionsResponse
}

// names are the topics from the cursor on, in order.
func (p *page) names(body *wire.DescribeTopicPartitionsRequest) []string {
	var names []string
	if !p.named {
		for t := range p.img.TopicsFrom(p.fromTopic) {
			names = append(names, t.Name)
		}
		return names
	}
	for _, t := range body.Topics {
		if cmp.Compare(t.Name, p.fromTopic) >= 0 {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func checkCursor(body *wire.DescribeTopicPartitionsRequest, named bool, names []string) error {
	switch c := body.Cursor; {
	case c == nil:
		return nil
	case named && !slices.Contains(names, c.TopicName):
		return kerr.InvalidRequest.With("DescribeTopicPartitionsRequest topic list should contain the cursor topic: %s", c.TopicName)
	case c.PartitionIndex < 0:
		return kerr.InvalidRequest.With("DescribeTopicPartitionsRequest cursor partition must be valid: %d", c.PartitionIndex)
	}
	return nil
}

// add puts in a topic, or as much of it as fits. The first thing that does not
// fit is where the next page begins.
func (p *page) add(name string) {
	if p.full {
		return
	}
	if p.left == 0 {
		p.cut(name, 0)
		return
	}
	t := p.img.Topic(name)
	if t == nil {
		if p.named {
			p.response.Topics = append(p.response.Topics, partitionsError(name, nameError(name)))
		}
		return
	}
	answer := wire.DescribeTopicPartitionsResponseTopic{}
	answer.Reset()
	answer.Name, answer.TopicID, answer.IsInternal = &name, model.UUID(t.ID), model.IsInternalTopic(name)
	answer.Partitions = []wire.DescribeTopicPartitionsResponsePartition{}
	first := 0
	if name == p.fromTopic {
		first = int(p.fromPartition)
	}
	end := min(len(t.Partitions), first+p.left)
	for i := first; i < end; i++ {
		answer.Partitions = append(answer.Partitions, p.partition(int32(i), &t.Partitions[i]))
	}
	p.response.Topics = append(p.response.Topics, answer)
	p.left -= len(answer.Partitions)
	if end < len(t.Partitions) {
		p.cut(name, int32(end))
	}
}

func (p *page) cut(topic string, index int32) {
	p.full = true
	p.response.NextCursor = &wire.DescribeTopicPartitionsResponseNextCursor{TopicName: topic, PartitionIndex: index}
}

func (p *page) partition(index int32, from *metadata.Partition) wire.DescribeTopicPartitionsResponsePartition {
	answer := wire.DescribeTopicPartitionsResponsePartition{
		PartitionIndex: index, LeaderID: -1, LeaderEpoch: int32(from.LeaderEpoch),
		ReplicaNodes: metadata.NodeInts(from.Replicas), ISRNodes: metadata.NodeInts(from.ISR), OfflineReplicas: offline(p.img, from, p.listener),
		EligibleLeaderReplicas: metadata.NodeInts(from.ELR), LastKnownELR: metadata.NodeInts(from.LastKnownELR),
	}
	if b := p.img.Broker(from.Leader); b != nil && hasListener(b, p.listener) {
		answer.LeaderID = int32(from.Leader)
	}
	return answer
}

// nameError is why there is no such topic.
func nameError(name string) error {
	if controller.CheckTopicName(name) != nil {
		return kerr.InvalidTopicException
	}
	return kerr.UnknownTopicOrPartition
}

func partitionsError(name string, err error) wire.DescribeTopicPartitionsResponseTopic {
	t := wire.DescribeTopicPartitionsResponseTopic{}
	t.Reset()
	t.ErrorCode, t.Name, t.IsInternal = kerr.Code(err), &name, model.IsInternalTopic(name)
	return t
}

func refusePartitions(body *wire.DescribeTopicPartitionsRequest, err error) wire.Response {
	response := &wire.DescribeTopicPartitionsResponse{}
	for _, t := range body.Topics {
		response.Topics = append(response.Topics, partitionsError(t.Name, err))
	}
	return response
}
