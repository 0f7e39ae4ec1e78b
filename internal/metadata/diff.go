package metadata

import (
	"bytes"
	"maps"
	"slices"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Diff is the Change from one image to another that did not grow out of it:
// what a subscriber needs when a snapshot takes the place of the log.
func Diff(from, to *Image) *Change {
	t := touched{
		features:    from.features.Version != to.features.Version || !slices.Equal(from.features.levels, to.features.levels),
		producerIDs: from.nextPID != to.nextPID,
	}
	for id := range differing(from.brokers, to.brokers, (*Broker).Equal) {
		mark(&t.brokers, id)
	}
	for id := range differing(from.controllers, to.controllers, (*Controller).Equal) {
		mark(&t.controllers, id)
	}
	for resource := range differing(from.configs, to.configs, maps.Equal[map[string]string, map[string]string]) {
		mark(&t.configs, resource)
	}
	t.quotas = len(differing(from.quotas, to.quotas, equalQuotas)) > 0
	t.acls = len(differing(from.acls, to.acls, equalACLs)) > 0
	t.scram = len(differing(from.scram, to.scram, equalScram)) > 0
	t.tokens = len(differing(from.tokens, to.tokens, equalTokens)) > 0
	for id := range differing(from.topicsByID, to.topicsByID, (*Topic).Equal) {
		t.topic(id)
		t.differingPartitions(from.TopicByID(id), to.TopicByID(id))
	}
	return t.between(from, to)
}

// differing are the keys whose values differ or that only one tree has.
func differing[K comparable, V any](from, to tree[K, V], equal func(a, b V) bool) map[K]struct{} {
	keys := map[K]struct{}{}
	for k, a := range from.all() {
		if b, ok := to.get(k); !ok || !equal(a, b) {
			keys[k] = struct{}{}
		}
	}
	for k := range to.all() {
		if _, ok := from.get(k); !ok {
			keys[k] = struct{}{}
		}
	}
	return keys
}

// differingPartitions touches what differs in a topic that is on both sides.
func (t *touched) differingPartitions(from, to *Topic) {
	if from == nil || to == nil {
		return
	}
	for i := range max(len(from.Partitions), len(to.Partitions)) {
		if i >= len(from.Partitions) || i >= len(to.Partitions) || !from.Partitions[i].Equal(&to.Partitions[i]) {
			t.partition(to.ID, int32(i))
		}
	}
}

// Equal reports whether the topics and all their partitions are the same.
func (t *Topic) Equal(o *Topic) bool {
	return t == o || t.ID == o.ID && t.Name == o.Name &&
		slices.EqualFunc(t.Partitions, o.Partitions, func(a, b Partition) bool { return a.Equal(&b) })
}

// Equal reports whether the assignments and epochs are the same.
func (p *Partition) Equal(o *Partition) bool {
	return slices.Equal(p.Replicas, o.Replicas) && slices.Equal(p.Directories, o.Directories) && slices.Equal(p.ISR, o.ISR) &&
		slices.Equal(p.Removing, o.Removing) && slices.Equal(p.Adding, o.Adding) &&
		slices.Equal(p.ELR, o.ELR) && slices.Equal(p.LastKnownELR, o.LastKnownELR) &&
		p.Leader == o.Leader && p.LeaderEpoch == o.LeaderEpoch && p.PartitionEpoch == o.PartitionEpoch && p.RecoveryState == o.RecoveryState
}

// Equal reports whether the registrations are the same, wherever in the log
// they were made.
func (b *Broker) Equal(o *Broker) bool {
	return b == o || b.ID == o.ID && b.Incarnation == o.Incarnation && b.Epoch == o.Epoch &&
		slices.Equal(b.Endpoints, o.Endpoints) && slices.Equal(b.Features, o.Features) && equalStrings(b.Rack, o.Rack) &&
		b.Fenced == o.Fenced && b.InControlledShutdown == o.InControlledShutdown && slices.Equal(b.LogDirs, o.LogDirs) &&
		(b.CordonedLogDirs == nil) == (o.CordonedLogDirs == nil) && slices.Equal(b.CordonedLogDirs, o.CordonedLogDirs) &&
		b.MigratingZK == o.MigratingZK
}

// Equal reports whether the registrations are the same.
func (c *Controller) Equal(o *Controller) bool {
	return c == o || c.ID == o.ID && c.Incarnation == o.Incarnation && c.ZKMigrateReady == o.ZKMigrateReady &&
		slices.Equal(c.Endpoints, o.Endpoints) && slices.Equal(c.Features, o.Features)
}

func equalStrings(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

func equalQuotas(a, b *wire.ClientQuotaRecord) bool {
	return a.Key == b.Key && a.Value == b.Value && entityKey(a.Entity) == entityKey(b.Entity)
}

func equalACLs(a, b *wire.AccessControlEntryRecord) bool { return *a == *b }

func equalScram(a, b *wire.UserScramCredentialRecord) bool {
	return a.Name == b.Name && a.Mechanism == b.Mechanism && a.Iterations == b.Iterations &&
		bytes.Equal(a.Salt, b.Salt) && bytes.Equal(a.StoredKey, b.StoredKey) && bytes.Equal(a.ServerKey, b.ServerKey)
}

func equalTokens(a, b *wire.DelegationTokenRecord) bool {
	return a.Owner == b.Owner && a.Requester == b.Requester && slices.Equal(a.Renewers, b.Renewers) && a.TokenID == b.TokenID &&
		a.IssueTimestamp == b.IssueTimestamp && a.MaxTimestamp == b.MaxTimestamp && a.ExpirationTimestamp == b.ExpirationTimestamp
}

// Replicated yields the partitions that a node is a replica of.
func (s *state) Replicated(id model.NodeID) func(yield func(*Topic, int32) bool) {
	return func(yield func(*Topic, int32) bool) {
		for t := range s.Topics() {
			for i := range t.Partitions {
				if slices.Contains(t.Partitions[i].Replicas, id) && !yield(t, int32(i)) {
					return
				}
			}
		}
	}
}

// TopicsGone are the topics that one image has and a later one has not. A topic
// that was created again under its name is gone all the same. What the images
// share is not looked at.
func TopicsGone(from, to *Image) []*Topic {
	var gone []*Topic
	var walk func(was, is *treeNode[model.TopicID, *Topic])
	walk = func(was, is *treeNode[model.TopicID, *Topic]) {
		if was == nil || was == is {
			return
		}
		if is != nil && is.key == was.key {
			walk(was.left, is.left)
			walk(was.right, is.right)
			return
		}
		// The tree was turned here: what the one side has may be anywhere on the other.
		walk(was.left, nil)
		if to.TopicByID(was.key) == nil {
			gone = append(gone, was.value)
		}
		walk(was.right, nil)
	}
	walk(from.topicsByID.root, to.topicsByID.root)
	return gone
}
