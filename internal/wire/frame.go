package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
)

// Frame is an encoded request or response, ready to be written with its 4-byte
// length in front. Records in it are written from where they are.
type Frame struct {
	c       coder
	size    int // with the length
	vectors net.Buffers
}

var frames = sync.Pool{New: func() any { return new(Frame) }}

// maxPooledFrame keeps one large message from holding its memory for ever.
const maxPooledFrame = 64 << 10

func newFrame() *Frame {
	f := frames.Get().(*Frame)
	f.c = coder{encoding: true, out: append(f.c.out[:0], 0, 0, 0, 0), cuts: f.c.cuts[:0], tags: f.c.tags[:0]}
	return f
}

// seal writes the length in front.
func (f *Frame) seal() error {
	if f.c.err != nil {
		return f.c.err
	}
	f.size = len(f.c.out)
	for _, cut := range f.c.cuts {
		f.size += cut.len()
	}
	if f.size-4 > math.MaxInt32 {
		return fmt.Errorf("frame of %d bytes is larger than the protocol allows", f.size)
	}
	binary.BigEndian.PutUint32(f.c.out, uint32(f.size-4))
	return nil
}

func (c cut) len() int {
	if c.rng != nil {
		return c.rng.Len()
	}
	return len(c.bytes)
}

// Len is the number of bytes that WriteTo writes, the length in front included.
func (f *Frame) Len() int { return f.size }

// WriteTo writes the frame. Memory goes out in as few writes as there are
// ranges between it, plus one. After an error the stream is unusable.
func (f *Frame) WriteTo(w io.Writer) (int64, error) {
	var total int64
	from := 0
	f.vectors = f.vectors[:0]
	for _, cut := range f.c.cuts {
		if cut.at > from {
			f.vectors = append(f.vectors, f.c.out[from:cut.at])
		}
		from = cut.at
		if cut.rng == nil {
			f.vectors = append(f.vectors, cut.bytes)
			continue
		}
		n, err := f.flush(w)
		total += n
		if err != nil {
			return total, err
		}
		n, err = cut.rng.WriteTo(w)
		total += n
		if err != nil {
			return total, err
		}
		if n != int64(cut.rng.Len()) {
			return total, io.ErrShortWrite
		}
	}
	f.vectors = append(f.vectors, f.c.out[from:])
	n, err := f.flush(w)
	return total + n, err
}

func (f *Frame) flush(w io.Writer) (int64, error) {
	if len(f.vectors) == 1 {
		n, err := w.Write(f.vectors[0])
		f.vectors = f.vectors[:0]
		return int64(n), err
	}
	pending := f.vectors
	n, err := pending.WriteTo(w)
	f.vectors = f.vectors[:0]
	return n, err
}

// Release gives the frame's memory back once it is written. The frame must not
// be used afterwards.
func (f *Frame) Release() {
	if cap(f.c.out) > maxPooledFrame {
		f.c.out = nil
	}
	clear(f.c.cuts)
	clear(f.vectors[:cap(f.vectors)])
	f.c.err = nil
	frames.Put(f)
}

// EncodeRequest makes the frame of a request. The header's key and version say
// how; its client id and correlation id are sent.
func EncodeRequest(h *RequestHeader, r Request) (*Frame, error) {
	f := newFrame()
	h.code(&f.c)
	r.code(&f.c, h.APIVersion)
	return f, f.seal()
}

// EncodeResponse makes the frame of a response at a version.
func EncodeResponse(correlationID int32, version int16, r Response) (*Frame, error) {
	f := newFrame()
	f.c.int32(&correlationID)
	if responseHeaderIsFlexible(r.Key(), version) {
		f.c.noTags()
	}
	r.code(&f.c, version)
	return f, f.seal()
}

// responseHeaderIsFlexible: the answer to ApiVersions has the classic header at
// every version, since the client may not know what the broker speaks (KIP-482).
func responseHeaderIsFlexible(key, version int16) bool {
	a, ok := Lookup(key)
	return ok && key != KeyApiVersions && version >= a.FlexibleFrom
}

// DecodeResponse reads a response to a request of that key and version; frame
// has no length in front and must stay as it is while the response is in use.
func DecodeResponse(key, version int16, frame []byte) (correlationID int32, r Response, err error) {
	c := decoder(frame)
	c.int32(&correlationID)
	r, ok := NewResponse(key)
	if !ok {
		return correlationID, nil, fmt.Errorf("API key %d: %w", key, ErrUnknownKey)
	}
	if responseHeaderIsFlexible(key, version) {
		c.noTags()
	}
	r.code(c, version)
	return correlationID, r, c.finish()
}

func decoder(b []byte) *coder {
	return &coder{in: b, budget: allocationFactor*len(b) + allocationSlack}
}

// finish is the decoder's error, or one that there are bytes left.
func (c *coder) finish() error {
	if c.err == nil && len(c.in) > 0 {
		c.fail("%d bytes left over", len(c.in))
	}
	return c.err
}
