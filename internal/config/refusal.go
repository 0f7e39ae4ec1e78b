package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// words are an error in Apache Kafka's words.
type words string

func (w words) Error() string { return string(w) }

func told(format string, args ...any) error { return words(fmt.Sprintf(format, args...)) }

// invalid is what Apache Kafka's ConfigException says of a value.
func invalid(name string, value any, why string) string {
	text := "null"
	if list, ok := value.([]string); ok {
		text = "[" + strings.Join(list, ", ") + "]"
	} else if s := format(value); s != nil {
		text = *s
	}
	return fmt.Sprintf("Invalid value %s for configuration %s: %s", text, name, why)
}

// refusal is why a setting is not taken, in Apache Kafka's words: of its text if
// that did not parse, else of its value. Empty is for Strom's own keys.
func (k *Key) refusal(s Setting, value any, parsing error) string {
	if parsing == nil {
		if k.Valid.kafka == nil {
			return ""
		}
		return k.Valid.kafka(s.Name, value)
	}
	switch k.Type {
	case Boolean:
		return invalid(s.Name, s.Value, "Expected value to be either true or false")
	case Int, Short, Long, Double:
		return invalid(s.Name, s.Value, "Not a number of type "+strings.ToUpper(k.Type.String()))
	}
	return ""
}

// because says the same of every value.
func because(format string, args ...any) func(string, any) string {
	why := fmt.Sprintf(format, args...)
	return func(name string, v any) string { return invalid(name, v, why) }
}

func outOfRange(low, high float64) func(string, any) string {
	return func(name string, v any) string {
		if n, _ := number(v); n < low || math.IsInf(high, 1) {
			return invalid(name, v, fmt.Sprintf("Value must be at least %v", int64Or(low)))
		}
		return invalid(name, v, fmt.Sprintf("Value must be no more than %v", int64Or(high)))
	}
}

// notOfList speaks of the first element that is wrong; without values every
// element is right that is not empty.
func notOfList(values ...string) func(string, any) string {
	return func(name string, v any) string {
		list, _ := v.([]string)
		if len(list) == 0 {
			known := "any non-empty value"
			if len(values) > 0 {
				known = "[" + strings.Join(values, ", ") + "]"
			}
			return fmt.Sprintf("Configuration '%s' must not be empty. Valid values include: %s", name, known)
		}
		for _, element := range list {
			switch {
			case element == "":
				return fmt.Sprintf("Configuration '%s' values must not be empty.", name)
			case len(values) > 0 && !slices.Contains(values, element):
				return invalid(name, element, "String must be one of: "+strings.Join(values, ", "))
			}
		}
		return ""
	}
}
