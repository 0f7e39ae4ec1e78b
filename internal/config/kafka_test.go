package config

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// testdata/kafka-4.3.1.tsv is what Apache Kafka 4.3.1 itself says of its keys,
// printed by testdata/Definitions.java: scope, name, type, default, importance,
// dynamic mode, internal, valid values. Every key of it is here and the same,
// and nothing else is, but for what 4.4 adds and what is Strom's own.
func TestKeysAreKafkas(t *testing.T) {
	text, err := os.ReadFile("testdata/kafka-4.3.1.tsv")
	if err != nil {
		t.Fatal(err)
	}
	scopes := map[string]Scope{"broker": ScopeBroker, "topic": ScopeTopic, "group": ScopeGroup}
	seen := map[*Key]bool{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		k, ok := tables[scopes[f[0]]].byName[f[1]]
		if !ok {
			t.Errorf("%s key %s is missing", f[0], f[1])
			continue
		}
		seen[k] = true
		if got := facts(k); got != strings.Join(f[2:7], " ") {
			t.Errorf("%s key %s: %s, Kafka says %v", f[0], f[1], got, f[2:7])
		}
		if k.Since44 {
			t.Errorf("%s is marked as newer than 4.3", k.Name)
		}
		checkRange(t, k, f[7])
	}
	own := map[string]bool{"cluster.id": true, "internal.journal.segment.bytes": true, "log.flush.policy": true, "client.telemetry.otlp.endpoint": true, "flush.policy": true}
	for _, scope := range scopes {
		for i := range tables[scope].keys {
			if k := &tables[scope].keys[i]; !seen[k] && !k.Since44 && !own[k.Name] {
				t.Errorf("%s key %s is not Kafka's", scope, k.Name)
			}
		}
	}
}

// facts is a key in the words of the file.
func facts(k *Key) string {
	value, mode := k.Default, "-"
	if k.Null {
		value = "<null>"
	}
	if k.Required {
		value = "<required>"
	}
	if k.Scope == ScopeBroker {
		mode = k.Dynamic.String()
	}
	return strings.Join([]string{k.Type.String(), value, k.Importance.String(), mode, strconv.FormatBool(k.Internal)}, " ")
}

var numericRange = regexp.MustCompile(`^\[(-?[\d.]+),\.\.\.,?(-?[\d.]*)\]$`)

// checkRange tries the ends of a numeric range and what lies just outside.
func checkRange(t *testing.T, k *Key, valid string) {
	t.Helper()
	m := numericRange.FindStringSubmatch(valid)
	if m == nil {
		return
	}
	low, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	accepts(t, k, low, true)
	accepts(t, k, low-1, false)
	if m[2] == "" {
		return
	}
	high, err := strconv.ParseFloat(m[2], 64)
	if err != nil {
		t.Fatal(err)
	}
	accepts(t, k, high, true)
	accepts(t, k, high+1, false)
}

func accepts(t *testing.T, k *Key, n float64, want bool) {
	t.Helper()
	text := strconv.FormatFloat(n, 'f', -1, 64)
	if _, err := k.check(Setting{Name: k.Name, Value: text}); (err == nil) != want {
		t.Errorf("%s = %s: %v", k.Name, text, err)
	}
}
