package replica

import (
	"log/slog"
	"maps"
	"strconv"
	"sync"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// Resolver resolves topic configurations: what the topic sets, then the broker's
// dynamic configuration, the cluster's, the properties file and the defaults.
type Resolver struct {
	static *config.Values
	self   string
	logger *slog.Logger

	mu              sync.Mutex
	cluster, broker map[string]string // of which current is made
	current         *config.Values
}

// NewResolver makes a resolver over a node's static configuration. Its Topic
// method is Options.Config.
func NewResolver(static *config.Values, self model.NodeID, logger *slog.Logger) *Resolver {
	return &Resolver{static: static, self: strconv.Itoa(int(self)), logger: logger, current: static}
}

// Topic is what is in force for a topic in an image.
func (r *Resolver) Topic(img *metadata.Image, topic string) TopicConfig {
	t, err := r.values(img).Topic(img.Config(metadata.ConfigTopic, topic))
	if err != nil {
		r.logger.Warn("a topic's configuration is not valid and counts as not set", "topic", topic, "err", err)
	}
	c := TopicConfig{MinISR: t.MinISR, Synced: t.Fsync, Log: commitlog.Config{
		SegmentBytes: t.SegmentBytes, SegmentAge: t.SegmentAge, SegmentJitter: t.SegmentJitter,
		IndexBytes: t.IndexBytes, IndexInterval: t.IndexInterval, MaxMessageBytes: t.MaxMessageBytes,
		RetentionBytes: t.RetentionBytes, RetentionAge: t.Retention, DeleteDelay: t.FileDeleteDelay,
		Delete: t.Delete, Compact: t.Compact,
		TimestampBeforeMax: t.TimestampBefore, TimestampAfterMax: t.TimestampAfter,
		ProducerExpiration: r.values(img).MS("producer.id.expiration.ms"),
	}}
	if t.LogAppendTime {
		c.Log.Timestamps = batch.LogAppendTime
	}
	c.Log.Recompress, c.Log.Codec, c.Log.Level = compression(t)
	return c
}

// compression is what compression.type asks for.
func compression(t config.TopicSettings) (recompress bool, codec compress.Codec, level int) {
	switch t.Compression {
	case "uncompressed":
		return true, compress.None, 0
	case "gzip":
		return true, compress.Gzip, t.GzipLevel
	case "snappy":
		return true, compress.Snappy, 0
	case "lz4":
		return true, compress.LZ4, t.LZ4Level
	case "zstd":
		return true, compress.Zstd, t.ZstdLevel
	}
	return false, compress.None, 0
}

// Configure sets what the node's configuration says of the Set itself.
func (o *Options) Configure(v *config.Values) {
	o.LagMax = v.MS("replica.lag.time.max.ms")
	o.RecoveryThreads = v.Int("num.recovery.threads.per.data.dir")
	o.RecoveryPoints = v.MS("log.flush.offset.checkpoint.interval.ms")
	o.LogStarts = v.MS("log.flush.start.offset.checkpoint.interval.ms")
	o.HighWatermarks = v.MS("replica.high.watermark.checkpoint.interval.ms")
	o.Retention = v.MS("log.retention.check.interval.ms")
	o.FirstRetention = v.MS("log.initial.task.delay.ms")
}

// values are the broker's in an image.
func (r *Resolver) values(img *metadata.Image) *config.Values {
	cluster, broker := img.Config(metadata.ConfigBroker, ""), img.Config(metadata.ConfigBroker, r.self)
	r.mu.Lock()
	defer r.mu.Unlock()
	if maps.Equal(cluster, r.cluster) && maps.Equal(broker, r.broker) {
		return r.current
	}
	current, err := r.static.With(cluster, broker)
	if err != nil {
		r.logger.Warn("the dynamic broker configuration has values that are not valid and count as not set", "err", err)
	}
	r.cluster, r.broker, r.current = cluster, broker, current
	return current
}
