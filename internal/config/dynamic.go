package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// ValidateBroker holds dynamic settings of brokers against the keys there are:
// of one broker if perBroker, else of all. A name that is no key passes, as in
// Kafka, where a plugin may want it. The error is for the client.
func ValidateBroker(settings map[string]string, perBroker bool) error {
	for _, rule := range dynamicRules(perBroker) {
		var names []string
		for _, name := range sortedKeys(settings) {
			if k, known := Lookup(ScopeBroker, name); known && rule.wrong(k, name) {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			return told("%s: [%s]", rule.text, strings.Join(names, ", "))
		}
	}
	for _, name := range sortedKeys(settings) {
		if _, err := checkDynamic(name, settings[name], perBroker); err != nil {
			return err
		}
	}
	return nil
}

// dynamicRule is a way in which a key may be set in the wrong place.
type dynamicRule struct {
	text  string
	wrong func(k *Key, name string) bool
}

func dynamicRules(perBroker bool) []dynamicRule {
	isListener := func(name string) bool { _, ok := listenerBase(name); return ok }
	rules := []dynamicRule{
		{"Cannot update these configs dynamically", func(k *Key, _ string) bool { return k.Dynamic == ReadOnly }},
		{"These security configs can be dynamically updated only per-listener using the listener prefix", func(k *Key, name string) bool {
			return isSecurity(k) && !isListener(name)
		}},
	}
	if !perBroker {
		rules = append(rules, dynamicRule{"Cannot update these configs at default cluster level, broker id must be specified", func(k *Key, name string) bool {
			return k.Dynamic == PerBroker || isListener(name) && !clusterListener(k.Name)
		}})
	}
	return rules
}

// checkDynamic parses one dynamic setting of a broker.
func checkDynamic(name, text string, perBroker bool) (any, error) {
	k, known := Lookup(ScopeBroker, name)
	if !known {
		return text, nil
	}
	for _, rule := range dynamicRules(perBroker) {
		if rule.wrong(k, name) {
			return nil, told("%s: [%s]", rule.text, name)
		}
	}
	return k.check(Setting{Name: name, Value: text})
}

// resizable are the pools of threads that Apache Kafka lets grow to double their
// size and shrink to half of it at once. Strom has no such pools, but what Kafka
// refuses is refused: the settings are the whole cluster's, and a broker of a mixed
// one may be Kafka's.
var resizable = []string{"num.io.threads", "num.network.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir", "background.threads"}

// Reconfigure holds what is to be set on brokers against this broker: v is the
// static configuration, now what is set, and next what would be. The error is for
// the client.
func (v *Values) Reconfigure(now, next Dynamics) error {
	before, _ := v.With(now.Cluster, now.Broker)  // what is not valid is not in force
	after, _ := v.With(next.Cluster, next.Broker) // likewise; ValidateBroker has seen what is new
	for _, name := range resizable {
		if err := checkResize(name, before.Long(name), after.Long(name)); err != nil {
			return dynamicError(err)
		}
	}
	if err := after.together(); err != nil {
		return err
	}
	for _, name := range []string{"listeners", "listener.security.protocol.map"} {
		if !slices.Equal(listOf(before, name), listOf(after, name)) {
			return fmt.Errorf("%s of a running Strom broker cannot be changed: set it in the broker's file and restart the broker", name)
		}
	}
	return nil
}

// together holds dynamic values against each other and the node's directories, in
// the order and the words of Apache Kafka's KafkaConfig.
func (v *Values) together() error {
	var missing []string
	cordoned := v.List("cordoned.log.dirs")
	for _, dir := range cordoned {
		if dir != "*" && !slices.Contains(v.node.LogDirs, path.Clean(dir)) {
			missing = append(missing, dir)
		}
	}
	t := v.topicTimes()
	threads := v.Long("log.cleaner.threads")
	for _, rule := range []struct {
		wrong bool
		text  string
	}{
		{slices.Contains(cordoned, "*") && len(cordoned) > 1, "When cordoned.log.dirs is set to *, it must not contain other values"},
		{len(missing) > 0, "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : " + strings.Join(missing, ", ")},
		{t.rollMS < 1, "log.roll.ms must be greater than or equal to 1"},
		{t.jitterMS < 0, "log.roll.jitter.ms must be greater than or equal to 0"},
		{t.retentionMS == 0, "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"},
		{threads > 0 && v.Long("log.cleaner.dedupe.buffer.size")/threads <= 1<<20, "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."},
		{v.Int("max.connections.per.ip") == 0 && v.String("max.connections.per.ip.overrides") == "",
			"max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."},
	} {
		if rule.wrong {
			return told("requirement failed: %s", rule.text)
		}
	}
	if low, high := v.Long("log.cleaner.min.compaction.lag.ms"), v.Long("log.cleaner.max.compaction.lag.ms"); low > high {
		return told("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", low, high)
	}
	return nil
}

func listOf(v *Values, name string) []string {
	if s := format(v.get(name)); s != nil {
		return strings.Split(*s, ",")
	}
	return nil
}

func checkResize(name string, before, after int64) error {
	why := ""
	switch {
	case before == after:
		return nil
	case after <= 0:
		why = "value should be at least 1"
	case after < before/2:
		why = fmt.Sprintf("value should be at least half the current value %d", before)
	case after > before*2:
		why = fmt.Sprintf("value should not be greater than double the current value %d", before)
	default:
		return nil
	}
	return told("Dynamic thread count update validation failed for %s=%d, %s", name, after, why)
}

// dynamicError has the words in which Apache Kafka wraps what a part of the
// broker says of a new configuration.
func dynamicError(err error) error {
	return told("Invalid value org.apache.kafka.common.config.ConfigException: %v for configuration Invalid dynamic configuration", err)
}
