package controller

import (
	"slices"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// createPartitions adds partitions to topics (KIP-195), each topic by itself;
// all records of the request are one atomic batch. New partitions have as many
// replicas as the topic's first.
func (m *Machine) createPartitions(r *wire.CreatePartitionsRequest, may allowed) wire.Response {
	response := &wire.CreatePartitionsResponse{}
	times := map[string]int{}
	for _, t := range r.Topics {
		times[t.Name]++
	}
	var records []wire.Record
	for _, t := range r.Topics {
		var added []wire.Record
		var err error
		switch {
		case times[t.Name] == 0: // already answered
			continue
		case times[t.Name] > 1:
			err = kerr.InvalidRequest.With("Duplicate topic name.")
			times[t.Name] = 0
		case !may(auth.Alter, auth.Topic, t.Name):
			err = kerr.TopicAuthorizationFailed
		default:
			added, err = m.morePartitions(&t, maxRecords-len(records))
		}
		if len(records)+len(added) > maxRecords {
			return &wire.CreatePartitionsResponse{Results: RefusePartitions(r, errTooMany)}
		}
		records = append(records, added...)
		response.Results = append(response.Results, partitionsResult(t.Name, err))
	}
	if !r.ValidateOnly {
		for _, record := range records {
			m.emit(record)
		}
	}
	return response
}

var errTooMany = kerr.PolicyViolation.With("Unable to perform excessively large batch operation.")

func partitionsResult(name string, err error) wire.CreatePartitionsResponseResult {
	return wire.CreatePartitionsResponseResult{Name: name, ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err)}
}

// RefusePartitions answers every topic of the request with one error.
func RefusePartitions(r *wire.CreatePartitionsRequest, err error) []wire.CreatePartitionsResponseResult {
	all := make([]wire.CreatePartitionsResponseResult, len(r.Topics))
	for i, t := range r.Topics {
		all[i] = partitionsResult(t.Name, err)
	}
	return all
}

// morePartitions are the records of a topic's new partitions, of which the
// request has room for so many. With more, one too many stands for all.
func (m *Machine) morePartitions(r *wire.CreatePartitionsRequestTopic, room int) ([]wire.Record, error) {
	t := m.draft.Topic(r.Name)
	if t == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	now := len(t.Partitions)
	more := int(r.Count) - now
	switch {
	case more == 0:
		return nil, kerr.InvalidPartitions.With("Topic already has %d partition(s).", now)
	case more < 0:
		return nil, kerr.InvalidPartitions.With("The topic %s currently has %d partition(s); %d would not be an increase.", r.Name, now, r.Count)
	case r.Assignments != nil && len(r.Assignments) != more:
		return nil, kerr.InvalidReplicaAssignment.With("Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", more, len(r.Assignments))
	case more > room:
		return make([]wire.Record, room+1), nil
	}
	replicas, err := m.replicasOfMore(r, now, more, len(t.Partitions[0].Replicas))
	if err != nil {
		return nil, err
	}
	records := make([]wire.Record, more)
	for i, ids := range replicas {
		records[i] = m.newPartition(ids).Record(t.ID, int32(now+i), m.version())
	}
	return records, nil
}

func (m *Machine) replicasOfMore(r *wire.CreatePartitionsRequestTopic, first, more, replicas int) ([][]model.NodeID, error) {
	if r.Assignments == nil {
		return m.spread(more, replicas)
	}
	var all [][]model.NodeID
	for i, a := range r.Assignments {
		ids := nodeIDs(a.BrokerIDs)
		if err := m.checkAssignment(ids, replicas); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(ids, m.active) {
			return nil, kerr.InvalidReplicaAssignment.With("All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", first+i)
		}
		all = append(all, ids)
	}
	return all, nil
}

func nodeIDs(ids []int32) []model.NodeID {
	all := make([]model.NodeID, len(ids))
	for i, id := range ids {
		all[i] = model.NodeID(id)
	}
	return all
}

// Reassignments answers ListPartitionReassignments (KIP-455) from an image: what
// is moving, of the named topics or of all.
func Reassignments(img *metadata.Image, r *wire.ListPartitionReassignmentsRequest) []wire.ListPartitionReassignmentsResponseTopic {
	all := []wire.ListPartitionReassignmentsResponseTopic{}
	add := func(t *metadata.Topic, wanted func(int32) bool) {
		moving := wire.ListPartitionReassignmentsResponseTopic{Name: t.Name}
		for i := range t.Partitions {
			if p := &t.Partitions[i]; p.Reassigning() && wanted(int32(i)) {
				moving.Partitions = append(moving.Partitions, wire.ListPartitionReassignmentsResponsePartition{
					PartitionIndex: int32(i), Replicas: metadata.NodeInts(p.Replicas),
					AddingReplicas: metadata.NodeInts(p.Adding), RemovingReplicas: metadata.NodeInts(p.Removing)})
			}
		}
		if len(moving.Partitions) > 0 {
			all = append(all, moving)
		}
	}
	if r.Topics == nil {
		for t := range img.Topics() {
			add(t, func(int32) bool { return true })
		}
		return all
	}
	for _, named := range r.Topics {
		if t := img.Topic(named.Name); t != nil {
			add(t, func(i int32) bool { return slices.Contains(named.PartitionIndexes, i) })
		}
	}
	return all
}
