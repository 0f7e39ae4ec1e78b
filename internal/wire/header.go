package wire

import (
	"errors"
	"fmt"
)

// ErrUnknownKey and ErrUnsupportedVersion are what DecodeRequest returns for a
// request whose header can be read but not its body.
var (
	ErrUnknownKey         = errors.New("unknown API key")
	ErrUnsupportedVersion = errors.New("unsupported version")
)

// RequestHeader is in front of every request: header version 1, or 2 (with
// tagged fields) where the request's version is flexible.
type RequestHeader struct {
	APIKey        int16
	APIVersion    int16
	CorrelationID int32
	ClientID      *string // classic encoding in both header versions
}

func (h *RequestHeader) code(c *coder) {
	c.int16(&h.APIKey)
	c.int16(&h.APIVersion)
	c.int32(&h.CorrelationID)
	c.nullString(&h.ClientID, true)
	if a, ok := Lookup(h.APIKey); ok && h.APIVersion >= a.FlexibleFrom {
		c.noTags()
	}
}

// DecodeRequest reads a frame without the length in front. Bytes and records in
// the result alias the frame; strings do not. When the error is ErrUnknownKey
// or ErrUnsupportedVersion the header's key, version and correlation id are
// those sent, so that the request can be answered.
//
// Bytes after the last field are ignored, as Apache Kafka does: some clients
// leave some.
func DecodeRequest(frame []byte) (RequestHeader, Request, error) {
	var h RequestHeader
	c := decoder(frame)
	if len(frame) >= 8 {
		fixed := coder{in: frame}
		fixed.int16(&h.APIKey)
		fixed.int16(&h.APIVersion)
		fixed.int32(&h.CorrelationID)
		a, ok := Lookup(h.APIKey)
		if !ok {
			return h, nil, fmt.Errorf("API key %d: %w", h.APIKey, ErrUnknownKey)
		}
		if h.APIVersion < a.Min || h.APIVersion > a.Max {
			return h, nil, fmt.Errorf("%s version %d, not %d to %d: %w", a.Name, h.APIVersion, a.Min, a.Max, ErrUnsupportedVersion)
		}
	}
	h.code(c)
	if c.err != nil {
		return h, nil, c.err
	}
	r, _ := NewRequest(h.APIKey)
	r.code(c, h.APIVersion)
	return h, r, c.err
}
