package config

import "testing"

// The words are those of ConfigDef and ConfigException of Apache Kafka 4.3.
func TestKafkasWords(t *testing.T) {
	for _, c := range []struct {
		scope             Scope
		name, value, want string
	}{
		{ScopeTopic, "retention.ms", "seven", "Invalid value seven for configuration retention.ms: Not a number of type LONG"},
		{ScopeTopic, "preallocate", "yes", "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
		{ScopeTopic, "segment.bytes", "7", "Invalid value 7 for configuration segment.bytes: Value must be at least 1048576"},
		{ScopeTopic, "min.cleanable.dirty.ratio", "1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{ScopeTopic, "min.cleanable.dirty.ratio", "-1", "Invalid value -1.0 for configuration min.cleanable.dirty.ratio: Value must be at least 0"},
		{ScopeTopic, "compression.type", "lzma", "Invalid value lzma for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{ScopeTopic, "compression.gzip.level", "10", "Invalid value 10 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{ScopeTopic, "compression.lz4.level", "18", "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"},
		{ScopeTopic, "cleanup.policy", "delete,keep", "Invalid value keep for configuration cleanup.policy: String must be one of: compact, delete"},
		{ScopeTopic, "cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty."},
		{ScopeTopic, "leader.replication.throttled.replicas", "0-1", "Invalid value [0-1] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{ScopeTopic, "flush.policy", "never", "Invalid value never for configuration flush.policy: String must be one of: fsync, os"},
		{ScopeBroker, "listeners", "", "Configuration 'listeners' must not be empty. Valid values include: any non-empty value"},
		{ScopeGroup, "share.auto.offset.reset", "soon", "Invalid value soon for configuration share.auto.offset.reset: Invalid value `soon` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."},
	} {
		k, _ := Lookup(c.scope, c.name)
		_, err := k.check(Setting{Name: c.name, Value: c.value})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s = %q:\n%v, want\n%s", c.name, c.value, err, c.want)
		}
	}
}

// The limits of a group's keys are the broker's.
func TestValidateGroup(t *testing.T) {
	v := mustLoad(t, file(combined+"group.consumer.max.session.timeout.ms=50000\n"))
	for _, c := range []struct{ name, value, want string }{
		{"consumer.session.timeout.ms", "50000", ""},
		{"consumer.session.timeout.ms", "50001", "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms"},
		{"consumer.session.timeout.ms", "44999", "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"},
		{"consumer.heartbeat.interval.ms", "4999", "consumer.heartbeat.interval.ms must be greater than or equal to group.consumer.min.heartbeat.interval.ms"},
		{"consumer.heartbeat.interval.ms", "0", "Invalid value 0 for configuration consumer.heartbeat.interval.ms: Value must be at least 1"},
		{"streams.num.standby.replicas", "3", "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas"},
		{"session.timeout.ms", "3", "Unknown group config name: session.timeout.ms"},
	} {
		err := v.ValidateGroup(map[string]string{c.name: c.value})
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%s = %s: %v, want %q", c.name, c.value, err, c.want)
		}
	}
}

// What a broker cannot be changed to is told before it is written.
func TestReconfigure(t *testing.T) {
	v := mustLoad(t, file(combined+"num.io.threads=6\n"))
	wrapped := func(why string) string {
		return "Invalid value org.apache.kafka.common.config.ConfigException: " + why + " for configuration Invalid dynamic configuration"
	}
	for _, c := range []struct{ name, value, want string }{
		{"num.io.threads", "12", ""}, {"num.io.threads", "3", ""},
		{"num.io.threads", "13", wrapped("Dynamic thread count update validation failed for num.io.threads=13, value should not be greater than double the current value 6")},
		{"num.io.threads", "2", wrapped("Dynamic thread count update validation failed for num.io.threads=2, value should be at least half the current value 6")},
		{"log.roll.ms", "0", "requirement failed: log.roll.ms must be greater than or equal to 1"},
		{"listeners", "PLAINTEXT://:1", "listeners of a running Strom broker cannot be changed: set it in the broker's file and restart the broker"},
		{"cordoned.log.dirs", "/elsewhere", "requirement failed: All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : /elsewhere"},
		{"message.max.bytes", "7", ""},
	} {
		err := v.Reconfigure(Dynamics{}, Dynamics{Broker: map[string]string{c.name: c.value}})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s = %s: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}
