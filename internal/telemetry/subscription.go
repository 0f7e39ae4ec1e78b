package telemetry

import (
	"encoding/binary"
	"hash/crc32"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/model"
)

// everything is the prefix that subscribes to all metrics.
const everything = "*"

// subscription is what some client is asked for: one client metrics resource, or
// all that match one client.
type subscription struct {
	metrics  []string // in order, without duplicates
	interval time.Duration
	match    map[string]*regexp.Regexp
}

// subscriptions parses the configs of client metrics resources. One that is not
// valid, which no controller lets through, is left out.
func subscriptions(set map[string]map[string]string) []subscription {
	var all []subscription
	for _, values := range set {
		if c, err := config.NewClientMetrics(values); err == nil {
			all = append(all, subscription{metrics: c.Metrics, interval: c.Interval, match: c.Match})
		}
	}
	return all
}

// attributes are what patterns are held against, by selector; what is not known
// is not there.
type attributes map[string]string

func newAttributes(id model.UUID, c Client) attributes {
	a := attributes{config.MatchInstanceID: id.String()}
	if c.ID != nil {
		a[config.MatchClientID] = *c.ID
	}
	for name, value := range map[string]string{
		config.MatchSoftwareName: c.SoftwareName, config.MatchSoftwareVersion: c.SoftwareVersion,
		config.MatchAddress: c.Address, config.MatchPort: c.Port,
	} {
		if value != "" {
			a[name] = value
		}
	}
	return a
}

func (a attributes) matches(s subscription) bool {
	for selector, pattern := range s.match {
		value, known := a[selector]
		if !known || !pattern.MatchString(value) {
			return false
		}
	}
	return true
}

// merged is what all subscriptions together ask of a client: every metric that
// one names, at the shortest interval. One that asks for all makes the others'
// lists pointless.
func merged(all []subscription, a attributes) subscription {
	out := subscription{interval: config.DefaultPushInterval}
	for _, s := range all {
		if a.matches(s) {
			out.metrics = append(out.metrics, s.metrics...)
			out.interval = min(out.interval, s.interval)
		}
	}
	slices.Sort(out.metrics)
	out.metrics = slices.Compact(out.metrics)
	if slices.Contains(out.metrics, everything) {
		out.metrics = []string{everything}
	}
	return out
}

// id tells the subscription from the client's earlier and later ones. Brokers
// agree on it, so that a client may move from one to another.
func (s subscription) id(instance model.UUID) int32 {
	text := "[" + strings.Join(s.metrics, ", ") + "]" + strconv.FormatInt(s.interval.Milliseconds(), 10)
	crc := crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
	high, low := binary.BigEndian.Uint64(instance[:8]), binary.BigEndian.Uint64(instance[8:])
	hash := high ^ low
	return int32(crc ^ uint32(hash>>32) ^ uint32(hash))
}
