package config

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Sources is where a node's configuration comes from, the weakest first:
// defaults, the file, the environment, flags.
type Sources struct {
	// FileName is how errors name the file; FileText is what is in it. A node
	// without a file (FileText nil) is a cluster of one, see alone, unless the
	// other sources say what it is.
	FileName string
	FileText []byte
	Env      []string // as os.Environ
	Set      []string // name=value, from --set
}

// envPrefix begins the environment variables that are configuration:
// STROM_LOG_DIRS is log.dirs, "__" is an underscore and "___" a dash.
const envPrefix = "STROM_"

// reservedEnv is what the command line uses for itself.
var reservedEnv = []string{"STROM_BOOTSTRAP", "STROM_CONFIG", "STROM_LOG_LEVEL", "STROM_LOG_FORMAT"}

// alone is what `strom start` without a file adds to the defaults: a broker and
// controller that is a cluster by itself, for this machine only. It has no
// listener for the controller; both roles talk inside the process, so that no
// second port must be free. Set listeners to give it one, and to let it grow. The
// first member of a group does not wait three seconds for others to come.
var alone = []Setting{
	{"process.roles", "broker,controller", "built in"},
	{"node.id", "1", "built in"},
	{"listeners", "PLAINTEXT://localhost:9092", "built in"},
	{"controller.listener.names", "CONTROLLER", "built in"},
	{"controller.quorum.bootstrap.servers", "localhost:9093", "built in"},
	{"log.dirs", "./strom-data", "built in"},
	{"offsets.topic.replication.factor", "1", "built in"},
	{"transaction.state.log.replication.factor", "1", "built in"},
	{"transaction.state.log.min.isr", "1", "built in"},
	{"share.coordinator.state.topic.replication.factor", "1", "built in"},
	{"share.coordinator.state.topic.min.isr", "1", "built in"},
	{"group.initial.rebalance.delay.ms", "0", "built in"},
}

// Load reads the sources and checks every value and what belongs together. The
// error names each thing that is wrong and where it was said.
func Load(s Sources) (*Values, error) {
	over, err := overrides(s)
	if err != nil {
		return nil, err
	}
	base, isAlone, err := base(s, over)
	if err != nil {
		return nil, err
	}
	v, err := newValues(append(base, over...))
	if err != nil {
		return nil, err
	}
	v.alone = isAlone
	if v.node, err = newNode(v); err != nil {
		return nil, err
	}
	return v, nil
}

// overrides are the settings of the environment, then of the flags.
func overrides(s Sources) ([]Setting, error) {
	out := fromEnv(s.Env)
	for _, set := range s.Set {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, fmt.Errorf("--set %q: must be name=value", set)
		}
		out = append(out, Setting{strings.TrimSpace(name), value, "--set"})
	}
	return out, nil
}

// base is what the overrides are laid over: the file, or alone. Where the
// overrides of a node without a file give it a role or a quorum, as in a
// container, they stand for its file and nothing is added to them: it would be
// wrong to take it for a cluster of its own.
func base(s Sources, over []Setting) (out []Setting, isAlone bool, err error) {
	if s.FileText == nil {
		for _, o := range over {
			switch o.Name {
			case "process.roles", "controller.quorum.voters", "controller.quorum.bootstrap.servers":
				return nil, false, nil
			}
		}
		return slices.Clone(alone), true, nil
	}
	properties, err := ParseProperties(s.FileText)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", s.FileName, err)
	}
	for _, p := range properties {
		out = append(out, Setting{p.Name, p.Value, fmt.Sprintf("%s:%d", s.FileName, p.Line)})
	}
	return out, false, nil
}

// fromEnv takes the STROM_ variables, in name order.
func fromEnv(env []string) []Setting {
	var out []Setting
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(reservedEnv, name) {
			out = append(out, Setting{envKey(name), value, name})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Where < out[j].Where })
	return out
}

// envKey is the key an environment variable sets.
func envKey(variable string) string {
	name := strings.ToLower(strings.TrimPrefix(variable, envPrefix))
	return strings.NewReplacer("___", "-", "__", "_", "_", ".").Replace(name)
}

// newValues keeps the last setting of each key and checks it.
func newValues(settings []Setting) (*Values, error) {
	v := &Values{set: map[string]Setting{}, parsed: map[string]any{}}
	unknown := map[string]Setting{}
	var wrong []error
	for _, s := range settings {
		k, known := Lookup(ScopeBroker, s.Name)
		if !known || k.DynamicOnly {
			if !passedOn(s.Name) {
				unknown[s.Name] = s
			}
			continue
		}
		v.set[s.Name] = s
	}
	v.sameNodeID()
	for _, name := range v.setNames() {
		k, _ := Lookup(ScopeBroker, name)
		value, err := k.check(v.set[name])
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		v.parsed[name] = value
	}
	for _, name := range sortedKeys(unknown) {
		v.unknown = append(v.unknown, unknown[name])
	}
	return v, errors.Join(wrong...)
}

// sameNodeID makes broker.id and node.id synonyms: setting one sets both.
func (v *Values) sameNodeID() {
	for _, pair := range [][2]string{{"broker.id", "node.id"}, {"node.id", "broker.id"}} {
		s, ok := v.set[pair[0]]
		if _, other := v.set[pair[1]]; ok && !other {
			s.Name = pair[1]
			v.set[pair[1]] = s
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
