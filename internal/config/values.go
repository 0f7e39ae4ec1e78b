package config

import (
	"errors"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/assert"
)

// Values is a node's configuration: what is set, checked, over the defaults.
// It never changes; With makes another.
type Values struct {
	set     map[string]Setting // known keys, and node.id with broker.id
	parsed  map[string]any     // values of set
	unknown []Setting
	alone   bool // see Alone
	node    *Node
}

// Node is what the node is and whom it talks to.
func (v *Values) Node() *Node { return v.node }

// Alone reports a node that nobody has given a role or a quorum: it is a cluster
// of its own.
func (v *Values) Alone() bool { return v.alone }

// Unknown is what was set and names no key, in name order.
func (v *Values) Unknown() []Setting { return v.unknown }

// Idle is what was set, to another value than the default, and changes nothing
// yet, in name order.
func (v *Values) Idle() []Setting {
	var out []Setting
	for _, name := range v.setNames() {
		k, _ := Lookup(ScopeBroker, name)
		s := v.set[name]
		if got, def := format(v.parsed[name]), format(k.defaultValue()); !k.Effect && s.Where != "built in" &&
			(def == nil || *got != *def) {
			out = append(out, s)
		}
	}
	return out
}

// Log tells the operator once what was set in vain.
func (v *Values) Log(log *slog.Logger) {
	if names := settingNames(v.unknown); len(names) > 0 {
		log.Warn("these configurations were given but are not known", "names", names)
	}
	if names := settingNames(v.Idle()); len(names) > 0 {
		log.Info("these configurations are known but have no effect yet", "names", names)
	}
}

func settingNames(settings []Setting) []string {
	var out []string
	for _, s := range settings {
		if strings.HasPrefix(s.Where, envPrefix) {
			out = append(out, s.Name+" ("+s.Where+")")
		} else {
			out = append(out, s.Name)
		}
	}
	return out
}

func (v *Values) setNames() []string { return sortedKeys(v.set) }

// IsSet reports whether a source says anything about the key.
func (v *Values) IsSet(name string) bool { _, ok := v.set[name]; return ok }

// Setting is what was set for a key, and where.
func (v *Values) Setting(name string) (Setting, bool) { s, ok := v.set[name]; return s, ok }

// Has reports whether the key has a value at all, set or default.
func (v *Values) Has(name string) bool { return v.get(name) != nil }

func (v *Values) get(name string) any {
	if value, ok := v.parsed[name]; ok {
		return value
	}
	k, ok := Lookup(ScopeBroker, name)
	assert.That(ok, "no configuration key %q", name)
	return k.defaultValue()
}

func typed[T any](v *Values, name string) T {
	value := v.get(name)
	t, ok := value.(T)
	assert.That(ok || value == nil, "configuration key %q holds a %T", name, value)
	return t
}

// Int is the value of an Int or Short key; 0 if it has none.
func (v *Values) Int(name string) int { return int(typed[int64](v, name)) }

// Long is the value of a Long, Int or Short key; 0 if it has none.
func (v *Values) Long(name string) int64 { return typed[int64](v, name) }

// Double is the value of a Double key.
func (v *Values) Double(name string) float64 { return typed[float64](v, name) }

// Bool is the value of a Boolean key.
func (v *Values) Bool(name string) bool { return typed[bool](v, name) }

// String is the value of a String, Class or Password key; empty if it has none.
func (v *Values) String(name string) string { return typed[string](v, name) }

// List is the value of a List key. The caller does not change it.
func (v *Values) List(name string) []string { return typed[[]string](v, name) }

// HostCounts is max.connections.per.ip.overrides.
func (v *Values) HostCounts() map[string]int {
	counts, _ := parseHostCounts(v.String("max.connections.per.ip.overrides")) // checked with the value
	return counts
}

// MS is the value of a key in milliseconds as a duration; a value beyond what a
// duration can hold is the longest one.
func (v *Values) MS(name string) time.Duration { return milliseconds(v.Long(name)) }

func milliseconds(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	if ms < math.MinInt64/int64(time.Millisecond) {
		return math.MinInt64
	}
	return time.Duration(ms) * time.Millisecond
}

// sameTime lists the broker keys that say one thing in several units, the
// strongest first.
var sameTime = [][]string{
	{"log.roll.ms", "log.roll.hours"},
	{"log.roll.jitter.ms", "log.roll.jitter.hours"},
	{"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
}

// brokerSynonyms is the keys that can give a broker key its value, the
// strongest first.
func brokerSynonyms(name string) []string {
	if name == "log.flush.interval.ms" {
		return []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}
	}
	for _, group := range sameTime {
		for _, n := range group {
			if n == name {
				return group
			}
		}
	}
	if base, ok := listenerBase(name); ok {
		return []string{name, base}
	}
	return []string{name}
}

// With is the configuration with what the metadata log says about brokers laid
// over it: first for all of them, then for this one. What is not dynamic or not
// valid is left out and told in the error; the values hold without it.
//
// A key that is set takes the place of those that say the same in other units:
// log.roll.hours for the cluster beats log.roll.ms of the file.
func (v *Values) With(cluster, broker map[string]string) (*Values, error) {
	out := &Values{set: map[string]Setting{}, parsed: map[string]any{}, unknown: v.unknown, alone: v.alone, node: v.node}
	for name, s := range v.set {
		out.set[name] = s
		out.parsed[name] = v.parsed[name]
	}
	var wrong []error
	for _, layer := range []struct {
		set  map[string]string
		each bool
	}{{cluster, false}, {broker, true}} {
		for _, name := range sortedKeys(layer.set) {
			value, err := checkDynamic(name, layer.set[name], layer.each)
			if err != nil {
				wrong = append(wrong, err)
				continue
			}
			if _, known := Lookup(ScopeBroker, name); !known {
				continue // a plugin's
			}
			for _, synonym := range brokerSynonyms(name) {
				if _, listener := listenerBase(name); !listener {
					delete(out.set, synonym)
					delete(out.parsed, synonym)
				}
			}
			out.set[name] = Setting{Name: name, Value: layer.set[name], Where: "dynamic"}
			out.parsed[name] = value
		}
	}
	return out, errors.Join(wrong...)
}
