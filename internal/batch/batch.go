// Package batch reads, checks, builds and rewrites record batches of magic 2,
// the only form in which records travel and rest in Kafka since 0.11 (KIP-98).
//
// A batch is a header of 61 bytes and its records:
//
//	 0 base offset        int64   offset of the first record
//	 8 length             int32   bytes that follow this field
//	12 leader epoch       int32   set by the leader that appended it
//	16 magic              int8    2
//	17 CRC-32C            uint32  of everything from byte 21 on
//	21 attributes         int16   bits 0-2 codec, 3 timestamp type, 4 transactional,
//	                              5 control, 6 delete horizon
//	23 last offset delta  int32   last offset = base offset + this
//	27 base timestamp     int64   milliseconds; the delete horizon if bit 6 is set
//	35 max timestamp      int64   milliseconds
//	43 producer id        int64   -1 none
//	51 producer epoch     int16   -1 none
//	53 base sequence      int32   -1 none
//	57 record count       int32
//	61 records                    as they are, or all compressed as one
//
// The checksum does not cover the base offset and the leader epoch, so a leader
// assigns both in place. Errors are *kerr.Error: CORRUPT_MESSAGE for a broken
// header or checksum, INVALID_RECORD for records that do not parse.
package batch

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// HeaderSize is the bytes before the records. LengthEnd is how many bytes of a
// batch must be known to tell its size.
const (
	HeaderSize = 61
	LengthEnd  = 12
)

// Magic2 is the one magic that this package reads.
const Magic2 = 2

// NoTimestamp says that a record carries none; NoSequence that its producer is
// not idempotent; NoProducerID and NoProducerEpoch that there is no producer id.
const (
	NoTimestamp     int64            = -1
	NoSequence      int32            = -1
	NoProducerID    model.ProducerID = -1
	NoProducerEpoch int16            = -1
)

const (
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atRecordCount     = 57

	codecMask        = 0x07
	timestampTypeBit = 0x08
	transactionalBit = 0x10
	controlBit       = 0x20
	deleteHorizonBit = 0x40
	minLength        = HeaderSize - LengthEnd
)

// TimestampType says whose clock a batch's timestamps are from.
type TimestampType int8

// The producer's clock, or the leader's when it appended the batch.
const (
	CreateTime    TimestampType = 0
	LogAppendTime TimestampType = 1
)

func (t TimestampType) String() string {
	if t == LogAppendTime {
		return "LogAppendTime"
	}
	return "CreateTime"
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrIncomplete says that the bytes end before the batch does.
var ErrIncomplete = kerr.CorruptMessage.With("record batch ends before its length")

// Batch is exactly one whole batch, aliasing whatever it was cut from. Only
// Next, Size and the builder make one, so its accessors need no bounds; Check
// tells whether its bytes are right.
type Batch []byte

// Next cuts the first batch from b. ErrIncomplete if b has only its beginning.
func Next(b []byte) (Batch, []byte, error) {
	if len(b) < LengthEnd {
		return nil, b, ErrIncomplete
	}
	size, err := Size(b)
	if err != nil {
		return nil, b, err
	}
	if size > len(b) {
		return nil, b, ErrIncomplete
	}
	return Batch(b[:size:size]), b[size:], nil
}

// Size is the size of the batch that begins with header, of which at least
// LengthEnd bytes must be there.
func Size(header []byte) (int, error) {
	n := int32(binary.BigEndian.Uint32(header[atLength:]))
	if n < minLength || n > math.MaxInt32-LengthEnd {
		return 0, kerr.CorruptMessage.With("record batch length %d is out of range", n)
	}
	return int(n) + LengthEnd, nil
}

// Check reports whether the batch is one of magic 2 with the length it says and
// the checksum of its bytes. It does not look at the records.
func (b Batch) Check() error {
	if err := b.checkFormat(); err != nil {
		return err
	}
	if int(b.Length())+LengthEnd != len(b) {
		return kerr.CorruptMessage.With("record batch of %d bytes says %d", len(b), int(b.Length())+LengthEnd)
	}
	if crc := b.computeCRC(); crc != b.CRC() {
		return kerr.CorruptMessage.With("record batch at offset %d has checksum %08x, its bytes %08x", b.BaseOffset(), b.CRC(), crc)
	}
	return b.checkNumbers()
}

// CheckHeader looks only at the header, of which b may be no more than: magic,
// codec, and numbers that cannot be.
func (b Batch) CheckHeader() error {
	if err := b.checkFormat(); err != nil {
		return err
	}
	return b.checkNumbers()
}

func (b Batch) checkFormat() error {
	switch {
	case len(b) < HeaderSize:
		return kerr.CorruptMessage.With("record batch of %d bytes is smaller than its header", len(b))
	case b.Magic() != Magic2:
		return kerr.CorruptMessage.With("record batch has magic %d, only 2 is supported", b.Magic())
	}
	return nil
}

// checkNumbers comes after the checksum where there is one: bytes that changed on
// their way are CORRUPT_MESSAGE, a client that writes nonsense is INVALID_RECORD.
func (b Batch) checkNumbers() error {
	switch {
	case b.LastOffsetDelta() < 0:
		return kerr.InvalidRecord.With("record batch has last offset delta %d", b.LastOffsetDelta())
	case b.RecordCount() < 0:
		return kerr.InvalidRecord.With("record batch has %d records", b.RecordCount())
	}
	return nil
}

// BaseOffset is the offset of the first record, or would be had it not been
// compacted away.
func (b Batch) BaseOffset() model.Offset { return model.Offset(binary.BigEndian.Uint64(b)) }

// LastOffset is the offset of the last record, kept by compaction.
func (b Batch) LastOffset() model.Offset { return b.BaseOffset() + model.Offset(b.LastOffsetDelta()) }

// NextOffset is the first offset after the batch.
func (b Batch) NextOffset() model.Offset { return b.LastOffset() + 1 }

// Length is the length field: the batch's size without its first 12 bytes.
func (b Batch) Length() int32 { return b.int32(atLength) }

// LeaderEpoch is the epoch of the leader that appended the batch.
func (b Batch) LeaderEpoch() model.Epoch { return model.Epoch(b.int32(atLeaderEpoch)) }

// Magic is the format's version.
func (b Batch) Magic() int8 { return int8(b[atMagic]) }

// CRC is the checksum in the header.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[atCRC:]) }

// Attributes are the header's flags.
func (b Batch) Attributes() int16 { return int16(binary.BigEndian.Uint16(b[atAttributes:])) }

// Codec is how the records are compressed; a number above zstd's is possible in
// what a client sent.
func (b Batch) Codec() compress.Codec { return compress.Codec(b.Attributes() & codecMask) }

// TimestampType says whose clock the timestamps are from.
func (b Batch) TimestampType() TimestampType {
	return TimestampType(b.Attributes() & timestampTypeBit >> 3)
}

// IsTransactional reports whether the records belong to a transaction.
func (b Batch) IsTransactional() bool { return b.Attributes()&transactionalBit != 0 }

// IsControl reports whether the records are the brokers' own: transaction
// markers and the quorum's.
func (b Batch) IsControl() bool { return b.Attributes()&controlBit != 0 }

// HasDeleteHorizon reports whether BaseTimestamp is the time from which
// compaction may drop the batch's tombstones (KIP-534).
func (b Batch) HasDeleteHorizon() bool { return b.Attributes()&deleteHorizonBit != 0 }

// LastOffsetDelta is the last offset less the base offset.
func (b Batch) LastOffsetDelta() int32 { return b.int32(atLastOffsetDelta) }

// BaseTimestamp is what the records' timestamps count from, in milliseconds.
func (b Batch) BaseTimestamp() int64 { return b.int64(atBaseTimestamp) }

// MaxTimestamp is the largest timestamp, in milliseconds; of every record, under LogAppendTime.
func (b Batch) MaxTimestamp() int64 { return b.int64(atMaxTimestamp) }

// ProducerID names the idempotent producer, or is NoProducerID.
func (b Batch) ProducerID() model.ProducerID { return model.ProducerID(b.int64(atProducerID)) }

// HasProducer reports whether an idempotent producer wrote the batch.
func (b Batch) HasProducer() bool { return b.ProducerID() > NoProducerID }

// ProducerEpoch tells one life of a producer id from the next.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[atProducerEpoch:])) }

// BaseSequence is the sequence number of the first record, or NoSequence.
func (b Batch) BaseSequence() int32 { return b.int32(atBaseSequence) }

// LastSequence is the sequence number of the last record, or NoSequence.
func (b Batch) LastSequence() int32 {
	if b.BaseSequence() == NoSequence {
		return NoSequence
	}
	return AddSequence(b.BaseSequence(), b.LastOffsetDelta())
}

// RecordCount is how many records there are.
func (b Batch) RecordCount() int32 { return b.int32(atRecordCount) }

// Payload is the records as they are stored: compressed if Codec says so.
func (b Batch) Payload() []byte { return b[HeaderSize:] }

// SetBaseOffset moves the batch; its last offset moves along.
func (b Batch) SetBaseOffset(o model.Offset) { binary.BigEndian.PutUint64(b, uint64(o)) }

// SetLeaderEpoch marks the batch as appended by the leader of epoch e.
func (b Batch) SetLeaderEpoch(e model.Epoch) {
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(e))
}

// SetMaxTimestamp sets type and largest timestamp, and the checksum if either changed.
func (b Batch) SetMaxTimestamp(t TimestampType, ts int64) {
	if b.TimestampType() == t && b.MaxTimestamp() == ts {
		return
	}
	attrs := b.Attributes()&^timestampTypeBit | int16(t)<<3
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(attrs))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(ts))
	b.setCRC()
}

// AddSequence is the sequence number n records after seq. Sequence numbers go
// from 0 to the largest int32 and begin again.
func AddSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & math.MaxInt32)
}

func (b Batch) setCRC()            { binary.BigEndian.PutUint32(b[atCRC:], b.computeCRC()) }
func (b Batch) computeCRC() uint32 { return crc32.Checksum(b[atAttributes:], castagnoli) }
func (b Batch) int32(at int) int32 { return int32(binary.BigEndian.Uint32(b[at:])) }
func (b Batch) int64(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
