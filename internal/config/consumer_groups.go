package config

import "slices"

// consumerAssignors are the assignors of consumer groups that there are.
var consumerAssignors = []string{"uniform", "range"}

// consumerGroups reports what the configs of consumer groups say against each other.
func (v *Values) consumerGroups(at func(name string, wrong bool, format string, args ...any)) {
	const prefix = "group.consumer."
	for _, key := range []string{"session.timeout.ms", "heartbeat.interval.ms", "assignment.interval.ms"} {
		least, most := prefix+"min."+key, prefix+"max."+key
		at(most, v.Int(most) < v.Int(least), "must be at least %s, %d", least, v.Int(least))
		at(prefix+key, v.Int(prefix+key) < v.Int(least), "must be at least %s, %d", least, v.Int(least))
		at(prefix+key, v.Int(prefix+key) > v.Int(most), "must be at most %s, %d", most, v.Int(most))
	}
	session := v.Int(prefix + "session.timeout.ms")
	at(prefix+"heartbeat.interval.ms", v.Int(prefix+"heartbeat.interval.ms") >= session, "must be less than group.consumer.session.timeout.ms, %d", session)
	names := v.List(prefix + "assignors")
	at(prefix+"assignors", len(names) == 0, "must name an assignor")
	for _, name := range names {
		at(prefix+"assignors", !slices.Contains(consumerAssignors, name), "%s is none of %v; assignors of one's own are not loaded", name, consumerAssignors)
	}
}
