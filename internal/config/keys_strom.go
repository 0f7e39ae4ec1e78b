package config

// stromKeys are Strom's own broker keys; Apache Kafka has none of them.
var stromKeys = []Key{
	{Name: "log.flush.policy", Type: String, Default: FlushFsync, Valid: oneOf(FlushFsync, FlushOS), Importance: High, Dynamic: ClusterWide, Effect: true,
		Doc: "When a record counts as stored: fsync, once it is on disk, or os, once the operating system has it, as in Apache Kafka. A key of Strom's own."},
	{Name: "internal.journal.segment.bytes", Type: Int, Default: "33554432", Valid: atLeast(8192), Importance: Low, Internal: true, Effect: true,
		Doc: "Size of each of the two files of a log directory's journal, for tests. A key of Strom's own."},
	{Name: "cluster.id", Type: String, Null: true, Importance: Medium, Effect: true,
		Doc: "Cluster this node belongs to; lets a broker without controller role format its own directories. A key of Strom's own."},
	{Name: "client.telemetry.otlp.endpoint", Type: String, Null: true, Valid: httpURL, Importance: Low, Effect: true,
		Doc: "OTLP/HTTP endpoint, such as http://localhost:4318/v1/metrics, that the metrics clients push are sent to; without one clients are not asked for any. A key of Strom's own."},
}

// stromTopicKeys are Strom's own topic keys.
var stromTopicKeys = []Key{
	{Name: "flush.policy", Type: String, Default: FlushFsync, Valid: oneOf(FlushFsync, FlushOS), Importance: High, Synonyms: []string{"log.flush.policy"}, Effect: true,
		Doc: "When a record of this topic counts as stored: fsync, once it is on disk, or os, once the operating system has it. A key of Strom's own."},
}

// The values of log.flush.policy and flush.policy.
const (
	FlushFsync = "fsync"
	FlushOS    = "os"
)
