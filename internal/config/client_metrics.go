package config

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
)

// The selectors of clients that a subscription may match by (KIP-714).
const (
	MatchInstanceID      = "client_instance_id"
	MatchClientID        = "client_id"
	MatchSoftwareName    = "client_software_name"
	MatchSoftwareVersion = "client_software_version"
	MatchAddress         = "client_source_address"
	MatchPort            = "client_source_port"
)

var clientSelectors = []string{MatchInstanceID, MatchClientID, MatchSoftwareName, MatchSoftwareVersion, MatchAddress, MatchPort}

// DefaultPushInterval is how often clients push when no subscription says.
const DefaultPushInterval = 5 * time.Minute

// ClientMetricsSettings is one client metrics subscription.
type ClientMetricsSettings struct {
	Metrics  []string // prefixes of names; * for all
	Interval time.Duration
	Match    map[string]*regexp.Regexp // by selector, each for the whole value; none matches every client
}

// NewClientMetrics checks what is set on a client metrics subscription. The error
// is for the client.
func NewClientMetrics(set map[string]string) (ClientMetricsSettings, error) {
	for _, name := range sortedKeys(set) {
		if _, known := tables[ScopeClientMetrics].byName[name]; !known {
			return ClientMetricsSettings{}, kerr.InvalidRequest.With("Unknown client metrics configuration: %s", name)
		}
	}
	values, err := validate(ScopeClientMetrics, set)
	if err != nil {
		return ClientMetricsSettings{}, err
	}
	s := ClientMetricsSettings{Interval: DefaultPushInterval}
	if metrics, ok := values["metrics"].([]string); ok {
		s.Metrics = metrics
	}
	if ms, ok := values["interval.ms"].(int64); ok {
		if ms < 100 || ms > 3600000 {
			return s, kerr.InvalidRequest.With("Invalid value %d for interval.ms, interval must be between 100 and 3600000 (1 hour)", ms)
		}
		s.Interval = time.Duration(ms) * time.Millisecond
	}
	patterns, _ := values["match"].([]string)
	s.Match, err = clientPatterns(patterns)
	return s, err
}

// clientPatterns parses selector=expression pairs. The expressions are RE2's:
// Java's without lookaround and back references, and linear in time whatever a
// client calls itself.
func clientPatterns(pairs []string) (map[string]*regexp.Regexp, error) {
	out := map[string]*regexp.Regexp{}
	for _, pair := range pairs {
		illegal := kerr.InvalidConfig.With("Illegal client matching pattern: %s", pair)
		selector, expression, _ := strings.Cut(pair, "=")
		expression = strings.TrimRight(expression, "=") // where Java's split ends
		selector = strings.TrimSpace(selector)
		if expression == "" || strings.Contains(expression, "=") || !slices.Contains(clientSelectors, selector) {
			return nil, illegal
		}
		expression = strings.TrimSpace(expression)
		if _, err := regexp.Compile(expression); err != nil {
			return nil, illegal
		}
		pattern, err := regexp.Compile(`^(?:` + expression + `)$`)
		if err != nil {
			return nil, illegal
		}
		out[selector] = pattern
	}
	return out, nil
}
