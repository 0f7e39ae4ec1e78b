package config

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// TopicSettings is what is in force for one topic on one broker.
type TopicSettings struct {
	SegmentBytes  int64
	SegmentAge    time.Duration
	SegmentJitter time.Duration
	IndexBytes    int64 // of a segment's offset index, and of its time index
	IndexInterval int64 // bytes of log between two index entries

	RetentionBytes  int64         // negative: no limit
	Retention       time.Duration // negative: no limit
	FileDeleteDelay time.Duration
	Delete, Compact bool // cleanup.policy

	DeleteRetention                    time.Duration // of tombstones
	MinCompactionLag, MaxCompactionLag time.Duration
	MinCleanableRatio                  float64

	MaxMessageBytes int // of a record batch
	// LogAppendTime says that the broker sets timestamps. If not, those outside
	// [now - TimestampBefore, now + TimestampAfter] are refused.
	LogAppendTime                   bool
	TimestampBefore, TimestampAfter time.Duration

	Compression         string // "producer" leaves batches as they are
	GzipLevel, LZ4Level int
	ZstdLevel           int

	MinISR                int
	UncleanLeaderElection bool
	Preallocate           bool
	RemoteStorage         bool
	// Fsync says that records count as stored once on disk (flush.policy).
	Fsync bool
}

// times in one unit.
type topicTimes struct{ rollMS, jitterMS, retentionMS, flushMS int64 }

const hourMS, minuteMS = int64(time.Hour / time.Millisecond), int64(time.Minute / time.Millisecond)

// topicTimes resolves the keys that exist in several units.
func (v *Values) topicTimes() topicTimes {
	first := func(names []string, units []int64) int64 {
		for i, name := range names {
			if v.Has(name) {
				return v.Long(name) * units[i]
			}
		}
		return 0
	}
	t := topicTimes{
		rollMS:      first(sameTime[0], []int64{1, hourMS}),
		jitterMS:    first(sameTime[1], []int64{1, hourMS}),
		retentionMS: first(sameTime[2], []int64{1, minuteMS, hourMS}),
		flushMS:     first(brokerSynonyms("log.flush.interval.ms"), []int64{1, 1}),
	}
	if t.retentionMS < 0 {
		t.retentionMS = -1
	}
	return t
}

// topicDefault is what a topic has that does not set the key itself.
func (v *Values) topicDefault(k *Key) any {
	switch k.Name {
	case "segment.ms":
		return v.topicTimes().rollMS
	case "segment.jitter.ms":
		return v.topicTimes().jitterMS
	case "retention.ms":
		return v.topicTimes().retentionMS
	case "flush.ms":
		return v.topicTimes().flushMS
	}
	if len(k.Synonyms) == 0 {
		return k.defaultValue()
	}
	return v.get(k.Synonyms[0])
}

// topicValues resolves every topic key. Names that are no key are left alone;
// a value that is not valid counts as not set and is told in the error.
func (v *Values) topicValues(overrides map[string]string) (map[string]any, error) {
	out := make(map[string]any, len(tables[ScopeTopic].keys))
	var wrong []error
	for i := range tables[ScopeTopic].keys {
		k := &tables[ScopeTopic].keys[i]
		if text, ok := overrides[k.Name]; ok {
			value, err := k.check(Setting{Name: k.Name, Value: text})
			if err == nil {
				out[k.Name] = value
				continue
			}
			wrong = append(wrong, err)
		}
		out[k.Name] = v.topicDefault(k)
	}
	return out, errors.Join(wrong...)
}

// Topic is what is in force for a topic with these overrides on a broker with
// these values (dynamic ones included, see With). The settings hold even with an
// error, which tells of overrides that are not valid and were left out.
func (v *Values) Topic(overrides map[string]string) (TopicSettings, error) {
	values, err := v.topicValues(overrides)
	long := func(name string) int64 { return values[name].(int64) }
	ms := func(name string) time.Duration { return milliseconds(long(name)) }
	policy := values["cleanup.policy"].([]string)
	t := TopicSettings{
		SegmentBytes: long("segment.bytes"), SegmentAge: ms("segment.ms"), SegmentJitter: ms("segment.jitter.ms"),
		IndexBytes: long("segment.index.bytes"), IndexInterval: long("index.interval.bytes"),
		RetentionBytes: long("retention.bytes"), Retention: ms("retention.ms"), FileDeleteDelay: ms("file.delete.delay.ms"),
		Delete: slices.Contains(policy, "delete"), Compact: slices.Contains(policy, "compact"),
		DeleteRetention: ms("delete.retention.ms"), MinCompactionLag: ms("min.compaction.lag.ms"),
		MaxCompactionLag: ms("max.compaction.lag.ms"), MinCleanableRatio: values["min.cleanable.dirty.ratio"].(float64),
		MaxMessageBytes: int(long("max.message.bytes")),
		LogAppendTime:   values["message.timestamp.type"] == "LogAppendTime",
		TimestampBefore: ms("message.timestamp.before.max.ms"), TimestampAfter: ms("message.timestamp.after.max.ms"),
		Compression: values["compression.type"].(string), GzipLevel: int(long("compression.gzip.level")),
		LZ4Level: int(long("compression.lz4.level")), ZstdLevel: int(long("compression.zstd.level")),
		MinISR: int(long("min.insync.replicas")), UncleanLeaderElection: values["unclean.leader.election.enable"].(bool),
		Preallocate: values["preallocate"].(bool), RemoteStorage: values["remote.storage.enable"].(bool),
		Fsync: values["flush.policy"] == FlushFsync,
	}
	if size, ok := values["internal.segment.bytes"].(int64); ok {
		t.SegmentBytes = size
	}
	return t, err
}

// ValidateTopic holds the overrides of a topic, all of them together, against
// the keys there are. The error is for the client.
func ValidateTopic(overrides map[string]string) error {
	values, err := validate(ScopeTopic, overrides)
	if err != nil {
		return err
	}
	low, high := int64(0), int64(math.MaxInt64)
	if v, ok := values["min.compaction.lag.ms"].(int64); ok {
		low = v
	}
	if v, ok := values["max.compaction.lag.ms"].(int64); ok {
		high = v
	}
	if low > high {
		return told("conflict topic config setting min.compaction.lag.ms (%d) > max.compaction.lag.ms (%d)", low, high)
	}
	if values["remote.storage.enable"] == true {
		return told("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	}
	return nil
}

// ValidateClientMetrics holds the keys of a client metrics subscription against
// those there are.
func ValidateClientMetrics(overrides map[string]string) error {
	_, err := NewClientMetrics(overrides)
	return err
}

// validate parses settings of one scope; the first that is wrong, in name
// order, is the error.
func validate(scope Scope, settings map[string]string) (map[string]any, error) {
	out := make(map[string]any, len(settings))
	for _, name := range sortedKeys(settings) {
		k, ok := tables[scope].byName[name]
		if !ok {
			return nil, told("Unknown %s config name: %s", scope, name)
		}
		value, err := k.check(Setting{Name: name, Value: settings[name]})
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

// clusterListener reports the keys that may be set with a listener prefix for
// the whole cluster.
func clusterListener(name string) bool {
	return name == "max.connections" || name == "max.connection.creation.rate" || name == "num.network.threads"
}

// isSecurity reports the TLS keys that must name their listener.
func isSecurity(k *Key) bool {
	return strings.HasPrefix(k.Name, "ssl.keystore.") || strings.HasPrefix(k.Name, "ssl.truststore.") || k.Name == "ssl.key.password"
}
