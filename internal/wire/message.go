// Package wire describes every message of the Kafka protocol that is served or
// sent, and every record of the metadata log: its fields, versions and codec.
//
// A message is a struct. Its fields are listed once, in its code method, which
// both encodes and decodes; versions are conditions in that list. Names are
// those of Kafka's message definitions, with Go's spelling of initialisms.
// Nested structs are named after the message and the field that holds them. The
// comment behind a field says in which versions it exists, when not in all.
//
// What a decoder is given comes from outside: every length is bounded by the
// bytes that remain, and all allocations together by a small multiple of the
// input. Strings are copied; bytes and records alias the input. Tagged fields
// (KIP-482) are written in order and only where they differ from their default;
// unknown ones are skipped.
//
// A field that the version does not have is not sent, and decodes as the
// default that Reset sets.
package wire

import (
	"encoding/binary"
	"fmt"
)

// Message is anything with a codec.
type Message interface {
	// Reset sets every field to the default of Kafka's definition.
	Reset()
	code(c *coder, version int16)
}

// Request is a message that asks.
type Request interface {
	Message
	Key() int16
	request()
}

// Response is a message that answers.
type Response interface {
	Message
	Key() int16
	response()
}

// Record is a record of the metadata log.
type Record interface {
	Message
	// RecordKey is the record's api key inside the metadata log.
	RecordKey() int16
}

// Encode is the message's bytes at a version, without any header.
func Encode(version int16, m Message) ([]byte, error) { return AppendMessage(nil, version, m) }

// AppendMessage appends the message's bytes at a version to b. Messages whose
// records are a Range cannot be appended.
func AppendMessage(b []byte, version int16, m Message) ([]byte, error) {
	c := coder{encoding: true, out: b}
	m.code(&c, version)
	if c.err != nil {
		return b, c.err
	}
	if len(c.cuts) == 0 {
		return c.out, nil
	}
	whole, from := append([]byte(nil), c.out[:0]...), 0
	for _, cut := range c.cuts {
		if cut.rng != nil {
			return b, fmt.Errorf("a range of records cannot be encoded in memory")
		}
		whole = append(append(whole, c.out[from:cut.at]...), cut.bytes...)
		from = cut.at
	}
	return append(whole, c.out[from:]...), nil
}

// Decode reads all of b into m, which is reset first.
func Decode(b []byte, version int16, m Message) error {
	c := decoder(b)
	m.Reset()
	m.code(c, version)
	return c.finish()
}

// Decoder decodes one message after another and allocates nothing for itself. It
// is for one goroutine; the zero Decoder is ready.
type Decoder struct{ c coder }

// Decode is the function of that name.
func (d *Decoder) Decode(b []byte, version int16, m Message) error {
	d.c = coder{in: b, budget: allocationFactor*len(b) + allocationSlack, tags: d.c.tags[:0]}
	m.Reset()
	m.code(&d.c, version)
	return d.c.finish()
}

// recordFrameVersion is in front of every metadata record; 0 was the preview of
// Kafka 2.8 and is refused, as Kafka does.
const recordFrameVersion = 1

// EncodeRecord is the value of a metadata log record: frame version, api key
// and record version as unsigned varints, then the record.
func EncodeRecord(version int16, r Record) ([]byte, error) { return AppendRecord(nil, version, r) }

// AppendRecord appends what EncodeRecord returns. What DecodeRecord would not read
// is refused: in a log it would end everybody who replays it.
func AppendRecord(b []byte, version int16, r Record) ([]byte, error) {
	if kind := recordKinds[int64(r.RecordKey())]; kind.new == nil || version < 0 || version > kind.max {
		return nil, fmt.Errorf("%T has no version %d", r, version)
	}
	b = binary.AppendUvarint(b, recordFrameVersion)
	b = binary.AppendUvarint(b, uint64(r.RecordKey()))
	b = binary.AppendUvarint(b, uint64(version))
	return AppendMessage(b, version, r)
}

// DecodeRecord reads the value of a metadata log record. Unknown kinds and
// versions are errors: who replays the log must know every record in it.
func DecodeRecord(value []byte) (r Record, version int16, err error) {
	c := decoder(value)
	var frame, key, v uint64
	c.uvarint(&frame)
	c.uvarint(&key)
	c.uvarint(&v)
	if c.err != nil {
		return nil, 0, c.err
	}
	if frame != recordFrameVersion {
		return nil, 0, fmt.Errorf("%w: metadata record frame version %d, want %d", ErrMalformed, frame, recordFrameVersion)
	}
	kind, ok := recordKinds[int64(key)]
	if !ok {
		return nil, 0, fmt.Errorf("%w: metadata record kind %d is unknown", ErrMalformed, key)
	}
	if v > uint64(kind.max) {
		return nil, 0, fmt.Errorf("%w: %s version %d is newer than %d", ErrMalformed, kind.name, v, kind.max)
	}
	r = kind.new()
	r.Reset()
	r.code(c, int16(v))
	return r, int16(v), c.finish()
}
