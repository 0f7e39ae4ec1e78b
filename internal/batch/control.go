package batch

import (
	"encoding/binary"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// ControlType is the kind of a control record, from its key.
type ControlType int16

// The kinds of control records: transaction markers (KIP-98), then the metadata
// quorum's (KIP-595, 630, 853).
const (
	ControlAbort          ControlType = 0
	ControlCommit         ControlType = 1
	ControlLeaderChange   ControlType = 2
	ControlSnapshotHeader ControlType = 3
	ControlSnapshotFooter ControlType = 4
	ControlKRaftVersion   ControlType = 5
	ControlKRaftVoters    ControlType = 6
)

// ControlKey is the key of a control record: int16 version 0, int16 type.
func ControlKey(t ControlType) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(t))
}

// ParseControlKey is the kind of the control record with this key.
func ParseControlKey(key []byte) (ControlType, error) {
	if len(key) < 4 || int16(binary.BigEndian.Uint16(key)) < 0 {
		return 0, kerr.InvalidRecord.With("control record key % x", key)
	}
	return ControlType(binary.BigEndian.Uint16(key[2:])), nil
}

// Marker is the value of a transaction marker.
type Marker struct {
	Type             ControlType // ControlAbort or ControlCommit
	CoordinatorEpoch int32
}

// MarkerRecord is a marker's record: its key and value (version 0).
func (m Marker) MarkerRecord() (key, value []byte) {
	return ControlKey(m.Type), binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(m.CoordinatorEpoch))
}

// Batch is the marker of a producer's transaction as a batch of its own, before a
// log gives it an offset.
func (m Marker) Batch(id model.ProducerID, epoch int16, timestamp int64) Batch {
	b := New(Options{Transactional: true, Control: true, Producer: &Producer{ID: id, Epoch: epoch, BaseSequence: NoSequence}})
	key, value := m.MarkerRecord()
	b.Add(timestamp, key, value)
	out, err := b.Build()
	assert.That(err == nil, "a marker of a few bytes cannot be built: %v", err)
	return out
}

// ParseMarker reads a marker; ok is false for control records of another kind.
func ParseMarker(r Record) (m Marker, ok bool, err error) {
	t, err := ParseControlKey(r.Key)
	if err != nil {
		return m, false, err
	}
	if t != ControlAbort && t != ControlCommit {
		return m, false, nil
	}
	if len(r.Value) < 6 {
		return m, false, kerr.InvalidRecord.With("transaction marker of %d bytes", len(r.Value))
	}
	return Marker{Type: t, CoordinatorEpoch: int32(binary.BigEndian.Uint32(r.Value[2:]))}, true, nil
}
