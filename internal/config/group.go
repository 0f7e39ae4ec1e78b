package config

import "fmt"

// groupLimits are the broker keys that bound a key of a group, and the key that
// it must exceed.
var groupLimits = []struct {
	key, low, high string
	own            bool // only what the group sets itself is held against them
}{
	{key: "consumer.heartbeat.interval.ms", low: "group.consumer.min.heartbeat.interval.ms", high: "group.consumer.max.heartbeat.interval.ms"},
	{key: "consumer.session.timeout.ms", low: "group.consumer.min.session.timeout.ms", high: "group.consumer.max.session.timeout.ms"},
	{key: "consumer.assignment.interval.ms", low: "group.consumer.min.assignment.interval.ms", high: "group.consumer.max.assignment.interval.ms", own: true},
	{key: "share.heartbeat.interval.ms", low: "group.share.min.heartbeat.interval.ms", high: "group.share.max.heartbeat.interval.ms"},
	{key: "share.session.timeout.ms", low: "group.share.min.session.timeout.ms", high: "group.share.max.session.timeout.ms"},
	{key: "share.record.lock.duration.ms", low: "group.share.min.record.lock.duration.ms", high: "group.share.max.record.lock.duration.ms"},
	{key: "share.delivery.count.limit", low: "group.share.min.delivery.count.limit", high: "group.share.max.delivery.count.limit"},
	{key: "share.partition.max.record.locks", low: "group.share.min.partition.max.record.locks", high: "group.share.max.partition.max.record.locks"},
	{key: "share.assignment.interval.ms", low: "group.share.min.assignment.interval.ms", high: "group.share.max.assignment.interval.ms", own: true},
	{key: "streams.heartbeat.interval.ms", low: "group.streams.min.heartbeat.interval.ms", high: "group.streams.max.heartbeat.interval.ms"},
	{key: "streams.session.timeout.ms", low: "group.streams.min.session.timeout.ms", high: "group.streams.max.session.timeout.ms"},
	{key: "streams.num.standby.replicas", high: "group.streams.max.standby.replicas"},
	{key: "streams.assignment.interval.ms", low: "group.streams.min.assignment.interval.ms", high: "group.streams.max.assignment.interval.ms", own: true},
}

// ValidateGroup holds the keys of a group against those there are and against the
// limits that brokers with these values set. The error is for the client.
func (v *Values) ValidateGroup(overrides map[string]string) error {
	own, err := validate(ScopeGroup, overrides)
	if err != nil {
		return err
	}
	value := func(name string) int64 {
		if n, ok := own[name].(int64); ok {
			return n
		}
		return v.Long(tables[ScopeGroup].byName[name].Synonyms[0])
	}
	for _, l := range groupLimits {
		if _, set := own[l.key]; l.own && !set {
			continue
		}
		if l.low != "" && value(l.key) < v.Long(l.low) {
			return fmt.Errorf("%s must be greater than or equal to %s", l.key, l.low)
		}
		if value(l.key) > v.Long(l.high) {
			return fmt.Errorf("%s must be less than or equal to %s", l.key, l.high)
		}
	}
	for _, kind := range []string{"consumer", "share", "streams"} {
		if value(kind+".session.timeout.ms") <= value(kind+".heartbeat.interval.ms") {
			return fmt.Errorf("%s.session.timeout.ms must be greater than %s.heartbeat.interval.ms", kind, kind)
		}
	}
	return nil
}
