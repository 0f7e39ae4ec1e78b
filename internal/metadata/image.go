// Package metadata is what a cluster knows about itself: the fold of the records
// of the metadata log. It is pure.
//
// An Image is that knowledge at one offset. It never changes, shares all that
// did not change with the Image before it, and is read without locks. A Draft is
// an Image being changed: records are applied to it one by one, exactly as
// Apache Kafka's replay applies them, and it gives out Images. Records turns an
// Image back into the records of a snapshot.
//
// Names and meanings are Kafka's (KIP-500, 631, 858, 866, 919, 966).
package metadata

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Image is the cluster at one offset of the metadata log. It is immutable, and
// so is everything reachable from it: slices and maps it returns are read only.
type Image struct {
	Offset model.Offset // of the last record applied, -1 for none
	Epoch  model.Epoch  // of the last record applied, -1 for none
	// InTransaction tells that the log up to Offset ends inside a metadata
	// transaction, whose records are not in this image.
	InTransaction bool

	state
}

// state is what records change. It is a value: to copy it is to keep it.
type state struct {
	features    Features
	brokers     tree[model.NodeID, *Broker]
	controllers tree[model.NodeID, *Controller]
	topicsByID  tree[model.TopicID, *Topic]
	topics      tree[string, *Topic]
	configs     tree[ConfigResource, map[string]string]
	quotas      tree[quotaKey, *wire.ClientQuotaRecord]
	acls        tree[model.UUID, *wire.AccessControlEntryRecord]
	scram       tree[scramKey, *wire.UserScramCredentialRecord]
	tokens      tree[string, *wire.DelegationTokenRecord]
	nextPID     model.ProducerID
}

// Empty is the image of a log without records.
var Empty = &Image{Offset: -1, Epoch: model.NoEpoch, state: state{
	brokers:     newTree[model.NodeID, *Broker](cmp.Compare[model.NodeID]),
	controllers: newTree[model.NodeID, *Controller](cmp.Compare[model.NodeID]),
	topicsByID:  newTree[model.TopicID, *Topic](func(a, b model.TopicID) int { return bytes.Compare(a[:], b[:]) }),
	topics:      newTree[string, *Topic](strings.Compare),
	configs:     newTree[ConfigResource, map[string]string](ConfigResource.compare),
	quotas:      newTree[quotaKey, *wire.ClientQuotaRecord](quotaKey.compare),
	acls:        newTree[model.UUID, *wire.AccessControlEntryRecord](func(a, b model.UUID) int { return bytes.Compare(a[:], b[:]) }),
	scram:       newTree[scramKey, *wire.UserScramCredentialRecord](scramKey.compare),
	tokens:      newTree[string, *wire.DelegationTokenRecord](strings.Compare),
	nextPID:     -1,
}}

// Topic is a topic with its partitions, of which the index is the partition id.
type Topic struct {
	ID         model.TopicID
	Name       string
	Partitions []Partition
}

// Leader recovery states of a partition (KIP-704).
const (
	Recovered  int8 = 0
	Recovering int8 = 1 // elected uncleanly; in-sync is the leader alone until it says it recovered
)

// Partition is one partition's assignment. Its slices are never changed in
// place. Directories has one entry for each replica, DirectoryMigrating where
// none is known. Epochs are counted here, not stored in changes: LeaderEpoch by
// each record that names a leader, PartitionEpoch by each record.
type Partition struct {
	Replicas       []model.NodeID
	Directories    []model.DirectoryID
	ISR            []model.NodeID
	Removing       []model.NodeID
	Adding         []model.NodeID
	ELR            []model.NodeID // eligible leader replicas (KIP-966)
	LastKnownELR   []model.NodeID
	Leader         model.NodeID
	LeaderEpoch    model.Epoch
	PartitionEpoch int32
	RecoveryState  int8
}

// Directory is the log directory of a replica, false when the node is none.
func (p *Partition) Directory(id model.NodeID) (model.DirectoryID, bool) {
	i := slices.Index(p.Replicas, id)
	if i < 0 {
		return model.DirectoryID{}, false
	}
	return p.Directories[i], true
}

// HasLeader reports whether anybody leads the partition.
func (p *Partition) HasLeader() bool { return p.Leader != model.NoNode }

// Reassigning reports whether the partition's replicas are being changed.
func (p *Partition) Reassigning() bool { return len(p.Adding)+len(p.Removing) > 0 }

// Endpoint is where a node listens. Protocol is the security protocol: 0
// PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
type Endpoint struct {
	Name     string // the listener's
	Host     string
	Port     uint16
	Protocol int16
}

// Broker is a registered broker.
type Broker struct {
	ID                   model.NodeID
	Incarnation          model.UUID
	Epoch                model.BrokerEpoch
	Endpoints            []Endpoint
	Features             []FeatureRange
	Rack                 *string
	Fenced               bool
	InControlledShutdown bool
	LogDirs              []model.DirectoryID // sorted as Java sorts them
	CordonedLogDirs      []model.DirectoryID // nil when the broker never told
	MigratingZK          bool                // kept for snapshots only
	// RegisteredAt is the offset of the broker's registration record, or of the
	// snapshot it came from. A broker that has read the log up to there knows of
	// its own registration.
	RegisteredAt model.Offset
}

// Active reports whether the broker may lead and join in-sync sets.
func (b *Broker) Active() bool { return !b.Fenced && !b.InControlledShutdown }

// Endpoint is the broker's endpoint on a listener.
func (b *Broker) Endpoint(listener string) (Endpoint, bool) {
	return findEndpoint(b.Endpoints, listener)
}

// Feature is the range of a feature that the broker registered, 0-0 for none.
func (b *Broker) Feature(name string) FeatureRange { return findFeature(b.Features, name) }

// DirOnline reports whether the broker's replicas in the directory can be used.
// A broker that told no directories (before KIP-858) is taken to have all.
func (b *Broker) DirOnline(dir model.DirectoryID) bool {
	switch dir {
	case model.DirectoryUnassigned, model.DirectoryMigrating:
		return true
	case model.DirectoryLost:
		return false
	}
	return len(b.LogDirs) == 0 || slices.Contains(b.LogDirs, dir)
}

// HasUncordonedDirs reports whether new replicas may be placed on the broker.
func (b *Broker) HasUncordonedDirs() bool {
	if len(b.LogDirs) == 0 || b.CordonedLogDirs == nil {
		return true
	}
	return slices.ContainsFunc(b.LogDirs, func(d model.DirectoryID) bool { return !slices.Contains(b.CordonedLogDirs, d) })
}

// Controller is a registered controller (KIP-919).
type Controller struct {
	ID             model.NodeID
	Incarnation    model.UUID
	Endpoints      []Endpoint
	Features       []FeatureRange
	ZKMigrateReady bool // kept for snapshots only
}

// Endpoint is the controller's endpoint on a listener.
func (c *Controller) Endpoint(listener string) (Endpoint, bool) {
	return findEndpoint(c.Endpoints, listener)
}

// Feature is the range of a feature that the controller registered, 0-0 for none.
func (c *Controller) Feature(name string) FeatureRange { return findFeature(c.Features, name) }

func findEndpoint(all []Endpoint, listener string) (Endpoint, bool) {
	for _, e := range all {
		if e.Name == listener {
			return e, true
		}
	}
	return Endpoint{}, false
}

func findFeature(all []FeatureRange, name string) FeatureRange {
	for _, f := range all {
		if f.Name == name {
			return f
		}
	}
	return FeatureRange{Name: name}
}

// Config resource types.
const (
	ConfigTopic         int8 = 2
	ConfigBroker        int8 = 4 // name "" is the cluster-wide default
	ConfigBrokerLogger  int8 = 8
	ConfigClientMetrics int8 = 16
	ConfigGroup         int8 = 32
)

// ConfigResource names what a config is set on.
type ConfigResource struct {
	Type int8
	Name string
}

func (r ConfigResource) compare(o ConfigResource) int {
	return cmp.Or(cmp.Compare(r.Type, o.Type), strings.Compare(r.Name, o.Name))
}

// scramKey names a SCRAM credential.
type scramKey struct {
	mechanism int8
	user      string
}

func (k scramKey) compare(o scramKey) int {
	return cmp.Or(cmp.Compare(k.mechanism, o.mechanism), strings.Compare(k.user, o.user))
}

// quotaKey names one quota of one entity; entity is unambiguous and made by
// entityKey.
type quotaKey struct{ entity, quota string }

func (k quotaKey) compare(o quotaKey) int {
	return cmp.Or(strings.Compare(k.entity, o.entity), strings.Compare(k.quota, o.quota))
}

// Features are the finalised feature levels.
func (s *state) Features() Features { return s.features }

// NextProducerID is the first producer id that no broker was given, -1 before
// any was.
func (s *state) NextProducerID() model.ProducerID { return s.nextPID }

// Topic is the topic of a name, nil when there is none.
func (s *state) Topic(name string) *Topic {
	t, _ := s.topics.get(name)
	return t
}

// TopicByID is the topic of an id, nil when there is none.
func (s *state) TopicByID(id model.TopicID) *Topic {
	t, _ := s.topicsByID.get(id)
	return t
}

// Topics yields the topics in name order.
func (s *state) Topics() iter.Seq[*Topic] { return s.topics.values() }

// TopicsFrom yields the topics in name order, from the given name on.
func (s *state) TopicsFrom(name string) iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		for _, t := range s.topics.from(name) {
			if !yield(t) {
				return
			}
		}
	}
}

// TopicCount is the number of topics.
func (s *state) TopicCount() int { return s.topics.count }

// Partition is one partition of a topic, nil when there is none.
func (s *state) Partition(id model.TopicID, index int32) *Partition {
	t := s.TopicByID(id)
	if t == nil || index < 0 || int(index) >= len(t.Partitions) || t.Partitions[index].Replicas == nil {
		return nil
	}
	return &t.Partitions[index]
}

// Broker is the registration of a broker, nil when there is none.
func (s *state) Broker(id model.NodeID) *Broker {
	b, _ := s.brokers.get(id)
	return b
}

// Brokers yields the registered brokers, fenced ones too, in id order.
func (s *state) Brokers() iter.Seq[*Broker] { return s.brokers.values() }

// BrokerCount is the number of registered brokers.
func (s *state) BrokerCount() int { return s.brokers.count }

// Controller is the registration of a controller, nil when there is none.
func (s *state) Controller(id model.NodeID) *Controller {
	c, _ := s.controllers.get(id)
	return c
}

// Controllers yields the registered controllers in id order.
func (s *state) Controllers() iter.Seq[*Controller] { return s.controllers.values() }

// Config is what is set on a resource, by key; nil when nothing is.
func (s *state) Config(resourceType int8, name string) map[string]string {
	c, _ := s.configs.get(ConfigResource{resourceType, name})
	return c
}

// Configs yields every resource that has configs.
func (s *state) Configs() iter.Seq2[ConfigResource, map[string]string] { return s.configs.all() }

// ACLs yields the access control entries in id order.
func (s *state) ACLs() iter.Seq[*wire.AccessControlEntryRecord] { return s.acls.values() }

// Quotas yields the client quotas, those of one entity together.
func (s *state) Quotas() iter.Seq[*wire.ClientQuotaRecord] { return s.quotas.values() }

// ScramCredential is the credential of a user for a mechanism (1 SCRAM-SHA-256,
// 2 SCRAM-SHA-512), nil when there is none.
func (s *state) ScramCredential(mechanism int8, user string) *wire.UserScramCredentialRecord {
	c, _ := s.scram.get(scramKey{mechanism, user})
	return c
}

// ScramCredentials yields all credentials by mechanism and user.
func (s *state) ScramCredentials() iter.Seq[*wire.UserScramCredentialRecord] { return s.scram.values() }

// DelegationTokens yields the delegation tokens in id order.
func (s *state) DelegationTokens() iter.Seq[*wire.DelegationTokenRecord] { return s.tokens.values() }

// compareDirs orders directory ids as Java's Uuid does: as two signed longs.
func compareDirs(a, b model.DirectoryID) int {
	high := func(d model.DirectoryID) int64 { return int64(binary.BigEndian.Uint64(d[:8])) }
	low := func(d model.DirectoryID) int64 { return int64(binary.BigEndian.Uint64(d[8:])) }
	return cmp.Or(cmp.Compare(high(a), high(b)), cmp.Compare(low(a), low(b)))
}
