package broker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
)

// openReplicas opens and recovers every partition on this broker's disks.
func (n *node) openReplicas(ctx context.Context) (*replica.Set, error) {
	v := n.values
	var dirs []replica.DirOptions
	for _, d := range n.dirs.Logs {
		dirs = append(dirs, replica.DirOptions{Path: d.Path, ID: d.ID})
	}
	return replica.Open(ctx, replica.Options{
		Self: n.config.ID, FS: n.fs, Files: n.files, Dirs: dirs, Logger: n.log, Now: n.now,
		Config: n.topicConfig, CaughtUp: n.caughtUp, Brokers: brokers{&n.view},
		LagMax:          v.MS("replica.lag.time.max.ms"),
		RecoveryThreads: v.Int("num.recovery.threads.per.data.dir"),
		RecoveryPoints:  v.MS("log.flush.offset.checkpoint.interval.ms"),
		LogStarts:       v.MS("log.flush.start.offset.checkpoint.interval.ms"),
		HighWatermarks:  v.MS("replica.high.watermark.checkpoint.interval.ms"),
		Retention:       v.MS("log.retention.check.interval.ms"),
		FirstRetention:  v.MS("log.initial.task.delay.ms"),
		DirFailed:       n.dirFailed,
	})
}

// caughtUp reports whether an image shows this life of the broker. An observer
// of the metadata log sees images of the past first, which may lack topics that
// are on its disk.
func (n *node) caughtUp(img *metadata.Image) bool {
	b := img.Broker(n.config.ID)
	return b != nil && b.Incarnation == n.incarnation
}

// topicConfig is what is in force for a topic on this broker: the topic's own
// settings over the dynamic ones of the broker and the cluster, over the file.
func (n *node) topicConfig(img *metadata.Image, topic string) replica.TopicConfig {
	values, err := n.dynamicValues(img)
	if err != nil {
		n.log.Error("dynamic configuration is not valid and not in force", "error", err)
		values = n.values
	}
	t, err := values.Topic(img.Config(configTopic, topic))
	if err != nil {
		n.log.Error("topic configuration is not valid; the defaults are in force", "topic", topic, "error", err)
		if t, err = values.Topic(nil); err != nil {
			n.log.Error("the topic defaults are not valid", "error", err)
		}
	}
	return replica.TopicConfig{Log: logConfig(t, n.values), MinISR: t.MinISR, Synced: t.Fsync}
}

// The resource types of configurations.
const (
	configTopic  = 2
	configBroker = 4
)

func (n *node) dynamicValues(img *metadata.Image) (*config.Values, error) {
	cluster := img.Config(configBroker, "")
	own := img.Config(configBroker, strconv.Itoa(int(n.config.ID)))
	if len(cluster) == 0 && len(own) == 0 {
		return n.values, nil
	}
	return n.values.With(cluster, own)
}

var codecs = map[string]compress.Codec{
	"uncompressed": compress.None, "gzip": compress.Gzip, "snappy": compress.Snappy, "lz4": compress.LZ4, "zstd": compress.Zstd,
}

func logConfig(t config.TopicSettings, v *config.Values) commitlog.Config {
	c := commitlog.Config{
		SegmentBytes: t.SegmentBytes, SegmentAge: t.SegmentAge, SegmentJitter: t.SegmentJitter,
		IndexBytes: t.IndexBytes, IndexInterval: t.IndexInterval,
		MaxMessageBytes: t.MaxMessageBytes,
		RetentionBytes:  t.RetentionBytes, RetentionAge: t.Retention,
		DeleteDelay: t.FileDeleteDelay, Delete: t.Delete, Compact: t.Compact,
		TimestampBeforeMax: t.TimestampBefore, TimestampAfterMax: t.TimestampAfter,
		Recompress:         t.Compression != "producer",
		Codec:              codecs[t.Compression],
		ProducerExpiration: v.MS("producer.id.expiration.ms"),
	}
	if t.LogAppendTime {
		c.Timestamps = batch.LogAppendTime
	}
	switch c.Codec {
	case compress.Gzip:
		c.Level = t.GzipLevel
	case compress.LZ4:
		c.Level = t.LZ4Level
	case compress.Zstd:
		c.Level = t.ZstdLevel
	}
	return c
}

// dirFailed tells the controller of a directory that went offline. A broker
// without any directory left is of no use and stops, as Kafka's does.
func (n *node) dirFailed(id model.DirectoryID, err error, left int) {
	n.member.DirectoryFailed(id)
	if left == 0 {
		n.parts.fail(fmt.Errorf("all log directories are offline: %w", err))
	}
}
