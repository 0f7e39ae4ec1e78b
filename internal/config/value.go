package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// A parsed value is one of: nil (no value), bool, int64 (Int, Short, Long),
// float64, string (String, Class, Password) or []string.

// Setting is one key set to one text, and where that was said.
type Setting struct {
	Name, Value string
	// Where names the place to look at: "server.properties:12", "STROM_LOG_DIRS",
	// "--set". Empty for values that came over the protocol.
	Where string
}

// ValueError is a setting that cannot be.
type ValueError struct {
	Setting
	Sensitive bool   // the value is not shown
	Problem   string // "must be an int of at least 1048576"
	kafka     string // the whole of it in Apache Kafka's words
}

// Error names the place of what was read here. What came over the protocol is
// answered in Apache Kafka's words, which its tools and their users know.
func (e *ValueError) Error() string {
	if e.Where == "" && e.kafka != "" {
		return e.kafka
	}
	value := strconv.Quote(e.Value)
	if e.Sensitive {
		value = "[hidden]"
	}
	text := fmt.Sprintf("%s = %s: %s", e.Name, value, e.Problem)
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	return text
}

var errNotOfType = errors.New("not of the type")

// javaFloat is what Java's Double.parseDouble takes, less hexadecimal floats.
var javaFloat = regexp.MustCompile(`^[+-]?(NaN|Infinity|((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)[fFdD]?)$`)

// listSplit is the comma between the elements of a list.
var listSplit = regexp.MustCompile(`\s*,\s*`)

// parse turns text into a value by the rules of Kafka's ConfigDef: spaces
// around the value do not count, and around the commas of a list.
func parse(t Type, text string) (any, error) {
	text = strings.TrimFunc(text, func(r rune) bool { return r <= ' ' })
	switch t {
	case Boolean:
		switch {
		case strings.EqualFold(text, "true"):
			return true, nil
		case strings.EqualFold(text, "false"):
			return false, nil
		}
		return nil, errNotOfType
	case Int:
		return parseInt(text, 32)
	case Short:
		return parseInt(text, 16)
	case Long:
		return parseInt(text, 64)
	case Double:
		if !javaFloat.MatchString(text) {
			return nil, errNotOfType
		}
		f, err := strconv.ParseFloat(strings.TrimRight(text, "fFdD"), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range is an infinity or zero, as in Java
			return nil, errNotOfType
		}
		return f, nil
	case List:
		if text == "" {
			return []string{}, nil
		}
		return listSplit.Split(text, -1), nil
	default:
		return text, nil
	}
}

func parseInt(text string, bits int) (any, error) {
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return nil, errNotOfType
	}
	return n, nil
}

// check parses a setting of this key and holds it against the valid values.
func (k *Key) check(s Setting) (any, error) {
	v, err := parse(k.Type, s.Value)
	if err == nil {
		if list, ok := v.([]string); ok {
			v = k.withoutDuplicates(list)
		}
		if k.Valid.holds(v) {
			return v, nil
		}
	}
	return nil, &ValueError{Setting: s, Sensitive: k.Sensitive(), Problem: "must be " + k.phrase(), kafka: k.refusal(s, v, err)}
}

// withoutDuplicates drops what a list names twice, as Kafka does for the keys
// that have valid lists.
func (k *Key) withoutDuplicates(list []string) []string {
	if k.Valid.ok == nil {
		return list
	}
	seen := make(map[string]bool, len(list))
	out := make([]string, 0, len(list))
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// phrase describes a valid value: "an int of at least 1".
func (k *Key) phrase() string {
	kind := map[Type]string{Boolean: "true or false", String: "a string", Int: "an int", Short: "a short (16-bit) number",
		Long: "a long", Double: "a number", List: "a comma-separated list", Class: "a class name", Password: "a password"}[k.Type]
	if k.Valid.text == "" {
		return kind
	}
	if strings.HasPrefix(k.Valid.text, "one of") {
		return k.Valid.text
	}
	return kind + " " + k.Valid.text
}

// format is the text of a parsed value as Kafka shows it to clients; nil for no
// value.
func format(v any) *string {
	var s string
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		s = strconv.FormatBool(v)
	case int64:
		s = strconv.FormatInt(v, 10)
	case float64:
		s = javaDouble(v)
	case []string:
		s = strings.Join(v, ",")
	case string:
		s = v
	}
	return &s
}

// javaDouble writes a number as Java's Double.toString does.
func javaDouble(f float64) string {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return strings.TrimPrefix(strings.Replace(strconv.FormatFloat(f, 'f', -1, 64), "Inf", "Infinity", 1), "+")
	case abs == 0 || abs >= 1e-3 && abs < 1e7:
		s := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'E', -1, 64), "E")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent) // FormatFloat always writes one
	return mantissa + "E" + strconv.Itoa(n)
}

// defaultValue is the parsed default.
func (k *Key) defaultValue() any {
	if k.Null || k.Required {
		return nil
	}
	v, err := parse(k.Type, k.Default)
	if err != nil {
		panic("default of " + k.Name + " is not of its type") // held by a test of every key
	}
	return v
}
