package batch

import (
	"errors"
	"iter"

	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// Record is one record of a batch. Key and Value are nil when null, which is
// not the same as empty: a null value is a tombstone.
type Record struct {
	Offset    model.Offset
	Timestamp int64 // milliseconds, or NoTimestamp
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header is a pair that travels beside a record. Value is nil when null.
type Header struct {
	Key   string
	Value []byte
}

// Records are the records in order. They alias the batch if it is not
// compressed, else one buffer of this call, which holds at most maxOut bytes: a
// batch that decompresses to more is an error. The first error ends it.
func (b Batch) Records(maxOut int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		payload, err := b.decompress(nil, maxOut)
		if err != nil {
			yield(Record{}, undecodable(err))
			return
		}
		s := newScanner(b, payload)
		for s.next() {
			r, err := s.record()
			if err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if s.err != nil {
			yield(Record{}, s.err)
		}
	}
}

// decompress is the batch's records, in dst's memory if they were compressed. The
// error is package compress's.
func (b Batch) decompress(dst []byte, maxOut int) ([]byte, error) {
	if b.Codec() == compress.None || b.RecordCount() == 0 {
		return b.Payload(), nil
	}
	return compress.Decompress(b.Codec(), dst, b.Payload(), maxOut)
}

// undecodable is Kafka's answer to records that do not decompress; no client sends
// them again, whichever the code.
func undecodable(err error) error {
	if errors.Is(err, compress.ErrTooLarge) {
		return kerr.InvalidRecord.With("records do not decompress: %v", err)
	}
	return kerr.UnknownServerError.With("records do not decompress: %v", err)
}

// scanner walks over decompressed records without copying or allocating:
//
//	length varint | attributes int8 | timestamp delta varlong | offset delta varint |
//	key length varint, key | value length varint, value |
//	header count varint, { key length varint, key | value length varint, value }
//
// A negative length is a null.
type scanner struct {
	rest       []byte
	left       int32 // records still to come by the batch's count
	baseOffset model.Offset
	baseTime   int64
	appendTime int64 // every record's timestamp, under LogAppendTime
	fixedTime  bool

	// The record that next found.
	offsetDelta int32
	timestamp   int64
	key         []byte
	value       []byte
	headers     []byte
	headerCount int32
	raw         []byte // all of it
	tail        []byte // what follows its timestamp
	err         error
}

func newScanner(b Batch, payload []byte) scanner {
	return scanner{
		rest:       payload,
		left:       b.RecordCount(),
		baseOffset: b.BaseOffset(),
		baseTime:   b.BaseTimestamp(),
		appendTime: b.MaxTimestamp(),
		fixedTime:  b.TimestampType() == LogAppendTime,
	}
}

// next goes to the next record and reports whether there is one; after the last
// one it makes sure that no bytes remain.
func (s *scanner) next() bool {
	if s.err != nil {
		return false
	}
	if s.left <= 0 {
		if len(s.rest) > 0 {
			s.err = kerr.InvalidRecord.With("%d bytes remain after the last record of the batch", len(s.rest))
		}
		return false
	}
	s.left--
	size, n := varint32(s.rest)
	if n == 0 || size < 1 || int(size) > len(s.rest)-n {
		s.err = kerr.InvalidRecord.With("record length is broken or beyond the batch")
		return false
	}
	body := s.rest[n : n+int(size)]
	s.raw = s.rest[:n+int(size)]
	s.rest = s.rest[n+int(size):]
	if !s.parse(body) {
		s.err = kerr.InvalidRecord.With("record structure is broken")
		return false
	}
	return true
}

func (s *scanner) parse(b []byte) bool {
	b = b[1:] // attributes: none are used
	delta, n := varint64(b)
	if n == 0 {
		return false
	}
	b = b[n:]
	s.tail = b
	s.timestamp = s.baseTime + delta
	if s.fixedTime {
		s.timestamp = s.appendTime
	}
	s.offsetDelta, n = varint32(b)
	if n == 0 {
		return false
	}
	var ok bool
	if s.key, b, ok = nullable(b[n:]); !ok {
		return false
	}
	if s.value, b, ok = nullable(b); !ok {
		return false
	}
	s.headerCount, n = varint32(b)
	if n == 0 || s.headerCount < 0 {
		return false
	}
	s.headers = b[n:]
	return skipHeaders(s.headers, s.headerCount)
}

func (s *scanner) offset() model.Offset { return s.baseOffset + model.Offset(s.offsetDelta) }

func (s *scanner) record() (Record, error) {
	r := Record{Offset: s.offset(), Timestamp: s.timestamp, Key: s.key, Value: s.value}
	if s.headerCount == 0 {
		return r, nil
	}
	r.Headers = make([]Header, s.headerCount) // parse has seen them all
	b := s.headers
	for i := range r.Headers {
		key, rest, ok := nullable(b)
		value, rest, ok2 := nullable(rest)
		if !ok || !ok2 {
			return Record{}, kerr.InvalidRecord.With("record headers are broken")
		}
		r.Headers[i] = Header{Key: string(key), Value: value}
		b = rest
	}
	return r, nil
}

// nullable cuts a length and that many bytes; nil for a negative length.
func nullable(b []byte) (value, rest []byte, ok bool) {
	size, n := varint32(b)
	switch {
	case n == 0:
		return nil, nil, false
	case size < 0:
		return nil, b[n:], true
	case int(size) > len(b)-n:
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end:end], b[end:], true
}

// skipHeaders reports whether b is exactly count headers, none with a null key.
func skipHeaders(b []byte, count int32) bool {
	for range count {
		key, rest, ok := nullable(b)
		if !ok || key == nil {
			return false
		}
		if _, b, ok = nullable(rest); !ok {
			return false
		}
	}
	return len(b) == 0
}
