package server

// Envelope, version 0 (KIP-590), on controller listeners.
//
// A broker forwards a client's request as it came, with the client's principal
// and address. The request is handled as if the client had sent it here, and its
// response, with header, goes back inside. Only requests that change metadata may
// be forwarded. A request that cannot be read answers UNSUPPORTED_VERSION, on
// which the broker closes the client's connection; other errors reach the client
// as UNKNOWN_SERVER_ERROR. A response that says NOT_CONTROLLER becomes the
// envelope's own error, so that the broker looks for the controller and repeats.

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// forwardable are the API keys that Kafka forwards.
var forwardable = map[int16]bool{19: true, 20: true, 30: true, 31: true, 33: true, 37: true, 38: true, 39: true, 40: true,
	43: true, 44: true, 45: true, 46: true, 49: true, 51: true, 55: true, 57: true, 64: true, 67: true, 80: true, 81: true, 94: true}

// Forwardable reports whether a broker may forward requests of the key.
func Forwardable(key int16) bool { return forwardable[key] }

// Envelope opens envelopes.
type Envelope struct {
	Routes     *Routes // of the listener that the envelope came to
	Authorizer auth.Authorizer
}

// Handle implements Handler.
func (e *Envelope) Handle(ctx context.Context, r *Request) wire.Response {
	envelope := r.Body.(*wire.EnvelopeRequest)
	response := new(wire.EnvelopeResponse)
	response.Reset()
	if !e.Authorizer.Allowed(r.Principal, r.ClientHost, auth.ClusterAction, auth.Cluster, auth.ClusterName) {
		response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return response
	}
	data, err := e.open(ctx, r, envelope)
	response.ResponseData, response.ErrorCode = data, kerr.Code(err)
	return response
}

// open handles the request inside and returns its encoded response.
func (e *Envelope) open(ctx context.Context, outer *Request, envelope *wire.EnvelopeRequest) ([]byte, error) {
	principal, err := decodePrincipal(envelope.RequestPrincipal)
	if err != nil {
		return nil, kerr.PrincipalDeserializationFailure.With("%v", err)
	}
	addr, ok := netip.AddrFromSlice(envelope.ClientHostAddress)
	if !ok {
		return nil, kerr.InvalidRequest.With("a client address of %d bytes", len(envelope.ClientHostAddress))
	}
	if len(envelope.RequestData) < 8 {
		return nil, kerr.UnsupportedVersion
	}
	key := int16(binary.BigEndian.Uint16(envelope.RequestData))
	version := int16(binary.BigEndian.Uint16(envelope.RequestData[2:]))
	if _, known := wire.Lookup(key); known && !forwardable[key] {
		return nil, kerr.InvalidRequest.With("API key %d cannot be forwarded", key)
	}
	route, err := e.Routes.find(key, version)
	if err != nil || route.handler == nil {
		return nil, kerr.UnsupportedVersion
	}
	header, body, err := wire.DecodeRequest(envelope.RequestData)
	if err != nil {
		return nil, kerr.UnsupportedVersion
	}
	inner := *outer
	inner.Header, inner.Body, inner.Frame = header, body, envelope.RequestData
	inner.Principal, inner.ClientAddr, inner.ClientHost = principal, addr.Unmap(), addr.Unmap().String()
	inner.Software, inner.Forwarded = Software{}, true
	return wrap(header, route.handler.Handle(ctx, &inner))
}

// wrap encodes the inner response with its header and without its length.
func wrap(header wire.RequestHeader, response wire.Response) ([]byte, error) {
	if response == nil || response == Close {
		return nil, kerr.UnknownServerError
	}
	moved := kerr.NotController
	if header.APIKey == wire.KeyDescribeQuorum {
		moved = kerr.NotLeaderOrFollower
	}
	if hasError(reflect.ValueOf(response), moved.Code) {
		return nil, kerr.NotController
	}
	encoded, err := wire.EncodeResponse(header.CorrelationID, header.APIVersion, response)
	if err != nil {
		return nil, err
	}
	defer encoded.Release()
	var out bytes.Buffer
	if _, err := encoded.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes()[4:], nil
}

// hasError reports whether any ErrorCode in a message is the given one.
func hasError(v reflect.Value, code int16) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && hasError(v.Elem(), code)
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Struct {
			return false
		}
		for i := range v.Len() {
			if hasError(v.Index(i), code) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Name == "ErrorCode" && field.Type.Kind() == reflect.Int16 && int16(v.Field(i).Int()) == code {
				return true
			}
			if field.IsExported() && hasError(v.Field(i), code) {
				return true
			}
		}
	}
	return false
}

// decodePrincipal reads what Kafka's DefaultKafkaPrincipalBuilder writes: a
// version and DefaultPrincipalData.
func decodePrincipal(b []byte) (auth.Principal, error) {
	if len(b) < 2 {
		return auth.Principal{}, fmt.Errorf("a principal of %d bytes", len(b))
	}
	if version := int16(binary.BigEndian.Uint16(b)); version != 0 {
		return auth.Principal{}, fmt.Errorf("principal version %d", version)
	}
	var data wire.DefaultPrincipalData
	if err := wire.Decode(b[2:], 0, &data); err != nil {
		return auth.Principal{}, err
	}
	return auth.Principal{Type: data.Type, Name: data.Name}, nil
}

// EncodePrincipal is a principal as an Envelope carries it.
func EncodePrincipal(p auth.Principal) ([]byte, error) {
	return wire.AppendMessage([]byte{0, 0}, 0, &wire.DefaultPrincipalData{Type: p.Type, Name: p.Name})
}
