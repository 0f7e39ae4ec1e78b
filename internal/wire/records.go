package wire

import "io"

// inlineRecords is up to how many bytes of records are copied into the frame;
// larger ones are sent from where they are.
const inlineRecords = 1024

// Range is a run of bytes that can send itself, such as a part of a file.
type Range interface {
	// Len is the number of bytes that WriteTo writes.
	Len() int
	// WriteTo writes all of them or returns an error.
	WriteTo(w io.Writer) (int64, error)
}

// Records are record batches inside a message: bytes, or a Range that is
// written straight from its file. The zero value is null.
type Records struct {
	bytes []byte
	rng   Range
}

// BytesRecords are records in memory. The bytes are not copied: they must stay
// as they are until the message has been sent. nil makes empty records.
func BytesRecords(b []byte) Records {
	if b == nil {
		b = []byte{}
	}
	return Records{bytes: b}
}

// RangeRecords are records that send themselves.
func RangeRecords(r Range) Records { return Records{rng: r} }

// IsNull reports whether there are no records, not even zero of them.
func (r Records) IsNull() bool { return r.bytes == nil && r.rng == nil }

// Bytes are the records in memory; nil for a Range.
func (r Records) Bytes() []byte { return r.bytes }

// Range is what sends itself; nil for records in memory.
func (r Records) Range() Range { return r.rng }

// Len is the size of the records in bytes.
func (r Records) Len() int {
	if r.rng != nil {
		return r.rng.Len()
	}
	return len(r.bytes)
}
