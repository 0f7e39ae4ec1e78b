package metadata

import (
	"fmt"
	"slices"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// maxPartition bounds partition ids, so that a corrupt record cannot make a
// topic's table arbitrarily large.
const maxPartition = 1 << 20

// noLeaderChange in a PartitionChangeRecord leaves leader and epoch as they are.
const noLeaderChange = -2

func (d *Draft) addTopic(r *wire.TopicRecord) error {
	if t := d.Topic(r.Name); t != nil {
		return fmt.Errorf("topic %s exists with id %v", r.Name, t.ID)
	}
	if t := d.TopicByID(model.TopicID(r.TopicID)); t != nil {
		return fmt.Errorf("topic id %v is that of %s", r.TopicID, t.Name)
	}
	d.put(&Topic{ID: model.TopicID(r.TopicID), Name: r.Name})
	d.touched.topic(model.TopicID(r.TopicID))
	return nil
}

func (d *Draft) setPartition(r *wire.PartitionRecord) error {
	if r.PartitionID < 0 || r.PartitionID >= maxPartition {
		return fmt.Errorf("partition id %d is outside 0 to %d", r.PartitionID, maxPartition-1)
	}
	p := Partition{
		Replicas: nodes(r.Replicas), ISR: nodes(r.ISR), Removing: nodes(r.RemovingReplicas), Adding: nodes(r.AddingReplicas),
		ELR: nodes(r.EligibleLeaderReplicas), LastKnownELR: nodes(r.LastKnownELR),
		Leader: model.NodeID(r.Leader), LeaderEpoch: model.Epoch(r.LeaderEpoch), PartitionEpoch: r.PartitionEpoch,
		RecoveryState: r.LeaderRecoveryState,
	}
	var err error
	if p.Directories, err = directories(r.Directories, len(p.Replicas)); err != nil {
		return err
	}
	t, err := d.own(model.TopicID(r.TopicID))
	if err != nil {
		return err
	}
	if missing := int(r.PartitionID) + 1 - len(t.Partitions); missing > 0 {
		t.Partitions = append(t.Partitions, make([]Partition, missing)...)
	}
	t.Partitions[r.PartitionID] = p
	d.touched.partition(t.ID, r.PartitionID)
	return nil
}

func (d *Draft) changePartition(r *wire.PartitionChangeRecord) error {
	id := model.TopicID(r.TopicID)
	now := d.Partition(id, r.PartitionID)
	if now == nil {
		return fmt.Errorf("topic id %v has no partition %d", r.TopicID, r.PartitionID)
	}
	next, err := now.changed(r)
	if err != nil {
		return err
	}
	t, err := d.own(id)
	if err != nil {
		return err
	}
	t.Partitions[r.PartitionID] = next
	d.touched.partition(id, r.PartitionID)
	return nil
}

// changed is the partition after a PartitionChangeRecord. The record holds no
// epochs: they are counted here, the leader epoch also when the leader named is
// the one that leads already.
func (p *Partition) changed(r *wire.PartitionChangeRecord) (Partition, error) {
	next := *p
	next.PartitionEpoch++
	replace(&next.Replicas, r.Replicas)
	replace(&next.ISR, r.ISR)
	replace(&next.Removing, r.RemovingReplicas)
	replace(&next.Adding, r.AddingReplicas)
	replace(&next.ELR, r.EligibleLeaderReplicas)
	replace(&next.LastKnownELR, r.LastKnownELR)
	if r.Leader != noLeaderChange {
		next.Leader = model.NodeID(r.Leader)
		next.LeaderEpoch++
	}
	if r.LeaderRecoveryState >= 0 {
		next.RecoveryState = r.LeaderRecoveryState
	}
	dirs := r.Directories
	if dirs == nil {
		dirs = uuids(p.Directories)
	}
	var err error
	next.Directories, err = directories(dirs, len(next.Replicas))
	return next, err
}

func (d *Draft) removeTopic(r *wire.RemoveTopicRecord) error {
	id := model.TopicID(r.TopicID)
	t := d.TopicByID(id)
	if t == nil {
		return fmt.Errorf("no topic has id %v", r.TopicID)
	}
	d.topicsByID = d.topicsByID.without(id)
	d.topics = d.topics.without(t.Name)
	delete(d.owned, id)
	d.touched.topic(id)
	resource := ConfigResource{ConfigTopic, t.Name}
	if _, ok := d.configs.get(resource); ok {
		d.configs = d.configs.without(resource)
		mark(&d.touched.configs, resource)
	}
	return nil
}

// clearELR forgets the eligible leaders of one topic, or of all for an empty name.
func (d *Draft) clearELR(r *wire.ClearElrRecord) error {
	if r.TopicName != "" {
		t := d.Topic(r.TopicName)
		if t == nil {
			return fmt.Errorf("no topic is named %q", r.TopicName)
		}
		return d.clearTopicELR(t)
	}
	for t := range d.topics.values() {
		if err := d.clearTopicELR(t); err != nil {
			return err
		}
	}
	return nil
}

func (d *Draft) clearTopicELR(t *Topic) error {
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if len(p.ELR)+len(p.LastKnownELR) == 0 {
			continue
		}
		err := d.changePartition(&wire.PartitionChangeRecord{
			TopicID: model.UUID(t.ID), PartitionID: int32(i), Leader: noLeaderChange, LeaderRecoveryState: -1,
			EligibleLeaderReplicas: []int32{}, LastKnownELR: []int32{},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// directories are those of n replicas; when all are unknown they are none that
// any broker told. A count that is not that of the replicas is an error.
func directories(ids []model.UUID, n int) ([]model.DirectoryID, error) {
	known := slices.ContainsFunc(ids, func(u model.UUID) bool { return model.DirectoryID(u) != model.DirectoryMigrating })
	if !known {
		return make([]model.DirectoryID, n), nil
	}
	if len(ids) != n {
		return nil, fmt.Errorf("%d directories for %d replicas", len(ids), n)
	}
	dirs := make([]model.DirectoryID, n)
	for i, u := range ids {
		dirs[i] = model.DirectoryID(u)
	}
	return dirs, nil
}

// replace is a field of a change that is nil when it changes nothing.
func replace(field *[]model.NodeID, ids []int32) {
	if ids != nil {
		*field = nodes(ids)
	}
}

func nodes(ids []int32) []model.NodeID {
	all := make([]model.NodeID, len(ids))
	for i, id := range ids {
		all[i] = model.NodeID(id)
	}
	return all
}

// NodeInts are node ids as the wire has them; never nil, which would be null.
func NodeInts(ids []model.NodeID) []int32 {
	all := make([]int32, len(ids))
	for i, id := range ids {
		all[i] = int32(id)
	}
	return all
}

func uuids(dirs []model.DirectoryID) []model.UUID {
	all := make([]model.UUID, len(dirs))
	for i, d := range dirs {
		all[i] = model.UUID(d)
	}
	return all
}
