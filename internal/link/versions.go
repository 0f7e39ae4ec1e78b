package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

// VersionRange is what a node speaks of an API, or understands of a feature.
type VersionRange struct{ Min, Max int16 }

// Contains reports whether the range holds a level.
func (r VersionRange) Contains(v int16) bool { return r.Min <= v && v <= r.Max }

// peer is what the other side said in the handshake.
type peer struct {
	apis     map[int16]VersionRange
	features map[string]VersionRange
}

// version is the highest version of an API both sides speak.
func (p *peer) version(key int16) (int16, error) {
	api, ok := wire.Lookup(key)
	if !ok {
		return 0, kerr.UnsupportedVersion.With("API key %d is not known here", key)
	}
	theirs, ok := p.apis[key]
	if !ok {
		return 0, kerr.UnsupportedVersion.With("the node does not serve %s", api.Name)
	}
	highest := api.Max
	if api.UnstableFrom > 0 {
		highest = api.UnstableFrom - 1
	}
	version := min(highest, theirs.Max)
	if version < max(api.Min, theirs.Min) {
		return 0, kerr.UnsupportedVersion.With("%s: the node serves versions %d to %d, here are %d to %d", api.Name, theirs.Min, theirs.Max, api.Min, highest)
	}
	return version, nil
}

// Version is the version at which Send sends requests of an API.
func (l *Link) Version(key int16) (int16, error) { return l.peer.version(key) }

// Feature is what the node understands of a feature; not ok if it names none.
func (l *Link) Feature(name string) (VersionRange, bool) {
	r, ok := l.peer.features[name]
	return r, ok
}

// helloVersion is the ApiVersions version that is tried first: from 4 on the
// answer has the features whose least level is 0 (KIP-1022).
const helloVersion = 4

// handshake asks for the node's versions; it is the only user of the connection
// until it returns.
func (l *Link) handshake(deadline time.Time) error {
	if err := l.conn.SetDeadline(deadline); err != nil {
		return err
	}
	response, err := l.hello(helloVersion)
	if errors.Is(err, kerr.UnsupportedVersion) && response != nil {
		// An older node answers at version 0 and says in it what it speaks.
		own := newPeer(response).apis[wire.KeyApiVersions]
		response, err = l.hello(max(0, min(own.Max, helloVersion)))
	}
	if err != nil {
		return err
	}
	l.peer = newPeer(response)
	return l.conn.SetDeadline(time.Time{})
}

func (l *Link) hello(version int16) (*wire.ApiVersionsResponse, error) {
	request := &wire.ApiVersionsRequest{}
	request.Reset()
	request.ClientSoftwareName, request.ClientSoftwareVersion = "strom", "1"
	frame, err := wire.EncodeRequest(l.header(wire.KeyApiVersions, version, l.next), request)
	if err != nil {
		return nil, err
	}
	_, err = frame.WriteTo(l.conn)
	frame.Release()
	if err != nil {
		return nil, err
	}
	answer, err := readFrame(l.conn, l.opts.MaxResponse)
	if err != nil {
		return nil, err
	}
	if len(answer) >= 6 && int16(binary.BigEndian.Uint16(answer[4:])) == kerr.UnsupportedVersion.Code {
		version = 0
	}
	correlationID, response, err := wire.DecodeResponse(wire.KeyApiVersions, version, answer)
	if err != nil {
		return nil, err
	}
	if correlationID != l.next {
		return nil, fmt.Errorf("correlation id %d, want %d", correlationID, l.next)
	}
	l.next++
	r := response.(*wire.ApiVersionsResponse)
	return r, kerr.FromCode(r.ErrorCode)
}

func newPeer(r *wire.ApiVersionsResponse) peer {
	p := peer{apis: map[int16]VersionRange{}, features: map[string]VersionRange{}}
	for _, a := range r.APIKeys {
		p.apis[a.APIKey] = VersionRange{a.MinVersion, a.MaxVersion}
	}
	for _, f := range r.SupportedFeatures {
		p.features[f.Name] = VersionRange{f.MinVersion, f.MaxVersion}
	}
	return p
}
