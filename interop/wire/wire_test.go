//go:build interop

// Package wire_test holds package wire against Apache Kafka: field by field
// against the message definitions inside its published jars, and byte for byte
// against its own encoders. It needs the jars (KAFKA_LIB) and a JDK.
package wire_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// subject is one message of package wire and its definition.
type subject struct {
	name     string // of the definition
	class    string // of Apache Kafka's data class
	fresh    func() wire.Message
	min, max int16
	d        *definition
}

func subjects(t *testing.T) []subject {
	all := definitions(t)
	var list []subject
	add := func(name, class string, from, to int16, fresh func() wire.Message) {
		d, ok := all[name]
		if !ok {
			t.Errorf("Apache Kafka has no message %s", name)
			return
		}
		list = append(list, subject{name, class, fresh, from, to, d})
	}
	const messages = "org.apache.kafka.common.message."
	for _, api := range wire.APIs {
		add(api.Name+"Request", messages+api.Name+"RequestData", api.Min, api.Max, func() wire.Message {
			r, _ := wire.NewRequest(api.Key)
			return r
		})
		add(api.Name+"Response", messages+api.Name+"ResponseData", api.Min, api.Max, func() wire.Message {
			r, _ := wire.NewResponse(api.Key)
			return r
		})
	}
	for name, d := range all {
		if d.Type != "metadata" {
			continue
		}
		fresh, newest, ok := wire.RecordKind(*d.APIKey)
		if !ok {
			t.Errorf("no record of kind %d, %s", *d.APIKey, name)
			continue
		}
		add(name, "org.apache.kafka.common.metadata."+name, 0, newest, func() wire.Message { return fresh() })
	}
	add("LeaderChangeMessage", messages+"LeaderChangeMessage", 0, 1, func() wire.Message { return new(wire.LeaderChangeMessage) })
	add("SnapshotHeaderRecord", messages+"SnapshotHeaderRecord", 0, 0, func() wire.Message { return new(wire.SnapshotHeaderRecord) })
	add("SnapshotFooterRecord", messages+"SnapshotFooterRecord", 0, 0, func() wire.Message { return new(wire.SnapshotFooterRecord) })
	add("KRaftVersionRecord", messages+"KRaftVersionRecord", 0, 0, func() wire.Message { return new(wire.KRaftVersionRecord) })
	add("VotersRecord", messages+"VotersRecord", 0, 0, func() wire.Message { return new(wire.VotersRecord) })
	add("DefaultPrincipalData", messages+"DefaultPrincipalData", 0, 0, func() wire.Message { return new(wire.DefaultPrincipalData) })
	const transactions = "org.apache.kafka.coordinator.transaction.generated."
	add("TransactionLogKey", transactions+"TransactionLogKey", 0, 0, func() wire.Message { return new(wire.TransactionLogKey) })
	add("TransactionLogValue", transactions+"TransactionLogValue", 0, 1, func() wire.Message { return new(wire.TransactionLogValue) })
	const groups = "org.apache.kafka.coordinator.group.generated."
	for _, kind := range wire.GroupRecords {
		add(kind.Name+"Key", groups+kind.Name+"Key", 0, 0, kind.Key)
		add(kind.Name+"Value", groups+kind.Name+"Value", 0, kind.Newest, kind.Value)
	}
	return list
}

// newer are versions that 4.4 brings and the jars of 4.3 do not have.
var newer = map[string]int16{"ApiVersionsRequest": 5, "ApiVersionsResponse": 5, "TxnOffsetCommitRequest": 6, "TxnOffsetCommitResponse": 6}

func TestDefinitionsFieldByField(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, s := range subjects(t) {
		valid := parseVersions(s.d.ValidVersions)
		if s.min != valid.from {
			t.Errorf("%s: oldest version is %d, Apache Kafka's %d", s.name, s.min, valid.from)
		}
		if s.max != valid.to && newer[s.name] != s.max {
			t.Errorf("%s: newest version is %d, Apache Kafka's %d", s.name, s.max, valid.to)
		}
		for v := s.min; v <= min(s.max, valid.to); v++ {
			for range 30 {
				m := s.d.random(rng, s.d.Fields, v)
				want := s.d.encode(nil, s.d.Fields, m, v)
				what := fmt.Sprintf("%s v%d", s.name, v)
				got := s.fresh()
				if err := wire.Decode(want, v, got); err != nil {
					t.Fatalf("%s: %v\n%v", what, err, m)
				}
				sameFields(t, what, s.d, s.d.Fields, m, reflect.ValueOf(got).Elem(), v)
				again, err := wire.Encode(v, got)
				if err != nil || !bytes.Equal(again, want) {
					t.Fatalf("%s: encoded\n%x, definition\n%x, %v\n%v", what, again, want, err, m)
				}
			}
		}
	}
}

var initialisms = regexp.MustCompile(`(Id|Ids|Ms|Isr|Elr|Api)([A-Z]|$)`)

func goName(name string) string {
	name = strings.ToUpper(name[:1]) + name[1:]
	return initialisms.ReplaceAllStringFunc(name, func(s string) string {
		word := initialisms.FindStringSubmatch(s)
		if word[1] == "Ids" {
			return "IDs" + word[2]
		}
		return strings.ToUpper(word[1]) + word[2]
	})
}

// renamed are fields whose Go names would be those of a method.
var renamed = map[string]string{"Key": "CoordinatorKey"}

// sameFields checks that got has each field that the definition has at this
// version, with the value that was encoded.
func sameFields(t *testing.T, path string, d *definition, fields []*field, m map[string]value, got reflect.Value, v int16) {
	t.Helper()
	for _, f := range fields {
		if !parseVersions(f.Versions).has(v) {
			continue
		}
		g := got.FieldByName(goName(f.Name))
		if name := renamed[f.Name]; !g.IsValid() && name != "" {
			g = got.FieldByName(name)
		}
		if !g.IsValid() {
			t.Fatalf("%s has no field %s (%s)", path, f.Name, goName(f.Name))
		}
		sameValue(t, path+"."+f.Name, d, f, m[f.Name], g, v)
	}
}

func sameValue(t *testing.T, path string, d *definition, f *field, want value, got reflect.Value, v int16) {
	t.Helper()
	if r, ok := got.Interface().(wire.Records); ok {
		if r.IsNull() != (want == nil) || want != nil && !bytes.Equal(r.Bytes(), want.([]byte)) {
			t.Fatalf("%s: %v, want %v", path, r, want)
		}
		return
	}
	if want == nil {
		if !got.IsNil() {
			t.Fatalf("%s: %v, want null", path, got)
		}
		return
	}
	if got.Kind() == reflect.Pointer {
		got = got.Elem()
	}
	switch want := want.(type) {
	case []value:
		if got.Len() != len(want) || got.IsNil() && f.Tag == nil {
			t.Fatalf("%s: %d elements, want %d", path, got.Len(), len(want))
		}
		one := *f
		one.Type = strings.TrimPrefix(f.Type, "[]")
		for i := range want {
			sameValue(t, path, d, &one, want[i], got.Index(i), v)
		}
	case map[string]value:
		sameFields(t, path, d, d.sub(f), want, got, v)
	case []byte:
		if !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("%s: %x, want %x", path, got.Bytes(), want)
		}
	case model.UUID:
		if got.Interface() != want {
			t.Fatalf("%s: %v, want %v", path, got, want)
		}
	default:
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestEncodersByteForByte(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	type sample struct {
		s     subject
		v     int16
		bytes []byte
	}
	var samples []sample
	var input bytes.Buffer
	for _, s := range subjects(t) {
		for v := s.min; v <= min(s.max, parseVersions(s.d.ValidVersions).to); v++ {
			for range 15 {
				m := s.d.random(rng, s.d.Fields, v)
				text, err := json.Marshal(asJSON(m))
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&input, "%s\t%d\t%s\n", s.class, v, text)
				samples = append(samples, sample{s, v, s.d.encode(nil, s.d.Fields, m, v)})
			}
		}
	}
	lib := os.Getenv("KAFKA_LIB")
	classes := t.TempDir()
	run(t, nil, "javac", "-nowarn", "-d", classes, "-cp", filepath.Join(lib, "*"), "Encoders.java")
	output := run(t, &input, "java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp", classes+":"+filepath.Join(lib, "*"), "Encoders")
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 16<<20)
	for i, sample := range samples {
		if !lines.Scan() {
			t.Fatalf("Apache Kafka encoded %d of %d messages", i, len(samples))
		}
		want, err := hex.DecodeString(lines.Text())
		if err != nil {
			t.Fatalf("%s v%d: %s", sample.s.name, sample.v, lines.Text())
		}
		got := sample.s.fresh()
		if err := wire.Decode(sample.bytes, sample.v, got); err != nil {
			t.Fatalf("%s v%d: %v", sample.s.name, sample.v, err)
		}
		encoded, err := wire.Encode(sample.v, got)
		if err != nil || !bytes.Equal(encoded, want) {
			t.Fatalf("%s v%d: encoded\n%x, Apache Kafka\n%x, %v", sample.s.name, sample.v, encoded, want, err)
		}
	}
	t.Logf("%d messages", len(samples))
}

func run(t *testing.T, in *bytes.Buffer, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if in != nil {
		cmd.Stdin = in
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return out
}
