package data

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// WriteTxnMarkers is API key 27, versions 1-2: a transaction's coordinator has the
// leaders of its partitions write how the transaction ended. All markers of a
// request are appended before the first is waited for. Markers of an older epoch of
// the producer are INVALID_PRODUCER_EPOCH, of an older one of the coordinator
// TRANSACTION_COORDINATOR_FENCED; those for __consumer_offsets pass through the
// coordinators of groups, whose offsets they make count.
//
// KIP-98, KIP-1228 (the transaction version, v2). Needs ALTER or CLUSTER_ACTION on
// the cluster.
type WriteTxnMarkers struct {
	Image      func() *metadata.Image
	Partitions Partitions
	Authorizer auth.Authorizer
	// Offsets are the coordinators of groups, nil if there are none here.
	Offsets OffsetMarker
	// Timeout is how long a marker is waited for (request.timeout.ms).
	Timeout time.Duration
	Now     func() time.Time
}

// OffsetMarker writes markers into __consumer_offsets; see coordinator.Set.
type OffsetMarker interface {
	Mark(ctx context.Context, partition int32, m coordinator.Marker) error
}

// marking is one marker in one partition.
type marking struct {
	at      model.Partition
	marker  *wire.WriteTxnMarkersRequestMarker
	token   replica.Token
	waiting bool
	err     error
}

// Handle implements server.Handler.
func (h *WriteTxnMarkers) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.WriteTxnMarkersRequest)
	all := markings(q)
	if !rights.Cluster(h.Authorizer, r, auth.Alter) && !rights.Cluster(h.Authorizer, r, auth.ClusterAction) {
		for _, m := range all {
			m.err = kerr.ClusterAuthorizationFailed
		}
		return markersResponse(all)
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	var offsets sync.WaitGroup
	for _, m := range all {
		if m.at.Topic == model.OffsetsTopic && h.Offsets != nil && h.hosts(m.at) {
			offsets.Go(func() { m.err = h.markOffsets(ctx, m) })
		} else {
			h.append(m)
		}
	}
	for _, m := range all {
		if m.waiting {
			m.err = inTime(ctx, m.token.Wait(ctx))
		}
	}
	offsets.Wait()
	return markersResponse(all)
}

// markings are the partitions of all markers, each once a marker.
func markings(q *wire.WriteTxnMarkersRequest) []*marking {
	var all []*marking
	for i := range q.Markers {
		seen := map[model.Partition]bool{}
		for _, t := range q.Markers[i].Topics {
			for _, index := range t.PartitionIndexes {
				at := model.Partition{Topic: t.Name, Index: index}
				if !seen[at] {
					seen[at] = true
					all = append(all, &marking{at: at, marker: &q.Markers[i]})
				}
			}
		}
	}
	return all
}

// inTime is REQUEST_TIMED_OUT for what took too long: the marker may be committed
// yet, and is written again.
func inTime(ctx context.Context, err error) error {
	if err != nil && errors.Is(err, context.Cause(ctx)) {
		return kerr.RequestTimedOut
	}
	return err
}

func (h *WriteTxnMarkers) find(at model.Partition) (*replica.Partition, error) {
	topic := h.Image().Topic(at.Topic)
	if topic == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	p, err := h.Partitions.Partition(topic.ID, at.Index)
	if err != nil {
		return nil, kerr.UnknownTopicOrPartition // Kafka's answer, at which the coordinator looks again
	}
	return p, nil
}

func (h *WriteTxnMarkers) hosts(at model.Partition) bool {
	_, err := h.find(at)
	return err == nil
}

// append writes one marker; its commit is waited for later.
func (h *WriteTxnMarkers) append(m *marking) {
	p, err := h.find(m.at)
	if err != nil {
		m.err = err
		return
	}
	kind := batch.ControlAbort
	if m.marker.TransactionResult {
		kind = batch.ControlCommit
	}
	b := batch.Marker{Type: kind, CoordinatorEpoch: m.marker.CoordinatorEpoch}.Batch(model.ProducerID(m.marker.ProducerID), m.marker.ProducerEpoch, h.Now().UnixMilli())
	m.token, _, m.err = p.Append(b, -1, commitlog.Append{Origin: commitlog.Coordinator, TransactionVersion: int16(m.marker.TransactionVersion)})
	m.waiting = m.err == nil
}

// markOffsets has a group coordinator write a marker. The transaction's coordinator
// knows partitions, not coordinators.
func (h *WriteTxnMarkers) markOffsets(ctx context.Context, m *marking) error {
	err := h.Offsets.Mark(ctx, m.at.Index, coordinator.Marker{
		Producer:  machine.Producer{ID: model.ProducerID(m.marker.ProducerID), Epoch: m.marker.ProducerEpoch},
		Committed: m.marker.TransactionResult, CoordinatorEpoch: model.Epoch(m.marker.CoordinatorEpoch),
		TransactionVersion: int16(m.marker.TransactionVersion),
	})
	switch kerr.Code(err) {
	case kerr.CoordinatorNotAvailable.Code, kerr.CoordinatorLoadInProgress.Code, kerr.NotCoordinator.Code:
		return kerr.NotLeaderOrFollower.With("%v", err)
	}
	return inTime(ctx, err)
}

// markersResponse answers by producer, topic and partition.
func markersResponse(all []*marking) *wire.WriteTxnMarkersResponse {
	response := &wire.WriteTxnMarkersResponse{}
	type topicOf struct {
		producer int64
		topic    string
	}
	markers, topics := map[int64]int{}, map[topicOf]int{}
	for _, m := range all {
		i, ok := markers[m.marker.ProducerID]
		if !ok {
			i = len(response.Markers)
			markers[m.marker.ProducerID] = i
			response.Markers = append(response.Markers, wire.WriteTxnMarkersResponseMarker{ProducerID: m.marker.ProducerID})
		}
		out := &response.Markers[i]
		key := topicOf{m.marker.ProducerID, m.at.Topic}
		j, ok := topics[key]
		if !ok {
			j = len(out.Topics)
			topics[key] = j
			out.Topics = append(out.Topics, wire.WriteTxnMarkersResponseTopic{Name: m.at.Topic})
		}
		out.Topics[j].Partitions = append(out.Topics[j].Partitions, wire.WriteTxnMarkersResponsePartition{PartitionIndex: m.at.Index, ErrorCode: kerr.Code(m.err)})
	}
	return response
}
