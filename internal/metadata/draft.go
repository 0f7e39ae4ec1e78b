package metadata

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Draft is an image being changed. It reads like an Image, and shows every
// record applied so far. A pointer it returns is good until the next Apply.
//
// A Draft keeps what it clones until it gives out an Image, so a run of changes
// to one topic clones that topic once. It goes on after Image: a loader keeps one
// Draft for its whole life, which is also what lets a metadata transaction
// (KIP-866) span batches.
//
// A Draft is not for concurrent use.
type Draft struct {
	state
	base    *Image    // the last image given out, or the one the draft began with
	touched touched   // since base
	owned   ownership // topics that no image and no saved state can see
	begun   *begun    // the open transaction, nil for none
}

// begun is what an open transaction started from.
type begun struct {
	state   state
	touched touched
}

type ownership map[model.TopicID]*Topic

// NewDraft begins with an image, which does not change. An image that ends
// inside a transaction has lost its records, so that only an Abort may follow.
func NewDraft(img *Image) *Draft {
	d := &Draft{state: img.state, base: img, owned: ownership{}}
	if img.InTransaction {
		d.begun = &begun{state: img.state}
	}
	return d
}

// Apply changes the draft by one record of the log, as Apache Kafka's replay
// does; offset is the record's. An error means that the log contradicts itself;
// the draft is then unchanged. The draft may keep the record: it must not be
// changed afterwards.
func (d *Draft) Apply(r wire.Record, offset model.Offset) error {
	if err := d.apply(r, offset); err != nil {
		return fmt.Errorf("metadata record %T at offset %d: %w", r, offset, err)
	}
	return nil
}

func (d *Draft) apply(r wire.Record, offset model.Offset) error {
	switch r := r.(type) {
	case *wire.NoOpRecord, *wire.ZkMigrationStateRecord:
		return nil
	case *wire.RegisterBrokerRecord:
		return d.registerBroker(r, offset)
	case *wire.UnregisterBrokerRecord:
		return d.unregisterBroker(r)
	case *wire.FenceBrokerRecord:
		return d.changeBroker(r.ID, r.Epoch, func(b *Broker) error { b.Fenced = true; return nil })
	case *wire.UnfenceBrokerRecord:
		return d.changeBroker(r.ID, r.Epoch, func(b *Broker) error { b.Fenced = false; return nil })
	case *wire.BrokerRegistrationChangeRecord:
		return d.changeBroker(r.BrokerID, r.BrokerEpoch, func(b *Broker) error { return b.change(r) })
	case *wire.RegisterControllerRecord:
		return d.registerController(r)
	case *wire.UnregisterControllerRecord:
		return d.unregisterController(r)
	case *wire.TopicRecord:
		return d.addTopic(r)
	case *wire.PartitionRecord:
		return d.setPartition(r)
	case *wire.PartitionChangeRecord:
		return d.changePartition(r)
	case *wire.RemoveTopicRecord:
		return d.removeTopic(r)
	case *wire.ClearElrRecord:
		return d.clearELR(r)
	case *wire.ConfigRecord:
		return d.setConfig(r)
	case *wire.FeatureLevelRecord:
		return d.setFeature(r)
	case *wire.ProducerIdsRecord:
		return d.setProducerIDs(r)
	case *wire.ClientQuotaRecord:
		return d.setQuota(r)
	case *wire.AccessControlEntryRecord:
		return d.addACL(r)
	case *wire.RemoveAccessControlEntryRecord:
		return d.removeACL(r)
	case *wire.UserScramCredentialRecord:
		return d.setScram(r)
	case *wire.RemoveUserScramCredentialRecord:
		return d.removeScram(r)
	case *wire.DelegationTokenRecord:
		return d.setToken(r)
	case *wire.RemoveDelegationTokenRecord:
		return d.removeToken(r)
	case *wire.BeginTransactionRecord:
		return d.begin()
	case *wire.EndTransactionRecord:
		return d.end()
	case *wire.AbortTransactionRecord:
		return d.abort()
	}
	return fmt.Errorf("record key %d is unknown", r.RecordKey())
}

// InTransaction reports whether a metadata transaction is open.
func (d *Draft) InTransaction() bool { return d.begun != nil }

func (d *Draft) begin() error {
	if d.begun != nil {
		return fmt.Errorf("a metadata transaction is already open")
	}
	d.begun = &begun{state: d.state, touched: d.touched}
	d.touched, d.owned = touched{}, ownership{}
	return nil
}

func (d *Draft) end() error {
	if d.begun == nil {
		return fmt.Errorf("no metadata transaction is open")
	}
	d.begun.touched.add(d.touched)
	d.touched, d.begun = d.begun.touched, nil
	return nil
}

func (d *Draft) abort() error {
	if d.begun == nil {
		return fmt.Errorf("no metadata transaction is open")
	}
	d.state, d.touched, d.begun, d.owned = d.begun.state, d.begun.touched, nil, ownership{}
	return nil
}

// Image is the draft as an image whose last record is at offset, in epoch, and
// what changed since the image before it. While a transaction is open the image
// is the one that it started from.
func (d *Draft) Image(offset model.Offset, epoch model.Epoch) (*Image, *Change) {
	img := &Image{Offset: offset, Epoch: epoch, state: d.state}
	changed := &d.touched
	if d.begun != nil {
		img.InTransaction, img.state, changed = true, d.begun.state, &d.begun.touched
	}
	change := changed.between(d.base, img)
	*changed = touched{}
	d.base = img
	clear(d.owned)
	return img, change
}

// Forget drops what the draft remembers of its changes, for a draft that gives
// out no images: it goes on changing in place what it has cloned.
func (d *Draft) Forget() {
	d.touched = touched{}
	if d.begun != nil {
		d.begun.touched = touched{}
	}
}

// own is the topic as one that the draft may change in place.
func (d *Draft) own(id model.TopicID) (*Topic, error) {
	if t, ok := d.owned[id]; ok {
		return t, nil
	}
	t := d.TopicByID(id)
	if t == nil {
		return nil, fmt.Errorf("no topic has id %v", id)
	}
	fresh := &Topic{ID: t.ID, Name: t.Name, Partitions: slices.Clone(t.Partitions)}
	d.put(fresh)
	return fresh, nil
}

// put makes a topic that only the draft sees part of it.
func (d *Draft) put(t *Topic) {
	d.topicsByID = d.topicsByID.set(t.ID, t)
	d.topics = d.topics.set(t.Name, t)
	d.owned[t.ID] = t
}

// Change tells what differs between two images, so that a subscriber looks at
// nothing else. What is named may also have come back to what it was.
type Change struct {
	From, To *Image

	Topics      []TopicChange  // deletions first, then by name
	Brokers     []model.NodeID // registered, changed or gone; sorted
	Controllers []model.NodeID // likewise
	Configs     []ConfigResource

	Features, ProducerIDs, Quotas, ACLs, Scram, Tokens bool
}

// TopicChange is one topic of a Change. From is nil for a topic that was
// created, To for one that was deleted. Partitions are the indexes to look at,
// sorted: all of a created topic, none of a deleted one.
type TopicChange struct {
	ID         model.TopicID
	From, To   *Topic
	Partitions []int32
}

// Empty reports whether only offset and epoch differ.
func (c *Change) Empty() bool {
	return len(c.Topics)+len(c.Brokers)+len(c.Controllers)+len(c.Configs) == 0 &&
		!c.Features && !c.ProducerIDs && !c.Quotas && !c.ACLs && !c.Scram && !c.Tokens
}

// touched collects what records changed. The zero value is empty.
type touched struct {
	topics      map[model.TopicID]map[int32]struct{}
	brokers     map[model.NodeID]struct{}
	controllers map[model.NodeID]struct{}
	configs     map[ConfigResource]struct{}

	features, producerIDs, quotas, acls, scram, tokens bool
}

func (t *touched) topic(id model.TopicID) {
	if t.topics == nil {
		t.topics = map[model.TopicID]map[int32]struct{}{}
	}
	if t.topics[id] == nil {
		t.topics[id] = map[int32]struct{}{}
	}
}

func (t *touched) partition(id model.TopicID, index int32) {
	t.topic(id)
	t.topics[id][index] = struct{}{}
}

func mark[K comparable](set *map[K]struct{}, key K) {
	if *set == nil {
		*set = map[K]struct{}{}
	}
	(*set)[key] = struct{}{}
}

// add takes in what came later.
func (t *touched) add(later touched) {
	for id, partitions := range later.topics {
		t.topic(id)
		maps.Copy(t.topics[id], partitions)
	}
	for id := range later.brokers {
		mark(&t.brokers, id)
	}
	for id := range later.controllers {
		mark(&t.controllers, id)
	}
	for r := range later.configs {
		mark(&t.configs, r)
	}
	t.features = t.features || later.features
	t.producerIDs = t.producerIDs || later.producerIDs
	t.quotas = t.quotas || later.quotas
	t.acls = t.acls || later.acls
	t.scram = t.scram || later.scram
	t.tokens = t.tokens || later.tokens
}

// between is the Change that the touched things make.
func (t *touched) between(from, to *Image) *Change {
	c := &Change{
		From: from, To: to,
		Brokers:     sorted(t.brokers, cmp.Compare),
		Controllers: sorted(t.controllers, cmp.Compare),
		Configs:     sorted(t.configs, ConfigResource.compare),
		Features:    t.features, ProducerIDs: t.producerIDs, Quotas: t.quotas,
		ACLs: t.acls, Scram: t.scram, Tokens: t.tokens,
	}
	for id, partitions := range t.topics {
		change := TopicChange{ID: id, From: from.TopicByID(id), To: to.TopicByID(id)}
		switch {
		case change.From == change.To:
			continue // created and deleted again
		case change.To == nil:
		case change.From == nil:
			change.Partitions = allPartitions(change.To)
		default:
			change.Partitions = sorted(partitions, cmp.Compare)
		}
		c.Topics = append(c.Topics, change)
	}
	if len(c.Topics) > 1 {
		slices.SortFunc(c.Topics, TopicChange.compare)
	}
	return c
}

// sorted are the keys of a set in order; nothing is allocated for an empty one.
func sorted[K comparable](set map[K]struct{}, compare func(a, b K) int) []K {
	if len(set) == 0 {
		return nil
	}
	return slices.SortedFunc(maps.Keys(set), compare)
}

// name is the topic's, whichever side has it.
func (c TopicChange) name() string {
	if c.To != nil {
		return c.To.Name
	}
	assert.That(c.From != nil, "a changed topic is on neither side")
	return c.From.Name
}

// compare puts deletions first: a topic may be deleted and created again under
// one name in one change, and both use the same directory names.
func (c TopicChange) compare(o TopicChange) int {
	order := func(c TopicChange) int {
		if c.To == nil {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(order(c), order(o)), strings.Compare(c.name(), o.name()))
}

func allPartitions(t *Topic) []int32 {
	var all []int32
	for i := range t.Partitions {
		if t.Partitions[i].Replicas != nil {
			all = append(all, int32(i))
		}
	}
	return all
}
