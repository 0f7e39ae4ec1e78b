package config

import (
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Validator says which values of a key's type are valid, as a test and as the
// words that finish "must be an int ...". The zero Validator takes every value.
type Validator struct {
	text string
	ok   func(value any) bool
	// kafka is what Apache Kafka's validator says of a value that is not valid.
	kafka func(name string, value any) string
}

func (v Validator) String() string { return v.text }

func (v Validator) holds(value any) bool { return v.ok == nil || v.ok(value) }

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func atLeast(low int64) Validator {
	return Validator{fmt.Sprintf("of at least %d", low), func(v any) bool {
		n, ok := number(v)
		return ok && !(n < float64(low)) // NaN passes, as in Kafka
	}, outOfRange(float64(low), math.Inf(1))}
}

func between(low, high float64) Validator {
	return Validator{fmt.Sprintf("from %v to %v", int64Or(low), int64Or(high)), func(v any) bool {
		n, ok := number(v)
		return ok && !(n < low) && !(n > high)
	}, outOfRange(low, high)}
}

// int64Or shows a whole number without an exponent.
func int64Or(f float64) any {
	if f == float64(int64(f)) {
		return int64(f)
	}
	return f
}

// levels is a range, or one value beside it that means the codec's default.
func levels(low, high, other int64) Validator {
	return Validator{fmt.Sprintf("from %d to %d, or %d", low, high, other), func(v any) bool {
		n, ok := v.(int64)
		return ok && (n == other || n >= low && n <= high)
	}, because("Value must be between %d and %d or equal to %d", low, high, other)}
}

func oneOf(values ...string) Validator {
	return Validator{"one of " + strings.Join(values, ", "), func(v any) bool {
		s, ok := v.(string)
		return ok && slices.Contains(values, s)
	}, because("String must be one of: %s", strings.Join(values, ", "))}
}

// oneOfFold does not care about case.
func oneOfFold(values ...string) Validator {
	return Validator{"one of " + strings.Join(values, ", "), func(v any) bool {
		s, ok := v.(string)
		return ok && slices.ContainsFunc(values, func(want string) bool { return strings.EqualFold(want, s) })
	}, because("String must be one of (case insensitive): %s", strings.Join(values, ", "))}
}

// eachOf is for lists whose elements are known.
func eachOf(mayBeEmpty bool, values ...string) Validator {
	text := "of " + strings.Join(values, ", ")
	if !mayBeEmpty {
		text += ", with at least one"
	}
	return Validator{text, func(v any) bool {
		list, ok := v.([]string)
		return ok && (mayBeEmpty || len(list) > 0) &&
			!slices.ContainsFunc(list, func(s string) bool { return !slices.Contains(values, s) })
	}, notOfList(values...)}
}

// distinct lists have no empty elements; duplicates are dropped before.
var distinct = Validator{"without empty elements", func(v any) bool {
	list, ok := v.([]string)
	return ok && !slices.Contains(list, "")
}, notOfList()}

// distinctNotEmpty lists have at least one element besides.
var distinctNotEmpty = Validator{"with at least one element and none empty", func(v any) bool {
	list, ok := v.([]string)
	return ok && len(list) > 0 && !slices.Contains(list, "")
}, notOfList()}

// httpURL is where something can be posted to.
var httpURL = Validator{"that is an http or https URL", func(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}, nil}

var notEmpty = Validator{"that is not empty", func(v any) bool { return v != "" }, because("String must be non-empty")}

var throttledReplica = regexp.MustCompile(`^[0-9]+:[0-9]+$`)

// throttledReplicas is * or partition:broker pairs.
var throttledReplicas = Validator{"of partition:broker pairs, or * alone", func(v any) bool {
	list, ok := v.([]string)
	if !ok {
		return false
	}
	return len(list) == 1 && strings.TrimSpace(list[0]) == "*" ||
		!slices.ContainsFunc(list, func(s string) bool { return !throttledReplica.MatchString(strings.TrimSpace(s)) })
}, func(name string, v any) string {
	return invalid(name, v, name+" must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...")
}}

// isoDuration is what Java's Duration.parse takes, less signs and fractions of
// a day: a subset that is never negative.
var isoDuration = regexp.MustCompile(`^P(\d+D)?(T(\d+H)?(\d+M)?(\d+([.,]\d{1,9})?S)?)?$`)

// shareOffsetReset is where a new share group starts.
var shareOffsetReset = Validator{"that is earliest, latest, or by_duration: and an ISO 8601 duration such as PT1H", func(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	s = strings.ToLower(s)
	if s == "earliest" || s == "latest" {
		return true
	}
	d, ok := strings.CutPrefix(s, "by_duration:")
	d = strings.ToUpper(d)
	return ok && isoDuration.MatchString(d) && d != "P" && !strings.HasSuffix(d, "T")
}, func(name string, v any) string {
	return invalid(name, v, fmt.Sprintf("Invalid value `%v` for configuration %s. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.", v, name))
}}

// hostCounts parses as host:count pairs.
var hostCounts = Validator{"of host:count pairs", func(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	_, err := parseHostCounts(s)
	return err == nil
}, nil}

// parseHostCounts reads host:count pairs, separated by commas.
func parseHostCounts(text string) (map[string]int, error) {
	out := map[string]int{}
	for _, pair := range strings.Split(text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		at := strings.LastIndexByte(pair, ':')
		if at < 1 {
			return nil, fmt.Errorf("%q is not host:count", pair)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(pair[at+1:]), 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not host:count", pair)
		}
		out[strings.Trim(strings.TrimSpace(pair[:at]), "[]")] = int(n)
	}
	return out, nil
}

// quorumVoters parses as id@host:port entries.
var quorumVoters = Validator{"of id@host:port entries", func(v any) bool {
	list, ok := v.([]string)
	if !ok {
		return false
	}
	_, err := parseVoters(list)
	return err == nil
}, nil}

// bootstrapServers parses as host:port entries.
var bootstrapServers = Validator{"of host:port entries", func(v any) bool {
	list, ok := v.([]string)
	if !ok {
		return false
	}
	_, err := parseHostPorts(list)
	return err == nil
}, nil}
