package config

import (
	"strings"
	"testing"
)

func TestEveryKeyIsWhole(t *testing.T) {
	for scope, table := range tables {
		if len(table.byName) != len(table.keys) {
			t.Errorf("%s: %d keys, %d names: some name occurs twice", Scope(scope), len(table.keys), len(table.byName))
		}
		for _, k := range table.keys {
			if k.Doc == "" || k.Type == 0 || !strings.HasSuffix(k.Doc, ".") {
				t.Errorf("%s: type or documentation is missing", k.Name)
			}
			if k.Null || k.Required {
				continue
			}
			value, err := k.check(Setting{Name: k.Name, Value: k.Default})
			if err != nil {
				t.Errorf("default of %s: %v", k.Name, err)
				continue
			}
			if got := *format(value); got != k.Default {
				t.Errorf("default of %s is %q, shown as %q", k.Name, k.Default, got)
			}
			for _, synonym := range k.Synonyms {
				broker, ok := tables[ScopeBroker].byName[synonym]
				if !ok {
					t.Errorf("%s: synonym %s is no broker key", k.Name, synonym)
				} else if !broker.Null && len(k.Synonyms) == 1 && broker.Default != k.Default {
					t.Errorf("%s = %q but %s = %q", k.Name, k.Default, synonym, broker.Default)
				}
			}
		}
	}
}

// The counts are those of Apache Kafka 4.4: 381 broker keys (387 definitions,
// less five client quotas and a SCRAM mechanism), 37 of topics, 27 of groups.
func TestNoKeyIsMissing(t *testing.T) {
	for scope, want := range map[Scope]int{ScopeBroker: 381 + len(stromKeys), ScopeTopic: 37 + len(stromTopicKeys), ScopeGroup: 27, ScopeClientMetrics: 3} {
		if got := len(tables[scope].keys); got != want {
			t.Errorf("%s: %d keys, want %d", scope, got, want)
		}
	}
}

// The cases follow ConfigDef.parseType.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		t    Type
		text string
		want string // "!" is refused
	}{
		{Boolean, " TRUE ", "true"}, {Boolean, "yes", "!"}, {Boolean, "", "!"},
		{Int, " 12\t", "12"}, {Int, "+12", "12"}, {Int, "2147483648", "!"}, {Int, "0x10", "!"}, {Int, "1_000", "!"}, {Int, "", "!"},
		{Short, "32767", "32767"}, {Short, "32768", "!"},
		{Long, "9223372036854775807", "9223372036854775807"}, {Long, "1.0", "!"},
		{Double, "0.5", "0.5"}, {Double, "1", "1.0"}, {Double, "1e10", "1.0E10"}, {Double, "1.5d", "1.5"}, {Double, "Infinity", "Infinity"},
		{Double, "inf", "!"}, {Double, "1e400", "Infinity"}, {Double, "0.0001", "1.0E-4"}, {Double, "12345678", "1.2345678E7"},
		{List, "", ""}, {List, " a , b,c ", "a,b,c"}, {List, "a,,b", "a,,b"},
		{String, " x ", "x"}, {Password, " secret ", "secret"},
	} {
		v, err := parse(c.t, c.text)
		got := "!"
		if err == nil {
			got = *format(v)
		}
		if got != c.want {
			t.Errorf("%s %q: %s, want %s", c.t, c.text, got, c.want)
		}
	}
}

func TestValidators(t *testing.T) {
	for _, c := range []struct {
		scope       Scope
		name, value string
		problem     string // empty: valid
	}{
		{ScopeTopic, "segment.bytes", "1048575", "must be an int of at least 1048576"},
		{ScopeTopic, "segment.bytes", "1048576", ""},
		{ScopeTopic, "min.cleanable.dirty.ratio", "1.1", "must be a number from 0 to 1"},
		{ScopeTopic, "cleanup.policy", "", ""},
		{ScopeTopic, "cleanup.policy", "compact,delete,compact", ""},
		{ScopeTopic, "cleanup.policy", "keep", "must be a comma-separated list of compact, delete"},
		{ScopeTopic, "compression.gzip.level", "0", "must be an int from 1 to 9, or -1"},
		{ScopeTopic, "compression.gzip.level", "-1", ""},
		{ScopeTopic, "compression.type", "lzma", "must be one of uncompressed, zstd, lz4, snappy, gzip, producer"},
		{ScopeTopic, "preallocate", "1", "must be true or false"},
		{ScopeTopic, "leader.replication.throttled.replicas", "0:1,1:2", ""},
		{ScopeTopic, "leader.replication.throttled.replicas", "0-1", "must be a comma-separated list of partition:broker pairs, or * alone"},
		{ScopeTopic, "flush.policy", "os", ""},
		{ScopeBroker, "process.roles", "", "must be a comma-separated list of broker, controller, with at least one"},
		{ScopeBroker, "sasl.oauthbearer.assertion.algorithm", "rs256", ""},
		{ScopeBroker, "controller.quorum.voters", "1@a:1,2@[::1]:2", ""},
		{ScopeBroker, "controller.quorum.voters", "a:1", "must be a comma-separated list of id@host:port entries"},
		{ScopeBroker, "listener.name.external.max.connections", "-1", "must be an int of at least 0"},
		{ScopeGroup, "share.auto.offset.reset", "by_duration:PT1H", ""},
		{ScopeGroup, "share.auto.offset.reset", "by_duration:1h", "must be a string that is earliest, latest, or by_duration: and an ISO 8601 duration such as PT1H"},
	} {
		k, ok := Lookup(c.scope, c.name)
		if !ok {
			t.Fatalf("no key %s", c.name)
		}
		_, err := k.check(Setting{Name: c.name, Value: c.value})
		switch {
		case err == nil && c.problem != "":
			t.Errorf("%s = %q passed, want %q", c.name, c.value, c.problem)
		case err != nil && err.(*ValueError).Problem != c.problem:
			t.Errorf("%s = %q: %q, want %q", c.name, c.value, err.(*ValueError).Problem, c.problem)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	err := &ValueError{Setting: Setting{Name: "ssl.key.password", Value: "hunter2"}, Sensitive: true, Problem: "no"}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
