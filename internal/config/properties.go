package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Property is one entry of a properties file and the line it starts on.
type Property struct {
	Name, Value string
	Line        int
}

// ParseProperties reads Java's properties format: comments begin with # or !,
// a backslash at the end of a line continues it, the name ends at the first
// unescaped '=', ':' or blank, and \t \n \r \f \uXXXX are escapes. Variables
// are not expanded. Text is taken as UTF-8. The entries come in the order of
// the file; for a name that occurs twice the later one counts.
func ParseProperties(text []byte) ([]Property, error) {
	var out []Property
	lines := splitLines(string(text))
	for i := 0; i < len(lines); i++ {
		first := i
		line := strings.TrimLeft(lines[i], blanks)
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) {
			line = line[:len(line)-1]
			if i++; i == len(lines) {
				break
			}
			line += strings.TrimLeft(lines[i], blanks)
		}
		rawName, rawValue := splitEntry(line)
		name, err := unescape(rawName)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first+1, err)
		}
		value, err := unescape(rawValue)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", first+1, err)
		}
		out = append(out, Property{Name: name, Value: value, Line: first + 1})
	}
	return out, nil
}

const blanks = " \t\f"

// splitLines ends lines at \n, \r and \r\n.
func splitLines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return strings.Split(text, "\n")
}

// continues reports an odd number of backslashes at the end of the line.
func continues(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// splitEntry cuts at the first unescaped separator: blanks, and at most one '='
// or ':' among them.
func splitEntry(line string) (name, value string) {
	end := 0
	for end < len(line) && !strings.ContainsRune(blanks+"=:", rune(line[end])) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(line) {
		return line, ""
	}
	value = strings.TrimLeft(line[end:], blanks)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], blanks)
	}
	return line[:end], value
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break // a lone backslash at the very end stands for nothing
		}
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+5 > len(s) {
				return "", fmt.Errorf(`malformed \uXXXX escape`)
			}
			n, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
			if err != nil {
				return "", fmt.Errorf(`malformed \uXXXX escape %q`, s[i-1:i+5])
			}
			b.WriteRune(rune(n))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
