package goldens

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// printer writes responses as text in which nothing changes from one run to the next: ids, sessions, producer ids, ports
// and times of the day are replaced, by the name that the script gave them or by what they are; fields at their
// defaults are left out.
type printer struct {
	names  map[any]string  // of values that the script named
	masked map[string]bool // fields of this step whose value does not count
	texts  bool            // texts for people are shown
	sorted bool            // arrays of structs in the order of their text
	where  string          // of structs in arrays: only those with one of the values are shown
	values map[string]bool
	added  map[string]string // configs that are not shown
}

func newPrinter() *printer {
	return &printer{names: map[any]string{}}
}

// prose names the fields whose text is for people; whether there is any is compared, the words are not.
var prose = map[string]bool{"ErrorMessage": true, "Documentation": true}

// call makes value appear under the name a script gave it, where it stands in a field that is renamed.
func (p *printer) call(value any, name string) {
	p.names[value] = "$" + name
}

// known is the name a value has, or else what it is.
func (p *printer) known(value any, kind string) string {
	if name := p.names[value]; name != "" {
		return name
	}
	return "(" + kind + ")"
}

func (p *printer) response(r kmsg.Response) string {
	var b strings.Builder
	p.fields(&b, reflect.ValueOf(r).Elem(), "")
	if b.Len() == 0 {
		return "(all defaults)\n"
	}
	return b.String()
}

func (p *printer) fields(b *strings.Builder, v reflect.Value, indent string) {
	fresh := reflect.New(v.Type())
	defaults(fresh.Elem())
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		if name == "Version" || p.isDefault(name, field, fresh.Elem().Field(i)) {
			continue
		}
		p.field(b, name, field, indent)
	}
}

func (p *printer) isDefault(name string, field, fresh reflect.Value) bool {
	if tags, ok := field.Interface().(kmsg.Tags); ok {
		return tags.Len() == 0
	}
	if field.Kind() == reflect.Slice {
		return field.Len() == 0 && !holdsRecords(name, field)
	}
	return reflect.DeepEqual(field.Interface(), fresh.Interface())
}

// holdsRecords tells record data, in which null and empty are not the same.
func holdsRecords(name string, field reflect.Value) bool {
	return field.Type() == reflect.TypeFor[[]byte]() && (name == "Records" || name == "RecordBatches")
}

func (p *printer) field(b *strings.Builder, name string, v reflect.Value, indent string) {
	switch {
	case p.masked[name]:
		fmt.Fprintf(b, "%s%s: *\n", indent, name)
	case prose[name] && !p.texts:
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, summary(v))
	case holdsRecords(name, v):
		fmt.Fprintf(b, "%s%s:", indent, name)
		p.records(b, v.Bytes(), v.IsNil(), indent+"  ")
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		p.items(b, v, indent)
	case v.Kind() == reflect.Struct:
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		p.fields(b, v, indent+"  ")
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct:
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		p.fields(b, v.Elem(), indent+"  ")
	default:
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, p.value(name, v))
	}
}

// summary tells whether there is any text.
func summary(v reflect.Value) string {
	if text, ok := v.Interface().(*string); ok && *text == "" {
		return `""`
	}
	return "(text)"
}

// items writes each struct with "- " before its first field.
func (p *printer) items(b *strings.Builder, v reflect.Value, indent string) {
	var all []string
	for i := range v.Len() {
		if !p.shown(v.Index(i)) {
			continue
		}
		var one strings.Builder
		p.fields(&one, v.Index(i), indent+"  ")
		text := strings.TrimPrefix(one.String(), indent+"  ")
		if text == "" {
			text = "(all defaults)\n"
		}
		all = append(all, indent+"- "+text)
	}
	if p.sorted {
		slices.Sort(all)
	}
	b.WriteString(strings.Join(all, ""))
}

func (p *printer) shown(item reflect.Value) bool {
	if name := item.FieldByName("Name"); strings.Contains(item.Type().Name(), "Config") && name.IsValid() && p.added[name.String()] != "" {
		return false
	}
	field := item.FieldByName(p.where)
	return p.where == "" || !field.IsValid() || p.values[fmt.Sprint(field.Interface())]
}

// places are what a config says of this run: a port of this machine, or where the node's data is.
var places = regexp.MustCompile(`localhost:\d+|/\S+/data\b`)

func (p *printer) value(name string, v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "null"
		}
		return p.value(name, v.Elem())
	}
	switch x := v.Interface().(type) {
	case [16]byte:
		return p.id(x)
	case []byte:
		return strconv.Quote(string(x))
	case string:
		if name == "Value" {
			x = places.ReplaceAllString(x, "(place)")
		}
		return strconv.Quote(x)
	}
	switch {
	case name == "Port":
		return "(port)"
	case name == "SessionID":
		return p.known(v.Int(), "session")
	case name == "ProducerID":
		return p.known(v.Int(), "producer")
	case name == "ErrorCode":
		return errorName(int16(v.Int()))
	case v.Kind() == reflect.Int64:
		return moment(v.Int())
	case v.Kind() == reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, p.value(name, v.Index(i)))
		}
		return "[" + strings.Join(all, " ") + "]"
	}
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprint(v.Interface())
}

func errorName(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return "NONE"
}

func (p *printer) id(id [16]byte) string {
	if [15]byte(id[:15]) == ([15]byte{}) && p.names[id] == "" {
		return base64.RawURLEncoding.EncodeToString(id[:]) // a reserved id
	}
	return p.known(id, "id")
}

// moment hides the time of the day and shows every other number.
func moment(n int64) string {
	if distance := time.Since(time.UnixMilli(n)); distance.Abs() < 24*time.Hour {
		return "(now)"
	}
	return strconv.FormatInt(n, 10)
}

// records writes the batches of a fetched range, the last of which may be cut.
func (p *printer) records(b *strings.Builder, raw []byte, null bool, indent string) {
	switch {
	case null:
		b.WriteString(" null\n")
		return
	case len(raw) == 0:
		b.WriteString(" empty\n")
		return
	}
	b.WriteString("\n")
	for len(raw) > 0 {
		if len(raw) < 12 || len(raw)-12 < int(binary.BigEndian.Uint32(raw[8:])) {
			fmt.Fprintf(b, "%spart of a batch, %d bytes\n", indent, len(raw))
			return
		}
		size := 12 + int(binary.BigEndian.Uint32(raw[8:]))
		p.batch(b, raw[:size], indent)
		raw = raw[size:]
	}
}

func (p *printer) batch(b *strings.Builder, raw []byte, indent string) {
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(raw); err != nil {
		fmt.Fprintf(b, "%sno batch: %v\n", indent, err)
		return
	}
	fmt.Fprintf(b, "%sbatch %d..%d epoch=%d magic=%d", indent, batch.FirstOffset, batch.FirstOffset+int64(batch.LastOffsetDelta), batch.PartitionLeaderEpoch, batch.Magic)
	fmt.Fprintf(b, " %s count=%d first=%s max=%s", attributes(batch.Attributes), batch.NumRecords, moment(batch.FirstTimestamp), moment(batch.MaxTimestamp))
	if batch.ProducerID >= 0 {
		fmt.Fprintf(b, " %s epoch=%d seq=%d", p.known(batch.ProducerID, "producer"), batch.ProducerEpoch, batch.FirstSequence)
	}
	if crc := crc32.Checksum(raw[21:], castagnoli); crc != uint32(batch.CRC) {
		b.WriteString(" CRC WRONG")
	}
	b.WriteString("\n")
	plain, err := kgo.DefaultDecompressor().Decompress(batch.Records, kgo.CompressionCodecType(batch.Attributes&7))
	if err != nil {
		fmt.Fprintf(b, "%s  not readable: %v\n", indent, err)
		return
	}
	for range batch.NumRecords {
		var n int
		if plain, n = p.record(b, plain, &batch, indent+"  "); n == 0 {
			return
		}
	}
}

func attributes(a int16) string {
	text := fmt.Sprintf("codec-%d", a&7)
	if int(a&7) < len(codecNames) {
		text = codecNames[a&7]
	}
	for i, name := range []string{"log-append-time", "transactional", "control", "delete-horizon"} {
		if a&(1<<(3+i)) != 0 {
			text += " " + name
		}
	}
	return text
}

// record writes one record and returns what follows it, with 0 when there was none.
func (p *printer) record(b *strings.Builder, plain []byte, batch *kmsg.RecordBatch, indent string) ([]byte, int) {
	length, n := binary.Varint(plain)
	if n <= 0 || length < 0 || int(length) > len(plain)-n {
		fmt.Fprintf(b, "%sno record\n", indent)
		return nil, 0
	}
	size := n + int(length)
	var r kmsg.Record
	if err := r.ReadFrom(plain[:size]); err != nil {
		fmt.Fprintf(b, "%sno record: %v\n", indent, err)
		return nil, 0
	}
	fmt.Fprintf(b, "%s%d %s key=%s value=%s", indent, batch.FirstOffset+int64(r.OffsetDelta), moment(batch.FirstTimestamp+r.TimestampDelta64), quote(r.Key), quote(r.Value))
	for _, h := range r.Headers {
		fmt.Fprintf(b, " %s=%s", h.Key, quote(h.Value))
	}
	b.WriteString("\n")
	return plain[size:], size
}

func quote(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 100:
		return fmt.Sprintf("(%d bytes)", len(b))
	}
	return strconv.Quote(string(b))
}
