// Package config has each configuration key once: its name, type, default,
// valid values, importance, scope, how it may change while the node runs, and
// what it is for. It reads a node's configuration from a properties file,
// STROM_ environment variables and flags, checks what belongs together, and
// resolves what is in force for a topic.
//
// Names, types, defaults and limits are those of Apache Kafka 4.3, with the
// keys that 4.4 added marked; Strom's own few are in keys_strom.go. The package
// is pure: it opens no file and reads no environment, callers pass both in.
package config

import (
	"slices"
	"strings"
)

// Type is the type of a key's values. The numbers are those that
// DescribeConfigs answers with.
type Type int8

// The types of Apache Kafka's configuration definitions.
const (
	Boolean  Type = 1
	String   Type = 2
	Int      Type = 3
	Short    Type = 4
	Long     Type = 5
	Double   Type = 6
	List     Type = 7
	Class    Type = 8
	Password Type = 9
)

var typeNames = [...]string{Boolean: "boolean", String: "string", Int: "int", Short: "short", Long: "long",
	Double: "double", List: "list", Class: "class", Password: "password"}

func (t Type) String() string { return typeNames[t] }

// Importance is how much a reader of the documentation should care.
type Importance int8

// Kafka's three grades.
const (
	High Importance = iota
	Medium
	Low
)

func (i Importance) String() string { return [...]string{"high", "medium", "low"}[i] }

// Dynamic is how a broker key may change while nodes run.
type Dynamic int8

// ReadOnly keys need a restart; PerBroker keys can be set for one broker,
// ClusterWide keys for one broker or for all.
const (
	ReadOnly Dynamic = iota
	PerBroker
	ClusterWide
)

func (d Dynamic) String() string { return [...]string{"read-only", "per-broker", "cluster-wide"}[d] }

// Scope is what a key configures.
type Scope int8

// The kinds of resource that have keys.
const (
	ScopeBroker Scope = iota
	ScopeTopic
	ScopeGroup
	ScopeClientMetrics
)

func (s Scope) String() string { return [...]string{"broker", "topic", "group", "client-metrics"}[s] }

// Key is one configuration key.
type Key struct {
	Name string
	Type Type
	// Default is the value in force when nothing is set, as text. It means
	// nothing if Null (no value) or Required (a node does not start without).
	Default        string
	Null, Required bool
	Valid          Validator
	Importance     Importance
	Scope          Scope
	// Dynamic is of broker keys. Keys of other scopes always change at run time.
	Dynamic Dynamic
	// DynamicOnly broker keys cannot be set in a file.
	DynamicOnly bool
	// Internal keys are not described to clients unless they are set.
	Internal bool
	// Since44 marks what Apache Kafka 4.3 does not know.
	Since44 bool
	// Synonyms of a topic or group key are the broker keys that give its
	// default, the strongest first.
	Synonyms []string
	// Effect says that setting the key changes what Strom does. The other keys
	// are accepted and checked, and named once in the log.
	Effect bool
	Doc    string
}

// Sensitive keys are never shown.
func (k *Key) Sensitive() bool { return k.Type == Password }

// table is the keys of one scope, in documentation order and by name.
type table struct {
	keys   []Key
	byName map[string]*Key
}

func newTable(scope Scope, areas ...[]Key) table {
	t := table{keys: slices.Concat(areas...)}
	t.byName = make(map[string]*Key, len(t.keys))
	for i := range t.keys {
		k := &t.keys[i]
		k.Scope = scope
		t.byName[k.Name] = k
	}
	return t
}

var tables = [...]table{
	ScopeBroker: newTable(ScopeBroker, stromKeys, kraftKeys, serverKeys, logKeys, replicationKeys, groupKeys, shareKeys,
		transactionKeys, securityKeys, quotaKeys, remoteKeys, metricsKeys),
	ScopeTopic:         newTable(ScopeTopic, stromTopicKeys, topicKeys),
	ScopeGroup:         newTable(ScopeGroup, groupScopeKeys),
	ScopeClientMetrics: newTable(ScopeClientMetrics, clientMetricsKeys),
}

// Broker is every key of a broker or controller.
func Broker() []Key { return slices.Clone(tables[ScopeBroker].keys) }

// Topic is every key of a topic.
func Topic() []Key { return slices.Clone(tables[ScopeTopic].keys) }

// Group is every key of a group.
func Group() []Key { return slices.Clone(tables[ScopeGroup].keys) }

// ClientMetrics is every key of a client metrics subscription.
func ClientMetrics() []Key { return slices.Clone(tables[ScopeClientMetrics].keys) }

// ClientQuotas is every limit a client quota can set.
func ClientQuotas() []Key { return slices.Clone(clientQuotaKeys) }

// Lookup finds a key. A broker key may carry a listener prefix
// (listener.name.external.max.connections), and for some SASL keys a mechanism
// after it; the key found is the one without.
func Lookup(scope Scope, name string) (*Key, bool) {
	if k, ok := tables[scope].byName[name]; ok {
		return k, true
	}
	if scope != ScopeBroker {
		return nil, false
	}
	base, ok := listenerBase(name)
	if !ok {
		return nil, false
	}
	k, ok := tables[ScopeBroker].byName[base]
	return k, ok
}

// mechanismKeys may stand behind a listener and a SASL mechanism.
var mechanismKeys = []string{"sasl.jaas.config", "sasl.login.callback.handler.class", "sasl.login.class",
	"sasl.server.callback.handler.class", "connections.max.reauth.ms"}

// listenerBase takes "listener.name.NAME." off a key, and a mechanism if the
// rest ends in a key that is set per mechanism.
func listenerBase(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "listener.name.")
	if !ok {
		return "", false
	}
	_, base, ok := strings.Cut(rest, ".")
	if !ok {
		return "", false
	}
	for _, m := range mechanismKeys {
		if strings.HasSuffix(base, m) {
			return m, true
		}
	}
	return base, true
}

// passedOn reports whether a name belongs to a plugin: it is nobody's unknown
// key, and nothing here checks it.
func passedOn(name string) bool {
	for _, prefix := range []string{"rsm.config.", "rlmm.config.", "config.providers."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
