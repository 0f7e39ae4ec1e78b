package group

import (
	"fmt"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// The versions in which values are written: Apache Kafka 4.3's. An offset with
// an expiry of its own (OffsetCommit before version 5) needs version 1, the only
// one that has a field for it.
const (
	commitVersion         = 4
	expiringCommitVersion = 1
	metadataVersion       = 3
)

// Fold implements machine.Machine.
func (m *Machine) Fold(from machine.Origin, r machine.Record) error {
	kind, key, err := wire.CutNumber(r.Key)
	if err != nil {
		return err
	}
	known, ok := wire.GroupRecords[kind]
	if !ok {
		return fmt.Errorf("record of kind %d of __consumer_offsets is unknown", kind)
	}
	k, v := m.reading.messages(kind, &known)
	if err := m.reading.Decode(key, 0, k); err != nil {
		return fmt.Errorf("key of a %s record: %w", known.Name, err)
	}
	if r.Value == nil {
		v = nil
	} else if err := m.reading.value(&known, r.Value, v); err != nil {
		return err
	}
	m.foldRecord(from, k, v)
	m.folded = from.Offset
	return nil
}

// reading decodes records. Committed offsets are most of a log, and what they are
// decoded into is used again: nothing of it is kept but strings.
type reading struct {
	wire.Decoder
	commitKey   wire.OffsetCommitKey
	commitValue wire.OffsetCommitValue
}

func (r *reading) messages(kind int16, known *wire.CoordinatorRecord) (key, value wire.Message) {
	if kind == wire.OffsetCommitRecord {
		return &r.commitKey, &r.commitValue
	}
	return known.Key(), known.Value()
}

func (r *reading) value(known *wire.CoordinatorRecord, value []byte, v wire.Message) error {
	version, b, err := wire.CutNumber(value)
	if err != nil {
		return err
	}
	if version < 0 || version > known.Newest {
		return fmt.Errorf("%s record of version %d, which is newer than %d", known.Name, version, known.Newest)
	}
	if err := r.Decode(b, version, v); err != nil {
		return fmt.Errorf("value of a %s record: %w", known.Name, err)
	}
	return nil
}

// foldRecord takes in a record; v is nil for a tombstone. The interfaces inside
// of v are of the type that belongs to k's.
func (m *Machine) foldRecord(from machine.Origin, k, v wire.Message) {
	switch k := k.(type) {
	case *wire.OffsetCommitKey:
		value, _ := v.(*wire.OffsetCommitValue)
		m.foldCommit(from, k, value)
	case *wire.GroupMetadataKey:
		value, _ := v.(*wire.GroupMetadataValue)
		m.foldClassic(from.Offset, k, value)
	default:
		if id, ok := consumer.GroupOf(k); ok {
			m.foldConsumer(id, k, v)
			return
		}
		assert.That(false, "a record with the key %T is known and not folded", k)
	}
}

// maxString is how long a string may be that goes into a record: their strings
// have lengths of two bytes, where newer requests allow longer ones. It leaves
// room for what is appended to an id.
const maxString = 32767 - 64

// writable reports whether the strings can be written into records.
func writable(strings ...string) bool {
	for _, s := range strings {
		if len(s) > maxString {
			return false
		}
	}
	return true
}

// record makes a record; value is nil for a tombstone.
func record(kind int16, key wire.Message, version int16, value wire.Message) machine.Record {
	k, err := wire.AppendNumbered(nil, kind, 0, key)
	assert.That(err == nil, "a key cannot be written: %v", err)
	if value == nil {
		return machine.Record{Key: k}
	}
	v, err := wire.AppendNumbered(nil, version, version, value)
	assert.That(err == nil, "a value cannot be written: %v", err)
	return machine.Record{Key: k, Value: v}
}

// commitRecord makes the record of a commit.
func commitRecord(group, topic string, c *commit) machine.Record {
	v := &wire.OffsetCommitValue{
		Offset: c.offset, LeaderEpoch: c.epoch, Metadata: c.metadata(), CommitTimestamp: c.at,
		ExpireTimestamp: c.expires(), TopicID: model.UUID(c.topic),
	}
	version := int16(commitVersion)
	if v.ExpireTimestamp != -1 {
		version = expiringCommitVersion
	}
	return record(wire.OffsetCommitRecord, &wire.OffsetCommitKey{Group: group, Topic: topic, Partition: c.partition}, version, v)
}

// forget makes the tombstone of a commit.
func forget(group, topic string, partition int32) machine.Record {
	return record(wire.OffsetCommitRecord, &wire.OffsetCommitKey{Group: group, Topic: topic, Partition: partition}, 0, nil)
}
