package commitlog

import (
	"math"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/compress"
)

// Config is what a topic may set about its partitions' logs. It is replaced as
// a whole, at any time, by SetConfig.
type Config struct {
	SegmentBytes       int64         // segment.bytes
	SegmentAge         time.Duration // segment.ms
	Preallocate        bool          // preallocate: a segment has its room on disk from its beginning
	SegmentJitter      time.Duration // segment.jitter.ms
	IndexBytes         int64         // segment.index.bytes
	IndexInterval      int64         // index.interval.bytes
	MaxMessageBytes    int           // max.message.bytes
	RetentionBytes     int64         // retention.bytes; -1 is no limit
	RetentionAge       time.Duration // retention.ms; negative is no limit
	DeleteDelay        time.Duration // file.delete.delay.ms
	Delete             bool          // cleanup.policy has delete
	Compact            bool          // cleanup.policy has compact
	DeleteRetention    time.Duration // delete.retention.ms: how long tombstones stay
	MinCompactionLag   time.Duration // min.compaction.lag.ms
	MaxCompactionLag   time.Duration // max.compaction.lag.ms
	MinCleanableRatio  float64       // min.cleanable.dirty.ratio
	Timestamps         batch.TimestampType
	TimestampBeforeMax time.Duration // message.timestamp.before.max.ms
	TimestampAfterMax  time.Duration // message.timestamp.after.max.ms
	Recompress         bool          // compression.type is not producer
	Codec              compress.Codec
	Level              int
	ProducerExpiration time.Duration // producer.id.expiration.ms; 0 is never
	Verify             bool          // transaction.partition.verification.enable
}

// DefaultConfig is what Apache Kafka does when nothing is set.
func DefaultConfig() Config {
	return Config{
		SegmentBytes:       1 << 30,
		SegmentAge:         7 * 24 * time.Hour,
		IndexBytes:         10 << 20,
		IndexInterval:      4096,
		MaxMessageBytes:    1048588,
		RetentionBytes:     -1,
		RetentionAge:       7 * 24 * time.Hour,
		DeleteDelay:        time.Minute,
		Delete:             true,
		DeleteRetention:    24 * time.Hour,
		MaxCompactionLag:   math.MaxInt64,
		MinCleanableRatio:  0.5,
		TimestampBeforeMax: math.MaxInt64,
		TimestampAfterMax:  time.Hour,
		ProducerExpiration: 24 * time.Hour,
	}
}

// maxAge is after how long a segment is full: one that is active is not cleaned.
func (c *Config) maxAge() time.Duration {
	if c.Compact && c.MaxCompactionLag > 0 {
		return min(c.SegmentAge, c.MaxCompactionLag)
	}
	return c.SegmentAge
}

// maxDecompressed bounds the memory of looking into one compressed batch.
const maxDecompressed = 128 << 20

// milliseconds is d in milliseconds; the largest Duration, which stands for no
// limit, becomes the largest int64.
func milliseconds(d time.Duration) int64 {
	if d == math.MaxInt64 {
		return math.MaxInt64
	}
	return d.Milliseconds()
}
