package server

import (
	"fmt"
	"slices"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/wire"
)

// Kind is what a listener serves.
type Kind uint8

// The kinds of listener.
const (
	Broker Kind = iota
	Controller
)

// Listener is one address to listen on.
type Listener struct {
	Name    string // as in listeners=NAME://host:port
	Kind    Kind
	Address string
	// Internal listeners connect nodes: they have frame memory of their own and
	// do not count against MaxConnections.
	Internal bool
	Routes   *Routes
}

// Route is the handler of an API key and the versions it takes.
type Route struct {
	Key      int16
	Min, Max int16
	handler  Handler
	begin    Pipelined // nil unless the handler is Pipelined
}

// Routes are the API keys that a kind of listener serves. They are complete
// before the server runs and do not change afterwards.
type Routes struct {
	kind     Kind
	unstable bool
	byKey    [128]Route
}

// NewRoutes serves nothing yet. unstable is unstable.api.versions.enable.
func NewRoutes(kind Kind, unstable bool) *Routes { return &Routes{kind: kind, unstable: unstable} }

// Handle serves an API key at all versions that have a codec. h is a Handler, or
// Pipelined, or both; the key must be one that Kafka has on this kind of listener.
func (r *Routes) Handle(key int16, h any) {
	api, ok := wire.Lookup(key)
	assert.That(ok && (api.Broker && r.kind == Broker || api.Controller && r.kind == Controller),
		"API key %d is not for listeners of kind %d", key, r.kind)
	route := Route{Key: key, Min: api.Min, Max: api.Max}
	if api.UnstableFrom > 0 && !r.unstable {
		route.Max = api.UnstableFrom - 1
	}
	route.handler, _ = h.(Handler)
	route.begin, _ = h.(Pipelined)
	assert.That(route.handler != nil || route.begin != nil, "%T is no handler", h)
	assert.That(r.byKey[key] == (Route{}), "%s has a handler already", api.Name)
	r.byKey[key] = route
}

// Served lists what is served in key order, for ApiVersions.
func (r *Routes) Served() []Route {
	return slices.DeleteFunc(slices.Clone(r.byKey[:]), func(route Route) bool { return !route.served() })
}

func (r Route) served() bool { return r.handler != nil || r.begin != nil }

// find is the route of a request, or why there is none.
func (r *Routes) find(key, version int16) (*Route, error) {
	if key < 0 || int(key) >= len(r.byKey) || !r.byKey[key].served() {
		return nil, fmt.Errorf("API key %d: %w", key, wire.ErrUnknownKey)
	}
	route := &r.byKey[key]
	if version < route.Min || version > route.Max {
		return route, fmt.Errorf("API key %d version %d: %w", key, version, wire.ErrUnsupportedVersion)
	}
	return route, nil
}
