package config

// Source is where a described value comes from, with DescribeConfigs' numbers.
type Source int8

// The sources a value can have.
const (
	SourceTopic         Source = 1
	SourceBroker        Source = 2 // dynamic, of one broker
	SourceCluster       Source = 3 // dynamic, of all brokers
	SourceStatic        Source = 4
	SourceDefault       Source = 5
	SourceLogger        Source = 6
	SourceClientMetrics Source = 7
	SourceGroup         Source = 8
)

// Synonym is one of the settings behind a value; the strongest comes first.
type Synonym struct {
	Name   string
	Value  *string // nil for what is not shown
	Source Source
}

// Entry describes one key of a resource as DescribeConfigs does.
type Entry struct {
	Name                string
	Value               *string // nil: none, or not shown
	Source              Source
	Sensitive, ReadOnly bool
	Type                Type
	Doc                 string
	Synonyms            []Synonym
}

// IsDefault reports that nothing sets the value.
func (e *Entry) IsDefault() bool { return e.Source == SourceDefault }

// Dynamics is what the metadata log says about brokers: about all of them, and
// about this one.
type Dynamics struct{ Cluster, Broker map[string]string }

// synonyms lists what could give a broker key its value, the strongest first.
// As in Kafka, whatever comes before the first entry of the name itself does not
// count; log.retention.hours alone thus leaves log.retention.ms a default.
func (v *Values) synonyms(d Dynamics, name string) []Synonym {
	var out []Synonym
	add := func(name string, value *string, source Source) {
		k, known := Lookup(ScopeBroker, name)
		if !known || k.Sensitive() {
			value = nil // what is not known may be a secret
		}
		out = append(out, Synonym{name, value, source})
	}
	names := brokerSynonyms(name)
	for _, layer := range []struct {
		set    map[string]string
		source Source
	}{{d.Broker, SourceBroker}, {d.Cluster, SourceCluster}} {
		for _, n := range names {
			if text, ok := layer.set[n]; ok {
				add(n, &text, layer.source)
			}
		}
	}
	for _, n := range names {
		if s, ok := v.set[n]; ok {
			add(n, &s.Value, SourceStatic)
		}
	}
	for _, n := range names {
		if k, ok := tables[ScopeBroker].byName[n]; ok {
			if def := format(k.defaultValue()); def != nil {
				add(n, def, SourceDefault)
			}
		}
	}
	for len(out) > 0 && out[0].Name != name {
		out = out[1:]
	}
	return out
}

func entry(k *Key, name string, value any, synonyms []Synonym) Entry {
	e := Entry{Name: name, Value: format(value), Source: SourceDefault, Sensitive: k.Sensitive(), Type: k.Type,
		Doc: k.Doc, Synonyms: synonyms}
	if e.Sensitive {
		e.Value = nil
	}
	if len(synonyms) > 0 {
		e.Source = synonyms[0].Source
	}
	return e
}

// DescribeTopic describes a topic with these overrides, in the order of the
// documentation. v is the static configuration.
func (v *Values) DescribeTopic(d Dynamics, overrides map[string]string) []Entry {
	now, _ := v.With(d.Cluster, d.Broker)   // what is not valid is not in force
	values, _ := now.topicValues(overrides) // likewise
	var out []Entry
	for i := range tables[ScopeTopic].keys {
		k := &tables[ScopeTopic].keys[i]
		if _, set := overrides[k.Name]; k.Internal && !set {
			continue
		}
		var synonyms []Synonym
		if len(k.Synonyms) > 0 {
			synonyms = v.synonyms(d, k.Synonyms[0])
		}
		out = append(out, overridden(k, values[k.Name], synonyms, overrides, SourceTopic))
	}
	return out
}

// overridden puts the resource's own setting before the synonyms.
func overridden(k *Key, value any, synonyms []Synonym, overrides map[string]string, source Source) Entry {
	if _, ok := overrides[k.Name]; ok {
		synonyms = append([]Synonym{{k.Name, format(value), source}}, synonyms...)
	}
	return entry(k, k.Name, value, synonyms)
}

// DescribeBroker describes this broker: every key that is not internal, the
// listener keys that are set, and what is set and no key. v is the static
// configuration.
func (v *Values) DescribeBroker(d Dynamics) []Entry {
	now, _ := v.With(d.Cluster, d.Broker) // what is not valid is not in force
	var out []Entry
	for i := range tables[ScopeBroker].keys {
		k := &tables[ScopeBroker].keys[i]
		if k.Internal && !now.IsSet(k.Name) || k.DynamicOnly && !now.IsSet(k.Name) {
			continue
		}
		out = append(out, v.describeBrokerKey(d, now, k, k.Name))
	}
	for _, name := range now.setNames() {
		if _, listener := listenerBase(name); listener {
			k, _ := Lookup(ScopeBroker, name)
			out = append(out, v.describeBrokerKey(d, now, k, name))
		}
	}
	return append(out, v.describeUnknown(d)...)
}

// describeUnknown describes what is set and names no key: a plugin's, and it may
// be a secret.
func (v *Values) describeUnknown(d Dynamics) []Entry {
	synonyms := map[string][]Synonym{}
	for _, layer := range []map[string]string{d.Broker, d.Cluster} {
		for name := range layer {
			if _, known := Lookup(ScopeBroker, name); !known {
				synonyms[name] = v.synonyms(d, name)
			}
		}
	}
	for _, s := range v.unknown {
		synonyms[s.Name] = append(synonyms[s.Name], Synonym{Name: s.Name, Source: SourceStatic})
	}
	var out []Entry
	for _, name := range sortedKeys(synonyms) {
		of := synonyms[name]
		out = append(out, Entry{Name: name, Source: of[0].Source, Sensitive: true, ReadOnly: true, Synonyms: of})
	}
	return out
}

func (v *Values) describeBrokerKey(d Dynamics, now *Values, k *Key, name string) Entry {
	e := entry(k, name, now.get(name), v.synonyms(d, name))
	e.ReadOnly = k.Dynamic == ReadOnly || k.Name != name
	return e
}

// DescribeCluster describes what is set for all brokers.
func (v *Values) DescribeCluster(d Dynamics) []Entry {
	var out []Entry
	for _, name := range sortedKeys(d.Cluster) {
		text := d.Cluster[name]
		e := Entry{Name: name, Value: &text, Source: SourceCluster, Sensitive: true, ReadOnly: true}
		if k, ok := Lookup(ScopeBroker, name); ok {
			e.Sensitive, e.ReadOnly, e.Type, e.Doc = k.Sensitive(), k.Dynamic == ReadOnly, k.Type, k.Doc
		}
		if e.Sensitive {
			e.Value = nil
		}
		e.Synonyms = []Synonym{{name, e.Value, SourceCluster}}
		out = append(out, e)
	}
	return out
}

// DescribeGroup describes a group with these overrides.
func (v *Values) DescribeGroup(d Dynamics, overrides map[string]string) []Entry {
	now, _ := v.With(d.Cluster, d.Broker) // what is not valid is not in force
	var out []Entry
	for i := range tables[ScopeGroup].keys {
		k := &tables[ScopeGroup].keys[i]
		if _, set := overrides[k.Name]; k.Internal && !set {
			continue
		}
		value := k.defaultValue()
		synonyms := []Synonym{}
		if len(k.Synonyms) > 0 {
			value, synonyms = now.get(k.Synonyms[0]), v.synonyms(d, k.Synonyms[0])
		} else if def := format(value); def != nil {
			synonyms = append(synonyms, Synonym{k.Name, def, SourceDefault})
		}
		if text, ok := overrides[k.Name]; ok {
			if own, err := k.check(Setting{Name: k.Name, Value: text}); err == nil {
				value = own
			}
		}
		out = append(out, overridden(k, value, synonyms, overrides, SourceGroup))
	}
	return out
}

// DescribeClientMetrics describes a client metrics subscription.
func DescribeClientMetrics(overrides map[string]string) []Entry {
	var out []Entry
	for i := range tables[ScopeClientMetrics].keys {
		k := &tables[ScopeClientMetrics].keys[i]
		value := k.defaultValue()
		if text, ok := overrides[k.Name]; ok {
			if own, err := k.check(Setting{Name: k.Name, Value: text}); err == nil {
				value = own
			}
		}
		out = append(out, overridden(k, value, nil, overrides, SourceClientMetrics))
	}
	return out
}
