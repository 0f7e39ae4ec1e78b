// Package replicatest runs a replica.Set for tests: in memory, with metadata
// made by hand, this broker being node 1 and the leader of everything.
package replicatest

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/isr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// Self is the broker's node id.
const Self model.NodeID = 1

// Node is a Set and the metadata it follows.
type Node struct {
	T   testing.TB
	Set *replica.Set
	// Policy is what topics without one of their own in Topics get.
	Policy replica.TopicConfig
	Topics map[string]replica.TopicConfig
	Live   map[model.NodeID]bool // other brokers that are there

	draft  *metadata.Draft
	image  atomic.Pointer[metadata.Image]
	offset model.Offset
	ids    byte
}

// Policies: under Fsync only synced records are committed, under OS all are.
var (
	Fsync = replica.TopicConfig{Log: commitlog.DefaultConfig(), MinISR: 1, Synced: true}
	OS    = replica.TopicConfig{Log: commitlog.DefaultConfig(), MinISR: 1}
)

// brokers: nobody else is there but whom Live names.
type brokers struct{ node *Node }

func (b brokers) Eligible(id model.NodeID, _ model.BrokerEpoch, _ model.DirectoryID) bool {
	return b.node.Live[id]
}
func (brokers) Current(model.NodeID) (epoch model.BrokerEpoch, ok bool) { return -1, false }

var _ isr.Brokers = brokers{}

// Options are a Set's over the file system, in directories named here.
func (n *Node) Options(fs vfs.FS, dirs ...string) replica.Options {
	o := replica.Options{
		Self: Self, FS: fs, Files: commitlog.NewFiles(fs, 1000), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		Config: func(_ *metadata.Image, topic string) replica.TopicConfig {
			if c, ok := n.Topics[topic]; ok {
				return c
			}
			return n.Policy
		},
		Brokers: brokers{n}, LagMax: 30 * time.Second, RecoveryThreads: 2, Flushers: 8, JournalSize: 32 << 10, JournalStep: 4 << 10,
		RecoveryPoints: time.Minute, LogStarts: time.Minute, HighWatermarks: 5 * time.Second,
		Retention: 5 * time.Minute, FirstRetention: 30 * time.Second,
	}
	for i, d := range dirs {
		o.Dirs = append(o.Dirs, replica.DirOptions{Path: d, ID: model.DirectoryID{0: 1, 15: byte(200 + i)}})
	}
	return o
}

// New makes a node that has no Set yet.
func New(t testing.TB, policy replica.TopicConfig) *Node {
	n := &Node{T: t, Policy: policy, Topics: map[string]replica.TopicConfig{}, draft: metadata.NewDraft(metadata.Empty), ids: 100}
	n.image.Store(metadata.Empty)
	return n
}

// Start makes a node with one directory on the file system and no topics.
func Start(t testing.TB, fs vfs.FS, policy replica.TopicConfig) *Node {
	n := New(t, policy)
	n.Open(n.Options(fs, "data"))
	return n
}

// Open opens the node's Set and applies the metadata so far.
func (n *Node) Open(o replica.Options) {
	n.T.Helper()
	set, err := replica.Open(context.Background(), o)
	if err != nil {
		n.T.Fatal(err)
	}
	n.Adopt(set)
}

// Epoch is the broker's epoch in all of its lives.
const Epoch model.BrokerEpoch = 7

// Adopt makes a Set the node's, registers the broker and applies the metadata so
// far.
func (n *Node) Adopt(set *replica.Set) {
	n.Set = set
	set.Registered(Epoch)
	set.Apply(&metadata.Change{From: metadata.Empty, To: n.Image()})
}

// Image is the metadata that clients see.
func (n *Node) Image() *metadata.Image { return n.image.Load() }

// Records changes the metadata and returns when it is applied; before there is a
// Set, it is what the Set will find.
func (n *Node) Records(records ...wire.Record) {
	n.T.Helper()
	for _, r := range records {
		n.offset++
		if err := n.draft.Apply(r, n.offset); err != nil {
			n.T.Fatal(err)
		}
	}
	img, change := n.draft.Image(n.offset, 1)
	if n.Set == nil {
		n.image.Store(img)
		return
	}
	n.Set.Apply(change)
	n.image.Store(img)
	n.Set.Published(change)
}

// CreateTopic creates a topic whose partitions this broker leads in epoch 0.
func (n *Node) CreateTopic(name string, partitions int) model.TopicID {
	n.T.Helper()
	n.ids++
	id := model.TopicID{0: n.ids, 15: n.ids}
	records := []wire.Record{&wire.TopicRecord{Name: name, TopicID: model.UUID(id)}}
	for i := range partitions {
		records = append(records, PartitionRecord(id, int32(i)))
	}
	n.Records(records...)
	return id
}

// PartitionRecord is a partition with one replica, on this broker.
func PartitionRecord(id model.TopicID, index int32) *wire.PartitionRecord {
	r := &wire.PartitionRecord{}
	r.Reset()
	r.PartitionID, r.TopicID = index, model.UUID(id)
	r.Replicas, r.ISR, r.Leader = []int32{int32(Self)}, []int32{int32(Self)}, int32(Self)
	r.LeaderEpoch, r.PartitionEpoch = 0, 0
	r.Directories = []model.UUID{model.UUID(model.DirectoryUnassigned)}
	return r
}

// Lead changes who leads a partition.
func (n *Node) Lead(id model.TopicID, index int32, leader model.NodeID) {
	n.T.Helper()
	n.Records(Leader(id, index, leader))
}

// Partition is one of the Set's.
func (n *Node) Partition(id model.TopicID, index int32) *replica.Partition {
	n.T.Helper()
	p, err := n.Set.Partition(id, index)
	if err != nil {
		n.T.Fatal(err)
	}
	return p
}

// Batch is a producer's batch of values.
func Batch(values ...string) []byte {
	b := batch.New(batch.Options{})
	for _, v := range values {
		b.Add(time.Now().UnixMilli(), nil, []byte(v))
	}
	out, err := b.Build()
	if err != nil {
		panic(err)
	}
	return out
}

// Leader is the record that changes who leads a partition.
func Leader(id model.TopicID, index int32, leader model.NodeID) *wire.PartitionChangeRecord {
	r := &wire.PartitionChangeRecord{}
	r.Reset()
	r.PartitionID, r.TopicID, r.Leader = index, model.UUID(id), int32(leader)
	return r
}

// Configured says that a topic's entry in Topics changed.
func (n *Node) Configured(topic string) {
	n.T.Helper()
	img := n.Image()
	n.Set.Apply(&metadata.Change{From: img, To: img, Configs: []metadata.ConfigResource{{Type: metadata.ConfigTopic, Name: topic}}})
}

// Consume reads what a consumer at an offset gets next: the values, and the
// offset to go on at.
func Consume(t testing.TB, p *replica.Partition, from model.Offset) (values []string, next model.Offset) {
	t.Helper()
	r, err := p.Read(replica.ReadRequest{From: from, MaxBytes: 1 << 20, MinOne: true, LeaderEpoch: model.NoEpoch, LastFetchedEpoch: model.NoEpoch})
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.Records.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	next = from
	for len(data) > 0 {
		var b batch.Batch
		if b, data, err = batch.Next(data); err == nil {
			err = b.Check()
		}
		if err != nil {
			t.Fatal(err)
		}
		for record, err := range b.Records(1 << 20) {
			if err != nil {
				t.Fatal(err)
			}
			if record.Offset >= from {
				values = append(values, string(record.Value))
			}
		}
		next = b.NextOffset()
	}
	return values, next
}
