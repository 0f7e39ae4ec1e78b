package batch

import (
	"encoding/binary"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/model"
)

// Entry is a record as compaction looks at it. Key and Value alias the batch, or
// the Reader's memory, and are valid until the next record.
type Entry struct {
	Offset    model.Offset
	Timestamp int64
	Key       []byte // nil when null
	Value     []byte // nil when null: a tombstone
}

// Reader walks over the records of many batches with one buffer for all.
type Reader struct {
	// MaxDecompressed bounds what one batch may decompress to.
	MaxDecompressed int

	buf []byte
}

// Each calls yield for each record in order, until it returns false.
func (r *Reader) Each(b Batch, yield func(Entry) bool) error {
	payload, err := r.payload(b)
	if err != nil {
		return err
	}
	s := newScanner(b, payload)
	for s.next() {
		if !yield(s.entry()) {
			return nil
		}
	}
	return s.err
}

// payload is the records of a batch as one run.
func (r *Reader) payload(b Batch) ([]byte, error) {
	if b.Codec() == compress.None || b.RecordCount() == 0 {
		return b.Payload(), nil
	}
	out, err := b.decompress(r.buf[:0], r.MaxDecompressed)
	if err != nil {
		return nil, undecodable(err)
	}
	r.buf = out
	return out, nil
}

func (s *scanner) entry() Entry {
	return Entry{Offset: s.offset(), Timestamp: s.timestamp, Key: s.key, Value: s.value}
}

// Retention is what becomes of a batch of which no record stays.
type Retention uint8

const (
	// DropEmpty lets it go.
	DropEmpty Retention = iota
	// KeepEmpty leaves its header, which tells its offsets, its producer and its
	// last sequence number.
	KeepEmpty
)

// Filter leaves records out of batches, as compaction does. Offsets, epochs,
// sequence numbers, codec and flags of a batch stay what they were: its last
// offset too, even if that record has left, since the sequence number of the last
// record is counted from it.
type Filter struct {
	Reader

	records []byte // kept
}

// Rule is how a Filter treats one batch.
type Rule struct {
	// Keep reports whether a record stays; nil keeps none.
	Keep  func(Entry) bool
	Empty Retention
	// Marker says that the batch is a transaction marker with nothing left to
	// mark: it counts as a tombstone.
	Marker bool
	// Horizon is the time, in milliseconds, from which on tombstones may leave. It
	// is put into a batch that keeps one and has no such time yet (KIP-534).
	Horizon int64
}

// Apply appends to dst what stays of b, and tells how many records do. A batch
// of which nothing changes is copied as it is.
func (f *Filter) Apply(dst []byte, b Batch, rule Rule) (out []byte, kept int32, err error) {
	if rule.Keep == nil {
		return appendEmpty(dst, b, rule.Empty), 0, nil
	}
	payload, err := f.payload(b)
	if err != nil {
		return dst, 0, err
	}
	f.records = f.records[:0]
	tombstone, maxTime := false, NoTimestamp
	s := newScanner(b, payload)
	for s.next() {
		if !rule.Keep(s.entry()) {
			continue
		}
		kept++
		tombstone = tombstone || s.value == nil
		maxTime = max(maxTime, s.timestamp)
		f.records = append(f.records, s.raw...)
	}
	if s.err != nil {
		return dst, 0, s.err
	}
	horizon := (tombstone || rule.Marker) && !b.HasDeleteHorizon()
	switch {
	case kept == 0:
		return appendEmpty(dst, b, rule.Empty), 0, nil
	case kept == b.RecordCount() && !horizon:
		return append(dst, b...), kept, nil
	case horizon:
		if err := f.rebase(b, payload, rule); err != nil {
			return dst, 0, err
		}
	}
	if b.TimestampType() == LogAppendTime {
		maxTime = b.MaxTimestamp()
	}
	out, err = f.write(dst, b, kept, maxTime)
	if err == nil && horizon {
		out[len(dst)+atAttributes+1] |= deleteHorizonBit
		binary.BigEndian.PutUint64(out[len(dst)+atBaseTimestamp:], uint64(rule.Horizon))
		Batch(out[len(dst):]).setCRC()
	}
	return out, kept, err
}

// rebase writes the records that stay with timestamps that count from the
// horizon, which takes the place of the base timestamp.
func (f *Filter) rebase(b Batch, payload []byte, rule Rule) error {
	f.records = f.records[:0]
	s := newScanner(b, payload)
	for s.next() {
		if !rule.Keep(s.entry()) {
			continue
		}
		delta := s.timestamp - rule.Horizon
		f.records = appendVarint(f.records, int64(1+sizeVarint(delta)+len(s.tail)))
		f.records = append(f.records, 0)
		f.records = appendVarint(f.records, delta)
		f.records = append(f.records, s.tail...)
	}
	return s.err
}

// write appends a batch with b's header and the records that were kept.
func (f *Filter) write(dst []byte, b Batch, kept int32, maxTime int64) ([]byte, error) {
	at := len(dst)
	dst = append(dst, b[:HeaderSize]...)
	dst, err := compress.Compress(b.Codec(), compress.DefaultLevel(b.Codec()), dst, f.records)
	if err != nil {
		return dst[:at], err
	}
	out := Batch(dst[at:])
	binary.BigEndian.PutUint32(out[atLength:], uint32(len(out)-LengthEnd))
	binary.BigEndian.PutUint32(out[atRecordCount:], uint32(kept))
	binary.BigEndian.PutUint64(out[atMaxTimestamp:], uint64(maxTime))
	out.setCRC()
	return dst, nil
}

// appendEmpty appends the header of b without any record.
func appendEmpty(dst []byte, b Batch, r Retention) []byte {
	if r == DropEmpty {
		return dst
	}
	at := len(dst)
	dst = append(dst, b[:HeaderSize]...)
	out := Batch(dst[at:])
	binary.BigEndian.PutUint32(out[atLength:], HeaderSize-LengthEnd)
	attrs := out.Attributes() &^ (codecMask | deleteHorizonBit)
	binary.BigEndian.PutUint16(out[atAttributes:], uint16(attrs))
	noTime := NoTimestamp
	binary.BigEndian.PutUint64(out[atBaseTimestamp:], uint64(noTime))
	binary.BigEndian.PutUint32(out[atRecordCount:], 0)
	out.setCRC()
	return dst
}

// DeleteHorizon is the time from which on the batch's tombstones may leave; ok is
// false if it has none yet.
func (b Batch) DeleteHorizon() (ms int64, ok bool) { return b.BaseTimestamp(), b.HasDeleteHorizon() }
