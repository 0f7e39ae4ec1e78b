package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/stromkafka/strom/internal/model"
)

// allocationFactor bounds what a decoder allocates: at most this many bytes per
// byte of input, plus allocationSlack. The densest honest message, an array of
// empty strings, takes 16 bytes for each byte.
const (
	allocationFactor = 24
	allocationSlack  = 1024
)

// ErrMalformed is wrapped by every error that bytes from outside can cause.
var ErrMalformed = errors.New("malformed message")

// coder walks a message's fields in one direction, encoding or decoding. A
// message lists its fields once, in its code method, and that one list serves
// both. After the first error a decoder reads zeros and the error stays.
type coder struct {
	encoding bool
	flexible bool // compact lengths and tagged fields, KIP-482
	err      error

	in     []byte // decoding: what is left to read
	budget int    // decoding: bytes that may still be allocated

	out  []byte // encoding: all inline bytes
	cuts []cut  // encoding: records that are sent from where they are

	tags []tagFrame // the tagged sections being walked, innermost last
}

// A cut is a run of bytes that belongs at out[at:at] but is not copied there.
type cut struct {
	at    int
	bytes []byte // in memory, or
	rng   Range  // somewhere that can send itself
}

type tagFrame struct {
	// encoding
	countAt int // where the section's count byte stands
	count   int
	sizeAt  int // where the open tag's size byte stands
	// decoding
	left   uint64 // tags not yet begun
	next   uint64 // the number of the tag that is begun
	begun  bool
	size   int    // of the begun tag
	after  []byte // what follows the open tag
	lowest uint64 // numbers must ascend
}

func (c *coder) decoding() bool { return !c.encoding }

func (c *coder) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	c.in = nil
}

// take is the next n bytes of the input, capacity limited; nil after an error.
func (c *coder) take(n int) []byte {
	if n < 0 || n > len(c.in) {
		c.fail("%d bytes wanted, %d left", n, len(c.in))
		return nil
	}
	b := c.in[:n:n]
	c.in = c.in[n:]
	return b
}

// reserve charges an allocation against the budget.
func (c *coder) reserve(n int) bool {
	if c.err != nil {
		return false
	}
	if n > c.budget {
		c.fail("too many elements for a message of this size")
		return false
	}
	c.budget -= n
	return true
}

func (c *coder) bool(v *bool) {
	var b int8
	if *v {
		b = 1
	}
	c.int8(&b)
	if c.decoding() {
		*v = b != 0
	}
}

func (c *coder) int8(v *int8) {
	if c.encoding {
		c.out = append(c.out, byte(*v))
		return
	}
	if b := c.take(1); b != nil {
		*v = int8(b[0])
	}
}

func (c *coder) int16(v *int16) {
	if c.encoding {
		c.out = binary.BigEndian.AppendUint16(c.out, uint16(*v))
		return
	}
	if b := c.take(2); b != nil {
		*v = int16(binary.BigEndian.Uint16(b))
	}
}

func (c *coder) uint16(v *uint16) {
	i := int16(*v)
	c.int16(&i)
	*v = uint16(i)
}

func (c *coder) int32(v *int32) {
	if c.encoding {
		c.out = binary.BigEndian.AppendUint32(c.out, uint32(*v))
		return
	}
	if b := c.take(4); b != nil {
		*v = int32(binary.BigEndian.Uint32(b))
	}
}

func (c *coder) int64(v *int64) {
	if c.encoding {
		c.out = binary.BigEndian.AppendUint64(c.out, uint64(*v))
		return
	}
	if b := c.take(8); b != nil {
		*v = int64(binary.BigEndian.Uint64(b))
	}
}

func (c *coder) float64(v *float64) {
	i := int64(math.Float64bits(*v))
	c.int64(&i)
	*v = math.Float64frombits(uint64(i))
}

func (c *coder) uuid(v *model.UUID) {
	if c.encoding {
		c.out = append(c.out, v[:]...)
		return
	}
	if b := c.take(16); b != nil {
		*v = model.UUID(b)
	}
}

// uvarint codes an unsigned varint of at most 32 bits, as lengths and tags are.
func (c *coder) uvarint(v *uint64) {
	if c.encoding {
		c.out = binary.AppendUvarint(c.out, *v)
		return
	}
	u, n := binary.Uvarint(c.in)
	if n <= 0 || n > 5 || u > math.MaxUint32 {
		c.fail("bad varint")
		*v = 0
		return
	}
	c.in = c.in[n:]
	*v = u
}

// length codes the count in front of a string, an array or bytes. -1 is null.
// short is the classic encoding of a string, two bytes instead of four.
func (c *coder) length(n int, short bool) int {
	if c.flexible {
		u := uint64(n + 1)
		c.uvarint(&u)
		return int(u) - 1
	}
	if short {
		if c.encoding && n > math.MaxInt16 {
			c.err = fmt.Errorf("string of %d bytes is too long for this version", n)
			n = 0
		}
		i := int16(n)
		c.int16(&i)
		return int(i)
	}
	i := int32(n)
	c.int32(&i)
	return int(i)
}

// raw decodes the bytes after a length; ok is false for null and after an error.
func (c *coder) raw(short, nullable bool) (b []byte, ok bool) {
	n := c.length(0, short)
	switch {
	case c.err != nil:
		return nil, false
	case n == -1 && nullable:
		return nil, false
	case n < 0:
		c.fail("length %d", n)
		return nil, false
	}
	b = c.take(n)
	return b, c.err == nil
}

func (c *coder) string(v *string) {
	if c.encoding {
		c.length(len(*v), true)
		c.out = append(c.out, *v...)
		return
	}
	*v = ""
	if b, ok := c.raw(true, false); ok {
		*v = string(b)
	}
}

// nullString codes a string that may be null where nullable is true; where it
// is not, null is sent as the empty string.
func (c *coder) nullString(v **string, nullable bool) {
	if c.encoding {
		if *v == nil && nullable {
			c.length(-1, true)
			return
		}
		s := ""
		if *v != nil {
			s = **v
		}
		c.string(&s)
		return
	}
	*v = nil
	if b, ok := c.raw(true, nullable); ok && c.reserve(16) {
		s := string(b)
		*v = &s
	}
}

// bytes aliases the input when it decodes.
func (c *coder) bytes(v *[]byte, nullable bool) {
	if c.encoding {
		if *v == nil && nullable {
			c.length(-1, false)
			return
		}
		c.length(len(*v), false)
		c.out = append(c.out, *v...)
		return
	}
	*v = nil
	if b, ok := c.raw(false, nullable); ok {
		*v = b
	}
}

func (c *coder) records(v *Records, nullable bool) {
	if c.decoding() {
		*v = Records{}
		if b, ok := c.raw(false, nullable); ok {
			*v = BytesRecords(b)
		}
		return
	}
	if v.IsNull() && nullable {
		c.length(-1, false)
		return
	}
	c.length(v.Len(), false)
	if v.Len() == 0 {
		return
	}
	if v.rng == nil && v.Len() <= inlineRecords {
		c.out = append(c.out, v.bytes...)
		return
	}
	c.cuts = append(c.cuts, cut{at: len(c.out), bytes: v.bytes, rng: v.rng})
}

// count codes an array's length and says how many elements follow; -1 is null.
func (c *coder) count(n int, null, nullable bool) int {
	if c.encoding {
		if null && nullable {
			n = -1
		}
		c.length(n, false)
		return n
	}
	n = c.length(0, false)
	switch {
	case c.err != nil:
		return 0
	case n == -1 && nullable:
		return -1
	case n < 0 || n > len(c.in):
		c.fail("array of %d elements in %d bytes", n, len(c.in))
		return 0
	}
	return n
}

// coded is what a nested struct offers.
type coded[T any] interface {
	*T
	Reset()
	code(c *coder, v int16)
}

// array codes a slice of structs. A null array decodes as nil where nullable is
// true, an empty one as an empty slice.
func array[T any, P coded[T]](c *coder, v int16, s *[]T, nullable bool) {
	n := c.count(len(*s), *s == nil, nullable)
	if c.decoding() {
		*s = nil
		if n < 0 || !c.reserve(n*int(unsafe.Sizeof(*new(T)))) {
			return
		}
		*s = make([]T, n)
	}
	for i := range *s {
		p := P(&(*s)[i])
		if c.decoding() {
			if c.err != nil {
				return
			}
			p.Reset()
		}
		p.code(c, v)
	}
}

// list codes a slice of primitives, each with code.
func list[T any](c *coder, s *[]T, nullable bool, code func(*coder, *T)) {
	n := c.count(len(*s), *s == nil, nullable)
	if c.decoding() {
		*s = nil
		if n < 0 || !c.reserve(n*int(unsafe.Sizeof(*new(T)))) {
			return
		}
		*s = make([]T, n)
	}
	for i := range *s {
		if c.err != nil {
			return
		}
		code(c, &(*s)[i])
	}
}

// optional codes a struct that may be null: a byte -1 or 1 in front.
func optional[T any, P coded[T]](c *coder, v int16, s **T) {
	present := int8(-1)
	if *s != nil {
		present = 1
	}
	c.int8(&present)
	if c.decoding() {
		*s = nil
		if present < 0 || !c.reserve(int(unsafe.Sizeof(*new(T)))) {
			return
		}
		*s = new(T)
		P(*s).Reset()
	}
	if present >= 0 {
		P(*s).code(c, v)
	}
}

// taggedOptional codes a struct that may be null inside of a tag, where a varint 0 or
// 1 is in front.
func taggedOptional[T any, P coded[T]](c *coder, v int16, s **T) {
	present := uint64(0)
	if *s != nil {
		present = 1
	}
	c.uvarint(&present)
	if c.decoding() {
		*s = nil
		if present == 0 || !c.reserve(int(unsafe.Sizeof(*new(T)))) {
			return
		}
		*s = new(T)
		P(*s).Reset()
	}
	if present != 0 {
		P(*s).code(c, v)
	}
}

// beginTags opens the tagged section that ends every struct of a flexible
// version. It is walked in tag order:
//
//	c.beginTags()
//	if c.tag(0, m.ClusterID != nil) { c.nullString(&m.ClusterID, true); c.endTag() }
//	c.endTags()
//
// The condition says whether an encoder has something to write; a decoder
// ignores it and asks its input. Unknown tags are skipped.
func (c *coder) beginTags() {
	f := tagFrame{}
	if c.encoding {
		f.countAt = len(c.out)
		c.out = append(c.out, 0)
	} else {
		c.uvarint(&f.left)
	}
	c.tags = append(c.tags, f)
}

func (c *coder) tag(number uint64, present bool) bool {
	f := &c.tags[len(c.tags)-1]
	if c.encoding {
		if !present {
			return false
		}
		f.count++
		c.out = binary.AppendUvarint(c.out, number)
		f.sizeAt = len(c.out)
		c.out = append(c.out, 0)
		return true
	}
	for c.peekTag(f) && f.next < number {
		c.skipTag(f)
	}
	if c.err != nil || !f.begun || f.next != number {
		return false
	}
	f.begun = false
	body := c.take(f.size)
	f.after, c.in = c.in, body
	return c.err == nil
}

func (c *coder) endTag() {
	f := &c.tags[len(c.tags)-1]
	if c.decoding() {
		if c.err == nil && len(c.in) != 0 {
			c.fail("%d bytes too many in tag %d", len(c.in), f.next)
			return
		}
		if c.err == nil {
			c.in = f.after
		}
		return
	}
	size := len(c.out) - f.sizeAt - 1
	var prefix [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(prefix[:], uint64(size))
	if n > 1 {
		c.out = append(c.out, prefix[1:n]...) // grow, then move the body up
		copy(c.out[f.sizeAt+n:], c.out[f.sizeAt+1:f.sizeAt+1+size])
	}
	copy(c.out[f.sizeAt:], prefix[:n])
}

func (c *coder) endTags() {
	f := &c.tags[len(c.tags)-1]
	if c.encoding {
		c.out[f.countAt] = byte(f.count) // the number of known tags is far below 128
	} else {
		for c.peekTag(f) {
			c.skipTag(f)
		}
	}
	c.tags = c.tags[:len(c.tags)-1]
}

// noTags is the tagged section of a struct that knows none.
func (c *coder) noTags() {
	if c.encoding {
		c.out = append(c.out, 0)
		return
	}
	if len(c.in) > 0 && c.in[0] == 0 {
		c.in = c.in[1:]
		return
	}
	c.beginTags()
	c.endTags()
}

// peekTag begins the next tag of the input if none is begun.
func (c *coder) peekTag(f *tagFrame) bool {
	if f.begun {
		return true
	}
	if c.err != nil || f.left == 0 {
		return false
	}
	f.left--
	var number, size uint64
	c.uvarint(&number)
	c.uvarint(&size)
	if c.err == nil && (number < f.lowest || size > uint64(len(c.in))) {
		c.fail("tag %d of %d bytes", number, size)
	}
	if c.err != nil {
		return false
	}
	f.next, f.size, f.begun, f.lowest = number, int(size), true, number+1
	return true
}

func (c *coder) skipTag(f *tagFrame) {
	c.take(f.size)
	f.begun = false
}
