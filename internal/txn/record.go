package txn

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// A record of __transaction_state is a TransactionLogKey and a TransactionLogValue,
// each behind its version as an int16. The newest record of a key counts; one
// without value ends the key.

const (
	keyVersion      = 0
	maxValueVersion = 1
	maxTopicName    = 249
)

// valueVersion is the version of values under a level of transaction.version.
func valueVersion(level int16) int16 {
	if level >= 1 {
		return 1
	}
	return 0
}

func encodeKey(id string) []byte {
	return encode(keyVersion, &wire.TransactionLogKey{TransactionalID: id})
}

func encode(version int16, m wire.Message) []byte {
	b, err := wire.AppendMessage(binary.BigEndian.AppendUint16(nil, uint16(version)), version, m)
	// Handlers bound transactional ids and name topics that exist; what was read
	// from the log was decoded.
	assert.That(err == nil, "a record of a transaction cannot be encoded: %v", err)
	return b
}

// record is the one that makes an entry the id's.
func (e entry) record(id string, level int16) machine.Record {
	v := &wire.TransactionLogValue{
		ProducerID: int64(e.producer.ID), ProducerEpoch: e.producer.Epoch,
		PreviousProducerID: int64(e.previous), NextProducerID: int64(e.next), NextProducerEpoch: noEpoch,
		TransactionTimeoutMS: e.timeout, TransactionStatus: int8(e.state),
		TransactionLastUpdateTimestampMS: e.updated, TransactionStartTimestampMS: e.started,
		ClientTransactionVersion: e.client,
	}
	if e.state != Empty { // where it is null
		v.TransactionPartitions = []wire.TransactionLogValuePartitions{}
	}
	for _, p := range e.partitions {
		if n := len(v.TransactionPartitions); n == 0 || v.TransactionPartitions[n-1].Topic != p.Topic {
			v.TransactionPartitions = append(v.TransactionPartitions, wire.TransactionLogValuePartitions{Topic: p.Topic})
		}
		last := &v.TransactionPartitions[len(v.TransactionPartitions)-1]
		last.PartitionIDs = append(last.PartitionIDs, p.Index)
	}
	return machine.Record{Key: encodeKey(id), Value: encode(valueVersion(level), v)}
}

// lasting is what is left of an entry once it is a record: values of version 0
// know neither other producer ids nor the client's version.
func (e entry) lasting(level int16) entry {
	if valueVersion(level) == 0 {
		e.previous, e.next, e.client = noID, noID, 0
	}
	return e
}

// version takes a version off the front of a key or a value.
func version(b []byte) (int16, []byte, error) {
	if len(b) < 2 {
		return 0, nil, errors.New("no version in front")
	}
	return int16(binary.BigEndian.Uint16(b)), b[2:], nil
}

func decodeKey(b []byte) (id string, err error) {
	v, rest, err := version(b)
	if err == nil && v != keyVersion {
		err = fmt.Errorf("version %d is not known", v)
	}
	if err != nil {
		return "", fmt.Errorf("key of a transaction: %w", err)
	}
	var key wire.TransactionLogKey
	if err := wire.Decode(rest, v, &key); err != nil {
		return "", fmt.Errorf("key of a transaction: %w", err)
	}
	return key.TransactionalID, nil
}

func decodeValue(b []byte) (entry, error) {
	v, rest, err := version(b)
	if err == nil && (v < 0 || v > maxValueVersion) {
		err = fmt.Errorf("version %d is not known", v)
	}
	var value wire.TransactionLogValue
	if err == nil {
		err = wire.Decode(rest, v, &value)
	}
	if err == nil && !State(value.TransactionStatus).known() {
		err = fmt.Errorf("state %d is not known", value.TransactionStatus)
	}
	if err != nil {
		return entry{}, fmt.Errorf("value of a transaction: %w", err)
	}
	e := entry{
		producer: machine.Producer{ID: model.ProducerID(value.ProducerID), Epoch: value.ProducerEpoch},
		previous: model.ProducerID(value.PreviousProducerID), next: model.ProducerID(value.NextProducerID),
		timeout: value.TransactionTimeoutMS, state: State(value.TransactionStatus),
		updated: value.TransactionLastUpdateTimestampMS, started: value.TransactionStartTimestampMS,
		client: value.ClientTransactionVersion,
	}
	if e.state != Empty {
		for _, t := range value.TransactionPartitions {
			if len(t.Topic) > maxTopicName {
				return entry{}, fmt.Errorf("value of a transaction: topic name of %d bytes", len(t.Topic))
			}
			for _, p := range t.PartitionIDs {
				e.partitions = append(e.partitions, model.Partition{Topic: t.Topic, Index: p})
			}
		}
		e.partitions = sorted(e.partitions)
	}
	return e, nil
}
