package membership

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// Caller is on whose behalf a request is forwarded.
type Caller struct {
	PrincipalType, PrincipalName string
	TokenAuthenticated           bool
	Host                         netip.Addr
}

// Forwarder passes requests of clients on to the controller in Envelopes
// (KIP-590), so that the controller sees who asks and from where.
type Forwarder struct{ channel *Channel }

// address is what the envelope says of the caller's host. A connection in memory
// has no IP address; it comes from this machine.
func (c Caller) address() []byte {
	if !c.Host.IsValid() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}).AsSlice()
	}
	return c.Host.Unmap().AsSlice()
}

// NewForwarder forwards over a channel, which may have many requests in flight:
// those of one client come one at a time anyway.
func NewForwarder(c *Channel) *Forwarder { return &Forwarder{c} }

// lengthSize is the length in front of a frame, which an Envelope leaves out.
const lengthSize = 4

// Forward sends a client's request, as it came, and returns the controller's
// answer at the request's version. The error is UNSUPPORTED_VERSION if the
// controller cannot read the request (the connection to the client is then to be
// closed, as Kafka does), and UNKNOWN_SERVER_ERROR if it refuses the envelope.
func (f *Forwarder) Forward(ctx context.Context, h wire.RequestHeader, body wire.Request, caller Caller) (wire.Response, error) {
	envelope, err := makeEnvelope(h, body, caller)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	response, err := f.channel.Do(ctx, envelope)
	if err != nil {
		return nil, err
	}
	r, ok := response.(*wire.EnvelopeResponse)
	if !ok {
		return nil, fmt.Errorf("envelope: the controller answered with %T", response)
	}
	if err := kerr.FromCode(r.ErrorCode); err != nil {
		if errors.Is(err, kerr.UnsupportedVersion) {
			return nil, err
		}
		return nil, kerr.UnknownServerError.With("the controller refused the envelope: %v", err)
	}
	correlationID, inner, err := wire.DecodeResponse(h.APIKey, h.APIVersion, r.ResponseData)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	if correlationID != h.CorrelationID {
		return nil, fmt.Errorf("envelope: answer to request %d, want %d", correlationID, h.CorrelationID)
	}
	return inner, nil
}

func makeEnvelope(h wire.RequestHeader, body wire.Request, caller Caller) (*wire.EnvelopeRequest, error) {
	frame, err := wire.EncodeRequest(&h, body)
	if err != nil {
		return nil, err
	}
	defer frame.Release()
	var data bytes.Buffer
	if _, err := frame.WriteTo(&data); err != nil {
		return nil, err
	}
	principal, err := encodePrincipal(caller)
	if err != nil {
		return nil, err
	}
	r := &wire.EnvelopeRequest{}
	r.Reset()
	r.RequestData, r.RequestPrincipal = data.Bytes()[lengthSize:], principal
	r.ClientHostAddress = caller.address()
	return r, nil
}

// encodePrincipal is the principal as DefaultKafkaPrincipalBuilder writes it:
// an int16 version, then the message.
func encodePrincipal(caller Caller) ([]byte, error) {
	const version = 0
	return wire.AppendMessage(binary.BigEndian.AppendUint16(nil, version), version, &wire.DefaultPrincipalData{
		Type: caller.PrincipalType, Name: caller.PrincipalName, TokenAuthenticated: caller.TokenAuthenticated})
}
