package server

import (
	"context"
	"net/netip"
	"time"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/wire"
)

// Request is one request as its handler sees it. Bytes and records in Body, and
// Frame, are valid until Handle's response has been written, or until Begin
// returns; everything else is the handler's to keep.
type Request struct {
	Header       wire.RequestHeader
	Body         wire.Request
	Frame        []byte // the request as it came, header first, without its length
	Listener     string
	Internal     bool // came in by a listener between nodes
	Principal    auth.Principal
	ClientAddr   netip.Addr // not valid when the connection has no IP address
	ClientHost   string     // ClientAddr as text, or the address of the connection
	ClientPort   string     // the port of ClientAddr, empty when there is none or the request was forwarded
	ConnectionID string     // unique while the process lives
	// ConnectionNumber is higher the later the connection was accepted.
	ConnectionNumber uint64
	Software         Software
	ReceivedAt       time.Time // when the frame was complete
	Forwarded        bool      // came inside an Envelope; Principal and Client* are the original's
}

// Software is what a client said that it is, in ApiVersions (KIP-511). Empty when
// it said nothing.
type Software struct{ Name, Version string }

// ClientID is the header's client id, empty when it is null.
func (r *Request) ClientID() string {
	if r.Header.ClientID == nil {
		return ""
	}
	return *r.Header.ClientID
}

// Handler answers the requests of one API key. It is called concurrently, but for
// one connection at a time. ctx is done when the client has gone or the server
// stops. A nil response means that none is sent; Close closes the connection.
type Handler interface {
	Handle(ctx context.Context, r *Request) wire.Response
}

// Pipelined is a Handler whose requests may overlap earlier ones of their kind on
// the same connection. Of a handler that is Pipelined only Begin is called.
type Pipelined interface {
	// Begin does what has to happen in the order of the requests, and does not
	// wait for more than that. When it returns, the request's bytes and records
	// are gone. A nil Pending means that no response is sent.
	Begin(ctx context.Context, r *Request) Pending
}

// Pending is a response to come. Besides Wait it may have a method Ready() bool,
// true once Wait will not block: responses that are ready are written together.
type Pending interface {
	// Wait is called once, and returns soon when ctx is done. Its result is as
	// Handle's.
	Wait(ctx context.Context) wire.Response
}

// Done is a Pending that has come.
type Done struct{ Response wire.Response }

// Wait implements Pending.
func (d Done) Wait(context.Context) wire.Response { return d.Response }

// Ready implements the optional half of Pending.
func (Done) Ready() bool { return true }

func ready(p Pending) bool {
	r, ok := p.(interface{ Ready() bool })
	return ok && r.Ready()
}

type closeConnection struct{ wire.Response }

// Close is returned as a response to close the connection without an answer, as
// Kafka does when a Produce with acks=0 fails.
var Close wire.Response = &closeConnection{}
