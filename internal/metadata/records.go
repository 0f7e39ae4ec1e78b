package metadata

import (
	"iter"
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Versioned is a record and the version it is written at.
type Versioned struct {
	Record  wire.Record
	Version int16
}

// Records yields the records of a snapshot of the image, in Kafka's order:
// features with metadata.version first, brokers, controllers, topics, configs,
// quotas, producer ids, access control entries, SCRAM credentials, tokens. What
// the image's metadata.version cannot hold is left out, as Kafka does.
func (i *Image) Records() iter.Seq[Versioned] {
	return func(yield func(Versioned) bool) {
		v := i.features.Version
		i.records(func(r wire.Record) bool { return yield(Versioned{r, v.RecordVersion(r)}) })
	}
}

func (i *Image) records(yield func(wire.Record) bool) bool {
	return i.featureRecords(yield) && i.clusterRecords(yield) && i.topicRecords(yield) &&
		i.configRecords(yield) && i.otherRecords(yield)
}

func (i *Image) featureRecords(yield func(wire.Record) bool) bool {
	for _, f := range i.features.All() {
		if !yield(&wire.FeatureLevelRecord{Name: f.Name, FeatureLevel: f.Level}) {
			return false
		}
	}
	return true
}

func (i *Image) clusterRecords(yield func(wire.Record) bool) bool {
	for b := range i.Brokers() {
		if !yield(b.record(i.features.Version)) {
			return false
		}
	}
	if !i.features.Version.ControllerRegistration() {
		return true
	}
	for c := range i.Controllers() {
		if !yield(c.record()) {
			return false
		}
	}
	return true
}

func (b *Broker) record(v Version) *wire.RegisterBrokerRecord {
	r := &wire.RegisterBrokerRecord{
		BrokerID: int32(b.ID), IncarnationID: b.Incarnation, BrokerEpoch: int64(b.Epoch), Rack: b.Rack,
		Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown, IsMigratingZkBroker: b.MigratingZK && v >= 8,
	}
	for _, e := range b.Endpoints {
		r.EndPoints = append(r.EndPoints, wire.RegisterBrokerRecordEndPoint{Name: e.Name, Host: e.Host, Port: e.Port, SecurityProtocol: e.Protocol})
	}
	for _, f := range b.Features {
		r.Features = append(r.Features, wire.RegisterBrokerRecordFeature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	if v.Directories() {
		r.LogDirs = uuids(b.LogDirs)
	}
	if v.CordonedDirs() && b.CordonedLogDirs != nil {
		r.CordonedLogDirs = uuids(b.CordonedLogDirs)
	}
	return r
}

func (c *Controller) record() *wire.RegisterControllerRecord {
	r := &wire.RegisterControllerRecord{ControllerID: int32(c.ID), IncarnationID: c.Incarnation, ZkMigrationReady: c.ZKMigrateReady}
	for _, e := range c.Endpoints {
		r.EndPoints = append(r.EndPoints, wire.RegisterControllerRecordEndPoint{Name: e.Name, Host: e.Host, Port: e.Port, SecurityProtocol: e.Protocol})
	}
	for _, f := range c.Features {
		r.Features = append(r.Features, wire.RegisterControllerRecordFeature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	return r
}

func (i *Image) topicRecords(yield func(wire.Record) bool) bool {
	for t := range i.topicsByID.values() {
		if !yield(&wire.TopicRecord{Name: t.Name, TopicID: model.UUID(t.ID)}) {
			return false
		}
		for index := range t.Partitions {
			p := &t.Partitions[index]
			if p.Replicas != nil && !yield(p.Record(t.ID, int32(index), i.features.Version)) {
				return false
			}
		}
	}
	return true
}

// Record is the PartitionRecord that makes the partition what it is.
func (p *Partition) Record(topic model.TopicID, index int32, v Version) *wire.PartitionRecord {
	r := &wire.PartitionRecord{
		PartitionID: index, TopicID: model.UUID(topic), Replicas: NodeInts(p.Replicas), ISR: NodeInts(p.ISR),
		RemovingReplicas: NodeInts(p.Removing), AddingReplicas: NodeInts(p.Adding),
		Leader: int32(p.Leader), LeaderRecoveryState: p.RecoveryState, LeaderEpoch: int32(p.LeaderEpoch), PartitionEpoch: p.PartitionEpoch,
	}
	if v.Directories() {
		r.Directories = uuids(p.Directories)
	}
	if v.ELR() && len(p.ELR) > 0 {
		r.EligibleLeaderReplicas = NodeInts(p.ELR)
	}
	if v.ELR() && len(p.LastKnownELR) > 0 {
		r.LastKnownELR = NodeInts(p.LastKnownELR)
	}
	return r
}

func (i *Image) configRecords(yield func(wire.Record) bool) bool {
	for resource, values := range i.configs.all() {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			value := values[name]
			if !yield(&wire.ConfigRecord{ResourceType: resource.Type, ResourceName: resource.Name, Name: name, Value: &value}) {
				return false
			}
		}
	}
	return true
}

func (i *Image) otherRecords(yield func(wire.Record) bool) bool {
	if !each(i.quotas.values(), yield) {
		return false
	}
	if i.nextPID >= 0 && !yield(&wire.ProducerIdsRecord{BrokerID: -1, BrokerEpoch: -1, NextProducerID: int64(i.nextPID)}) {
		return false
	}
	return each(i.acls.values(), yield) &&
		(!i.features.Version.SCRAM() || each(i.scram.values(), yield)) &&
		(!i.features.Version.DelegationTokens() || each(i.tokens.values(), yield))
}

func each[R wire.Record](records iter.Seq[R], yield func(wire.Record) bool) bool {
	for r := range records {
		if !yield(r) {
			return false
		}
	}
	return true
}

// FromRecords is the image of a snapshot, whose last contained record has the
// offset and epoch. The records' own offsets inside the snapshot count for
// nothing.
func FromRecords(records iter.Seq[wire.Record], offset model.Offset, epoch model.Epoch) (*Image, error) {
	d := NewDraft(Empty)
	for r := range records {
		if err := d.Apply(r, offset); err != nil {
			return nil, err
		}
	}
	img, _ := d.Image(offset, epoch)
	return img, nil
}
