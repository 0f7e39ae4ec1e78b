package broker

import (
	"context"
	"fmt"
	"net"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/follow"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/membership"
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
		Self: n.config.ID, FS: n.fs, Files: n.files, Dirs: dirs, Logger: n.loggers.Logger("replica"), Now: n.now,
		Config: n.topicConfig, Cleaner: n.cleanerConfig, Cordoned: n.cordoned, MoveRate: n.moveRate, CaughtUp: n.caughtUp, Brokers: brokers{&n.view},
		LagMax:          v.MS("replica.lag.time.max.ms"),
		Movers:          n.movers(),
		RecoveryThreads: v.Int("num.recovery.threads.per.data.dir"),
		JournalSize:     int64(v.Int("internal.journal.segment.bytes")),
		RecoveryPoints:  v.MS("log.flush.offset.checkpoint.interval.ms"),
		LogStarts:       v.MS("log.flush.start.offset.checkpoint.interval.ms"),
		HighWatermarks:  v.MS("replica.high.watermark.checkpoint.interval.ms"),
		Retention:       v.MS("log.retention.check.interval.ms"),
		FirstRetention:  v.MS("log.initial.task.delay.ms"),
		ProducerCheck:   v.MS("producer.id.expiration.check.interval.ms"),
		DirFailed:       n.dirFailed,
		Propose:         n.propose,
		Assigned:        n.assigned,
		Follow: replica.FollowOptions{
			Connect: n.connectLeader, Silent: n.silent.Silent, Epoch: n.member.Epoch,
			Version: func() metadata.Version { return n.view.Image().Features().Version },
			Session: follow.Config{
				Self:           n.config.ID,
				PartitionBytes: int32(v.Int("replica.fetch.max.bytes")),
				ResponseBytes:  int32(v.Int("replica.fetch.response.max.bytes")),
				MinBytes:       int32(v.Int("replica.fetch.min.bytes")),
				MaxWait:        v.MS("replica.fetch.wait.max.ms"),
				Backoff:        min(firstBackoff, v.MS("replica.fetch.backoff.ms")),
				MaxBackoff:     v.MS("replica.fetch.backoff.ms"),
			},
		},
	})
}

// firstBackoff is how long a follower waits after its first error: an election
// reaches some brokers a moment before others.
const firstBackoff = 20 * time.Millisecond

// connectLeader reaches another broker by the listener between brokers. Each
// fetcher has a client id of its own: a leader hears one connection of each.
func (n *node) connectLeader(ctx context.Context, leader model.NodeID, dir int) (*link.Link, error) {
	l, err := n.connectBroker(ctx, leader, fmt.Sprintf("fetcher-%d", dir), n.values.MS("replica.socket.timeout.ms"))
	if err != nil {
		n.silent.Silent(leader)
		return nil, err
	}
	n.silent.Heard(leader)
	return l, nil
}

// connectBroker reaches another broker for a purpose.
func (n *node) connectBroker(ctx context.Context, id model.NodeID, purpose string, timeout time.Duration) (*link.Link, error) {
	b := n.view.Image().Broker(id)
	if b == nil {
		return nil, fmt.Errorf("broker %d is not registered", id)
	}
	at, ok := b.Endpoint(n.config.InterBroker)
	if !ok {
		return nil, fmt.Errorf("broker %d has no listener %s", id, n.config.InterBroker)
	}
	return link.Dial(ctx, link.Options{
		Network: n.network, Address: net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))),
		ClientID: fmt.Sprintf("broker-%d-%s", n.config.ID, purpose), MaxInFlight: 1, Timeout: timeout,
	})
}

// propose takes an in-sync set to the controller, and decided what it answers to
// the partitions.
func (n *node) propose(p replica.Proposal) {
	n.proposals.Propose(membership.Proposal{
		Place: membership.Place{Topic: p.Topic, Index: p.Index}, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch,
		ISR: p.ISR, BrokerEpochs: p.BrokerEpochs,
	})
}

func (n *node) decided(p membership.Proposal, d membership.Decision) bool {
	asked := replica.Proposal{Topic: p.Topic, Index: p.Index}
	asked.ISR, asked.BrokerEpochs, asked.LeaderEpoch, asked.PartitionEpoch = p.ISR, p.BrokerEpochs, p.LeaderEpoch, p.PartitionEpoch
	return n.replicas.Decided(asked, replica.Decision(d))
}

// assigned tells the controller where a replica is; before KIP-858 it does not
// want to know.
func (n *node) assigned(topic model.TopicID, index int32, dir model.DirectoryID) {
	if n.view.Image().Features().Version.Directories() || n.view.Image().Offset < 0 {
		n.assignments.Assign(membership.Place{Topic: topic, Index: index}, dir)
	}
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
	return n.topicConfigs.of(img, topic, func() replica.TopicConfig { return n.makeTopicConfig(img, topic) })
}

func (n *node) makeTopicConfig(img *metadata.Image, topic string) replica.TopicConfig {
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
	return replica.TopicConfig{Log: logConfig(t, values), MinISR: t.MinISR, Synced: t.Fsync}
}

// cleanerConfig is what compaction may use on this broker.
func (n *node) cleanerConfig(img *metadata.Image) replica.CleanerConfig {
	v, err := n.dynamicValues(img)
	if err != nil { // topicConfig tells of it
		v = n.values
	}
	c := replica.CleanerConfig{
		Threads: v.Int("log.cleaner.threads"), Memory: v.Long("log.cleaner.dedupe.buffer.size"),
		Load: v.Double("log.cleaner.io.buffer.load.factor"), Buffer: v.Int("log.cleaner.io.buffer.size"),
		BytesPerSecond: v.Double("log.cleaner.io.max.bytes.per.second"), Backoff: v.MS("log.cleaner.backoff.ms"),
	}
	if !v.Bool("log.cleaner.enable") {
		c.Threads = 0
	}
	return c
}

// moveRate is how many bytes a second moves between log directories may copy.
func (n *node) moveRate(img *metadata.Image) float64 {
	v, err := n.dynamicValues(img)
	if err != nil { // topicConfig tells of it
		v = n.values
	}
	return float64(v.Long("replica.alter.log.dirs.io.max.bytes.per.second"))
}

// cordoned are the log directories that get no new replicas (KIP-1066).
func (n *node) cordoned(img *metadata.Image) (ids []model.DirectoryID) {
	v, err := n.dynamicValues(img)
	if err != nil { // topicConfig tells of it
		v = n.values
	}
	named := v.List("cordoned.log.dirs")
	for _, d := range n.dirs.Logs {
		if slices.ContainsFunc(named, func(dir string) bool { return dir == "*" || path.Clean(dir) == d.Path }) {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// cordon tells the controller which of the directories get no new replicas, once
// this life of the broker is in the metadata and they have a place there.
func (n *node) cordon(c *metadata.Change) {
	wanted := func(img *metadata.Image) bool { return n.caughtUp(img) && img.Features().Version.CordonedDirs() }
	if wanted(c.To) && (slices.ContainsFunc(c.Configs, n.concerns) || !wanted(c.From)) {
		n.member.Cordon(n.cordoned(c.To))
	}
}

// concerns reports whether a resource is the configuration of this broker or of all.
func (n *node) concerns(r metadata.ConfigResource) bool {
	return r.Type == configBroker && (r.Name == "" || r.Name == strconv.Itoa(int(n.config.ID)))
}

// movers is how many replicas move between log directories at once.
func (n *node) movers() int {
	if !n.values.Has("num.replica.alter.log.dirs.threads") {
		return 0
	}
	return n.values.Int("num.replica.alter.log.dirs.threads")
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
		DeleteRetention: t.DeleteRetention, MinCompactionLag: t.MinCompactionLag, MaxCompactionLag: t.MaxCompactionLag,
		Preallocate:        t.Preallocate,
		MinCleanableRatio:  t.MinCleanableRatio,
		TimestampBeforeMax: t.TimestampBefore, TimestampAfterMax: t.TimestampAfter,
		Recompress:         t.Compression != "producer",
		Codec:              codecs[t.Compression],
		ProducerExpiration: v.MS("producer.id.expiration.ms"),
		Verify:             v.Bool("transaction.partition.verification.enable"),
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
// without any directory left is of no use and stops, as Kafka's does, and so does
// one that cannot tell the controller: it would be believed to lead what it lost.
func (n *node) dirFailed(id model.DirectoryID, err error, left int) {
	n.member.DirectoryFailed(id)
	if left == 0 {
		n.parts.fail(fmt.Errorf("all log directories are offline: %w", err))
		return
	}
	timer := time.AfterFunc(n.values.MS("log.dir.failure.timeout.ms"), func() {
		if !n.member.DirectoryFailureTold() {
			n.parts.fail(fmt.Errorf("the controller was not told of an offline log directory in time: %w", err))
		}
	})
	context.AfterFunc(n.parts.alive, func() { timer.Stop() })
}
