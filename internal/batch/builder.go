package batch

import (
	"encoding/binary"
	"math"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Producer is who wrote a batch, for idempotence.
type Producer struct {
	ID           model.ProducerID
	Epoch        int16
	BaseSequence int32
}

// Options are what a builder writes into the header. The zero value makes an
// uncompressed batch of CreateTime at offset 0, epoch 0, by no producer.
type Options struct {
	BaseOffset    model.Offset
	LeaderEpoch   model.Epoch
	Codec         compress.Codec
	Level         int // of the codec; 0 is Kafka's default
	TimestampType TimestampType
	AppendTime    int64 // every record's timestamp, under LogAppendTime
	Producer      *Producer
	Transactional bool
	Control       bool
}

// Builder writes one batch: New, Add for each record, Build.
type Builder struct {
	opts      Options
	records   []byte
	count     int32
	lastDelta int32
	baseTime  int64
	maxTime   int64
}

// New begins a batch.
func New(opts Options) *Builder {
	return &Builder{opts: opts, lastDelta: -1, baseTime: NoTimestamp, maxTime: NoTimestamp}
}

// Add appends a record at the next offset.
func (b *Builder) Add(timestamp int64, key, value []byte, headers ...Header) {
	b.AddAt(b.opts.BaseOffset+model.Offset(b.lastDelta)+1, timestamp, key, value, headers...)
}

// AddAt appends a record at offset, which must be beyond the last one's.
func (b *Builder) AddAt(offset model.Offset, timestamp int64, key, value []byte, headers ...Header) {
	delta := offset - b.opts.BaseOffset
	assert.That(delta > model.Offset(b.lastDelta) && delta <= math.MaxInt32, "record at %d after delta %d of batch at %d", offset, b.lastDelta, b.opts.BaseOffset)
	if b.count == 0 {
		b.baseTime = timestamp
	}
	b.records = appendRecord(b.records, int32(delta), timestamp-b.baseTime, key, value, headers)
	b.lastDelta = int32(delta)
	b.count++
	b.maxTime = max(b.maxTime, timestamp)
}

// Count is how many records were added; Size is the size of the batch if it is not compressed.
func (b *Builder) Count() int { return int(b.count) }

// Size is the size of the batch so far, before compression.
func (b *Builder) Size() int { return HeaderSize + len(b.records) }

// Build is the batch. It fails only if it would be larger than a batch can be
// or if its codec cannot write it.
func (b *Builder) Build() (Batch, error) {
	out := make([]byte, HeaderSize, HeaderSize+len(b.records))
	if b.opts.Codec == compress.None {
		out = append(out, b.records...)
	} else {
		level := b.opts.Level
		if level == 0 { // which is no level of any codec
			level = compress.DefaultLevel(b.opts.Codec)
		}
		var err error
		if out, err = compress.Compress(b.opts.Codec, level, out, b.records); err != nil {
			return nil, err
		}
	}
	if len(out) > math.MaxInt32-LengthEnd {
		return nil, kerr.RecordListTooLarge.With("record batch of %d bytes", len(out))
	}
	b.writeHeader(out)
	return out, nil
}

func (b *Builder) writeHeader(out Batch) {
	o := &b.opts
	p := Producer{ID: NoProducerID, Epoch: NoProducerEpoch, BaseSequence: NoSequence}
	if o.Producer != nil {
		p = *o.Producer
	}
	maxTime := b.maxTime
	if o.TimestampType == LogAppendTime {
		maxTime = o.AppendTime
	}
	attrs := uint16(o.Codec)&codecMask | uint16(o.TimestampType)<<3
	if o.Transactional {
		attrs |= transactionalBit
	}
	if o.Control {
		attrs |= controlBit
	}
	out.SetBaseOffset(o.BaseOffset)
	binary.BigEndian.PutUint32(out[atLength:], uint32(len(out)-LengthEnd))
	out.SetLeaderEpoch(o.LeaderEpoch)
	out[atMagic] = Magic2
	binary.BigEndian.PutUint16(out[atAttributes:], attrs)
	binary.BigEndian.PutUint32(out[atLastOffsetDelta:], uint32(max(b.lastDelta, 0)))
	binary.BigEndian.PutUint64(out[atBaseTimestamp:], uint64(b.baseTime))
	binary.BigEndian.PutUint64(out[atMaxTimestamp:], uint64(maxTime))
	binary.BigEndian.PutUint64(out[atProducerID:], uint64(p.ID))
	binary.BigEndian.PutUint16(out[atProducerEpoch:], uint16(p.Epoch))
	binary.BigEndian.PutUint32(out[atBaseSequence:], uint32(p.BaseSequence))
	binary.BigEndian.PutUint32(out[atRecordCount:], uint32(b.count))
	out.setCRC()
}

func appendRecord(b []byte, offsetDelta int32, timeDelta int64, key, value []byte, headers []Header) []byte {
	size := 1 + sizeVarint(timeDelta) + sizeVarint(int64(offsetDelta)) + sizeNullable(key) + sizeNullable(value) + sizeVarint(int64(len(headers)))
	for _, h := range headers {
		size += sizeVarint(int64(len(h.Key))) + len(h.Key) + sizeNullable(h.Value)
	}
	b = appendVarint(b, int64(size))
	b = append(b, 0)
	b = appendVarint(b, timeDelta)
	b = appendVarint(b, int64(offsetDelta))
	b = appendNullable(b, key)
	b = appendNullable(b, value)
	b = appendVarint(b, int64(len(headers)))
	for _, h := range headers {
		b = appendVarint(b, int64(len(h.Key)))
		b = append(b, h.Key...)
		b = appendNullable(b, h.Value)
	}
	return b
}

func sizeNullable(v []byte) int {
	if v == nil {
		return 1
	}
	return sizeVarint(int64(len(v))) + len(v)
}

func appendNullable(b, v []byte) []byte {
	if v == nil {
		return appendVarint(b, -1)
	}
	b = appendVarint(b, int64(len(v)))
	return append(b, v...)
}
