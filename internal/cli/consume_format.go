package cli

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A formatter appends a record as it is shown.
type formatter func(b []byte, r *kgo.Record) []byte

// valueLines is what goes into a pipe: values and nothing else.
func valueLines(b []byte, r *kgo.Record) []byte {
	return append(append(b, r.Value...), '\n')
}

// decorated is what a person sees: where a record is and its key, dimmed, and
// the value. A null is told from an empty text.
func decorated(s style) formatter {
	return func(b []byte, r *kgo.Record) []byte {
		b = append(b, s.dim(number(r.Partition)+"@"+number(r.Offset))...)
		b = append(b, "  "...)
		if r.Key != nil {
			b = append(b, s.sgr("36", printable(r.Key))...)
			b = append(b, "  "...)
		}
		if r.Value == nil {
			b = append(b, s.dim("(null)")...)
		} else {
			b = append(b, printable(r.Value)...)
		}
		for _, h := range r.Headers {
			b = append(b, s.dim("  "+printable([]byte(h.Key))+"="+printable(h.Value))...)
		}
		return append(b, '\n')
	}
}

// printable keeps a record's bytes from playing with the terminal: what is not
// UTF-8 or moves the cursor is escaped.
func printable(b []byte) string {
	clean := func(r rune) bool { return r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) }
	if utf8.Valid(b) && strings.IndexFunc(string(b), func(r rune) bool { return !clean(r) }) < 0 {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 || !clean(r) {
			for _, c := range b[:n] {
				out.WriteString(`\x` + string("0123456789abcdef"[c>>4]) + string("0123456789abcdef"[c&15]))
			}
		} else {
			out.Write(b[:n])
		}
		b = b[n:]
	}
	return out.String()
}

// jsonLines writes envelopes, one a line.
func jsonLines(b []byte, r *kgo.Record) []byte {
	e := envelope{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		TimestampType: "create", Timestamp: r.Timestamp.UnixMilli(),
	}
	if r.Attrs.TimestampType() == 1 {
		e.TimestampType = "logappend"
	}
	e.Key, e.KeyEncoding = jsonText(r.Key)
	e.Payload, e.PayloadEncoding = jsonText(r.Value)
	e.Headers, e.HeadersEncoding = jsonHeaders(r.Headers)
	var buf strings.Builder
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	// Strings and numbers always encode, and a strings.Builder takes them all.
	_ = enc.Encode(e)
	return append(b, buf.String()...)
}

func jsonText(b []byte) (text *string, encoding string) {
	if b == nil {
		return nil, ""
	}
	if utf8.Valid(b) {
		s := string(b)
		return &s, ""
	}
	s := base64.StdEncoding.EncodeToString(b)
	return &s, base64Encoding
}

// jsonHeaders is kcat's flat list. One value that is not UTF-8 puts all values
// into base64; names are text.
func jsonHeaders(headers []kgo.RecordHeader) (list []*string, encoding string) {
	for _, h := range headers {
		if !utf8.Valid(h.Value) {
			encoding = base64Encoding
		}
	}
	for _, h := range headers {
		name := h.Key
		value, _ := jsonText(h.Value)
		if encoding != "" && h.Value != nil {
			s := base64.StdEncoding.EncodeToString(h.Value)
			value = &s
		}
		list = append(list, &name, value)
	}
	return list, encoding
}

const formatHelp = `The format is kcat's, and that of rpk where it says more:

  %t topic      %p partition   %o offset    %e leader epoch
  %k key        %v or %s value %K key length  %V or %S value length
  %h headers    %H how many    %T timestamp in milliseconds
  %d{go[2006-01-02 15:04:05]} or %d{strftime[%F %T]} timestamp, in UTC
  %h{%k=%v }    headers one after another
  %k{hex} %v{base64} ...       \n \t \xNN     %% %{ %}

Nothing is added: end it with \n.`

// parseFormat compiles a format string. The work is kgo's; kcat's %s, %S, %T and
// bare %h are put into its words.
func parseFormat(layout string) (formatter, error) {
	var parts []formatter
	var plain strings.Builder // in kgo's words
	flush := func() error {
		if plain.Len() == 0 {
			return nil
		}
		f, err := kgo.NewRecordFormatter(plain.String())
		plain.Reset()
		if err != nil {
			return err
		}
		parts = append(parts, f.AppendRecord)
		return nil
	}
	for rest := layout; rest != ""; {
		verb, after := nextVerb(rest)
		rest = after
		if strings.HasPrefix(verb, "%h") && len(verb) == 2 {
			if err := flush(); err != nil {
				return nil, err
			}
			parts = append(parts, kcatHeaders)
			continue
		}
		plain.WriteString(kgoVerb(verb))
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, errors.New("it is empty")
	}
	return func(b []byte, r *kgo.Record) []byte {
		for _, part := range parts {
			b = part(b, r)
		}
		return b
	}, nil
}

// nextVerb takes the next piece off a layout: an escape, a verb with its braces,
// or a character.
func nextVerb(s string) (verb, rest string) {
	if len(s) < 2 || s[0] != '%' && s[0] != '\\' {
		return s[:1], s[1:]
	}
	if s[0] == '\\' || len(s) < 3 || s[2] != '{' || strings.IndexByte("%{}", s[1]) >= 0 {
		return s[:2], s[2:]
	}
	depth := 0
	for i := 2; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[:i+1], s[i+1:]
			}
		}
	}
	return s, "" // unbalanced: kgo says so
}

func kgoVerb(verb string) string {
	if len(verb) < 2 || verb[0] != '%' {
		return verb
	}
	switch verb[1] {
	case 's':
		return "%v" + verb[2:]
	case 'S':
		return "%V" + verb[2:]
	case 'T':
		return "%d" + verb[2:]
	}
	return verb
}

// kcatHeaders writes name=value,name=value.
func kcatHeaders(b []byte, r *kgo.Record) []byte {
	for i, h := range r.Headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, h.Key...), '='), h.Value...)
	}
	return b
}
