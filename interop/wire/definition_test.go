//go:build interop

package wire_test

import (
	"archive/zip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stromkafka/strom/internal/model"
)

// A definition is one of Kafka's message definitions, as published in its jars.
type definition struct {
	Name             string
	Type             string
	APIKey           *int16 `json:"apiKey"`
	ValidVersions    string
	FlexibleVersions string
	Fields           []*field
	CommonStructs    []*field
}

type field struct {
	Name             string
	Type             string
	Versions         string
	NullableVersions string
	TaggedVersions   string
	Tag              *int
	Default          any
	Fields           []*field
}

// versions is a range of versions; none holds no version.
type versions struct{ from, to int16 }

var none = versions{1, 0}

func parseVersions(s string) versions {
	number := func(s string) int16 {
		n, err := strconv.ParseInt(s, 10, 16)
		if err != nil {
			panic(err)
		}
		return int16(n)
	}
	switch {
	case s == "" || s == "none":
		return none
	case strings.HasSuffix(s, "+"):
		return versions{number(s[:len(s)-1]), math.MaxInt16}
	}
	from, to, ranged := strings.Cut(s, "-")
	if !ranged {
		to = from
	}
	return versions{number(from), number(to)}
}

func (r versions) has(v int16) bool { return v >= r.from && v <= r.to }

var comment = regexp.MustCompile(`(?m)^\s*//.*$|([,\[{\]}])\s*//[^"\n]*$`)

// definitions are those inside the jars of a directory, by name.
func definitions(t *testing.T) map[string]*definition {
	lib := os.Getenv("KAFKA_LIB")
	if lib == "" {
		t.Fatal("KAFKA_LIB must name the directory of Apache Kafka's jars: run make interop")
	}
	all := map[string]*definition{}
	for _, pattern := range []string{"kafka-clients-[0-9]*[0-9].jar", "kafka-metadata-[0-9]*[0-9].jar", "kafka-transaction-coordinator-[0-9]*[0-9].jar", "kafka-group-coordinator-[0-9]*[0-9].jar"} {
		jars, _ := filepath.Glob(filepath.Join(lib, pattern))
		for _, jar := range jars {
			archive, err := zip.OpenReader(jar)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range archive.File {
				if !strings.HasPrefix(f.Name, "common/") || !strings.HasSuffix(f.Name, ".json") {
					continue
				}
				r, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				r.Close()
				var d definition
				if err := json.Unmarshal([]byte(comment.ReplaceAllString(string(text), "$1")), &d); err != nil {
					t.Fatalf("%s in %s: %v", f.Name, jar, err)
				}
				all[d.Name] = &d
			}
			archive.Close()
		}
	}
	if len(all) < 150 {
		t.Fatalf("only %d message definitions under %s", len(all), lib)
	}
	return all
}

// sub is the fields of a struct type: the field's own, or a common struct's.
func (d *definition) sub(f *field) []*field {
	if f.Fields != nil {
		return f.Fields
	}
	for _, c := range d.CommonStructs {
		if c.Name == strings.TrimPrefix(f.Type, "[]") {
			return c.Fields
		}
	}
	panic(d.Name + ": no struct " + f.Type)
}

// A value is a random instance of a message: a map of the definition's field
// names, slices, strings, numbers, []byte, or nil for null.
type value = any

var primitive = map[string]bool{
	"bool": true, "int8": true, "int16": true, "uint16": true, "int32": true, "int64": true, "float64": true,
	"string": true, "uuid": true, "bytes": true, "records": true,
}

func (d *definition) random(rng *rand.Rand, fields []*field, v int16) map[string]value {
	m := map[string]value{}
	for _, f := range fields {
		if !parseVersions(f.Versions).has(v) {
			continue
		}
		m[f.Name] = d.randomField(rng, f, v)
	}
	return m
}

func (d *definition) randomField(rng *rand.Rand, f *field, v int16) value {
	if f.Tag != nil && parseVersions(f.TaggedVersions).has(v) && rng.IntN(2) == 0 {
		return d.defaultOf(f, v)
	}
	if parseVersions(f.NullableVersions).has(v) && rng.IntN(4) == 0 {
		return nil
	}
	if element, ok := strings.CutPrefix(f.Type, "[]"); ok {
		list := []value{}
		for range rng.IntN(4) {
			one := *f
			one.Type, one.Tag, one.NullableVersions = element, nil, ""
			list = append(list, d.randomField(rng, &one, v))
		}
		return list
	}
	if !primitive[f.Type] {
		return d.random(rng, d.sub(f), v)
	}
	number := func(bits int) int64 {
		if rng.IntN(3) == 0 {
			return int64(rng.IntN(3)) - 1
		}
		return rng.Int64() << 1 >> (64 - bits)
	}
	switch f.Type {
	case "bool":
		return rng.IntN(2) == 0
	case "int8":
		return number(8)
	case "int16":
		return number(16)
	case "uint16":
		return int64(rng.IntN(1 << 16))
	case "int32":
		return number(32)
	case "int64":
		return number(64)
	case "float64":
		return float64(rng.IntN(1000)) / 8
	case "string":
		return "abcdefghijklmnopqrstuvwxyzüß"[:rng.IntN(27)]
	case "uuid":
		var u model.UUID
		for i := range u {
			u[i] = byte(rng.IntN(256))
		}
		return u
	}
	b := make([]byte, rng.IntN(5)*rng.IntN(60))
	for i := range b {
		b[i] = byte(rng.IntN(256))
	}
	return b
}

// defaultOf is the field's default value: what a tagged field is left out for.
func (d *definition) defaultOf(f *field, v int16) value {
	text := ""
	if f.Default != nil {
		text = fmt.Sprint(f.Default)
	}
	switch {
	case text == "null":
		return nil
	case strings.HasPrefix(f.Type, "[]"):
		return []value{}
	case !primitive[f.Type]:
		m := map[string]value{}
		for _, s := range d.sub(f) {
			if parseVersions(s.Versions).has(v) {
				m[s.Name] = d.defaultOf(s, v)
			}
		}
		return m
	}
	switch f.Type {
	case "bool":
		return strings.EqualFold(text, "true")
	case "string":
		return text
	case "uuid":
		return model.UUID{}
	case "bytes", "records":
		return []byte{}
	case "float64":
		n, _ := strconv.ParseFloat(text, 64)
		return n
	}
	n, _ := strconv.ParseInt(text, 0, 64)
	return n
}

func same(a, b value) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

// encode writes a value as the definition says, independently of package wire.
func (d *definition) encode(out []byte, fields []*field, m map[string]value, v int16) []byte {
	flexible := parseVersions(d.FlexibleVersions).has(v)
	for _, f := range fields {
		tagged := f.Tag != nil && parseVersions(f.TaggedVersions).has(v)
		if parseVersions(f.Versions).has(v) && !tagged {
			out = d.encodeField(out, f, m[f.Name], v, flexible)
		}
	}
	if !flexible {
		return out
	}
	bodies := map[int][]byte{}
	highest := -1
	for _, f := range fields {
		if f.Tag == nil || !parseVersions(f.TaggedVersions).has(v) || !parseVersions(f.Versions).has(v) || same(m[f.Name], d.defaultOf(f, v)) {
			continue
		}
		bodies[*f.Tag] = d.encodeField(nil, f, m[f.Name], v, flexible)
		highest = max(highest, *f.Tag)
	}
	out = binary.AppendUvarint(out, uint64(len(bodies)))
	for tag := 0; tag <= highest; tag++ {
		if body, ok := bodies[tag]; ok {
			out = binary.AppendUvarint(out, uint64(tag))
			out = binary.AppendUvarint(out, uint64(len(body)))
			out = append(out, body...)
		}
	}
	return out
}

func (d *definition) encodeField(out []byte, f *field, x value, v int16, flexible bool) []byte {
	length := func(n int) []byte {
		switch {
		case flexible:
			return binary.AppendUvarint(out, uint64(n+1))
		case f.Type == "string":
			return binary.BigEndian.AppendUint16(out, uint16(int16(n)))
		}
		return binary.BigEndian.AppendUint32(out, uint32(int32(n)))
	}
	if element, ok := strings.CutPrefix(f.Type, "[]"); ok {
		list, _ := x.([]value)
		if x == nil {
			return length(-1)
		}
		out = length(len(list))
		one := *f
		one.Type, one.NullableVersions = element, ""
		for _, e := range list {
			out = d.encodeField(out, &one, e, v, flexible)
		}
		return out
	}
	if !primitive[f.Type] {
		if parseVersions(f.NullableVersions).has(v) {
			if x == nil && f.Tag != nil {
				return append(out, 0)
			}
			if x == nil {
				return append(out, 0xff)
			}
			out = append(out, 1)
		}
		return d.encode(out, d.sub(f), x.(map[string]value), v)
	}
	switch f.Type {
	case "bool":
		if x.(bool) {
			return append(out, 1)
		}
		return append(out, 0)
	case "int8":
		return append(out, byte(x.(int64)))
	case "int16", "uint16":
		return binary.BigEndian.AppendUint16(out, uint16(x.(int64)))
	case "int32":
		return binary.BigEndian.AppendUint32(out, uint32(x.(int64)))
	case "int64":
		return binary.BigEndian.AppendUint64(out, uint64(x.(int64)))
	case "float64":
		return binary.BigEndian.AppendUint64(out, math.Float64bits(x.(float64)))
	case "uuid":
		u := x.(model.UUID)
		return append(out, u[:]...)
	case "string":
		if x == nil {
			return length(-1)
		}
		return append(length(len(x.(string))), x.(string)...)
	}
	if x == nil {
		return length(-1)
	}
	return append(length(len(x.([]byte))), x.([]byte)...)
}

// asJSON is the value in the form that Kafka's JSON converters read.
func asJSON(x value) any {
	switch x := x.(type) {
	case map[string]value:
		m := map[string]any{}
		for k, e := range x {
			m[strings.ToLower(k[:1])+k[1:]] = asJSON(e)
		}
		return m
	case []value:
		l := make([]any, len(x))
		for i, e := range x {
			l[i] = asJSON(e)
		}
		return l
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case model.UUID:
		return x.String()
	case float64: // with a point, or Java does not take it for one
		return json.RawMessage(strconv.FormatFloat(x, 'f', 3, 64))
	}
	return x
}
