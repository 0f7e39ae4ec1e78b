package config

// quotaKeys are quotas.
var quotaKeys = []Key{
	{Name: "quota.window.num", Type: Int, Default: "11", Valid: atLeast(1), Importance: Low,
		Doc: "Number of samples kept for client quotas."},
	{Name: "replication.quota.window.num", Type: Int, Default: "11", Valid: atLeast(1), Importance: Low,
		Doc: "Number of samples kept for replication quotas."},
	{Name: "alter.log.dirs.replication.quota.window.num", Type: Int, Default: "11", Valid: atLeast(1), Importance: Low,
		Doc: "Number of samples kept for the quota on moves between log directories."},
	{Name: "controller.quota.window.num", Type: Int, Default: "11", Valid: atLeast(1), Importance: Low,
		Doc: "Number of samples kept for controller mutation quotas."},
	{Name: "quota.window.size.seconds", Type: Int, Default: "1", Valid: atLeast(1), Importance: Low,
		Doc: "Length of a sample of a client quota."},
	{Name: "replication.quota.window.size.seconds", Type: Int, Default: "1", Valid: atLeast(1), Importance: Low,
		Doc: "Length of a sample of a replication quota."},
	{Name: "alter.log.dirs.replication.quota.window.size.seconds", Type: Int, Default: "1", Valid: atLeast(1), Importance: Low,
		Doc: "Length of a sample of the quota on moves between log directories."},
	{Name: "controller.quota.window.size.seconds", Type: Int, Default: "1", Valid: atLeast(1), Importance: Low,
		Doc: "Length of a sample of a controller mutation quota."},
	{Name: "client.quota.callback.class", Type: Class, Null: true, Importance: Low,
		Doc: "Class that decides which client quota applies."},
	{Name: "leader.replication.throttled.rate", Type: Long, Default: "9223372036854775807", Valid: atLeast(0), Importance: Medium, Dynamic: ClusterWide, DynamicOnly: true,
		Doc: "Bytes per second that throttled replicas may send as leaders. Set dynamically only."},
	{Name: "follower.replication.throttled.rate", Type: Long, Default: "9223372036854775807", Valid: atLeast(0), Importance: Medium, Dynamic: ClusterWide, DynamicOnly: true,
		Doc: "Bytes per second that throttled replicas may receive as followers. Set dynamically only."},
	{Name: "replica.alter.log.dirs.io.max.bytes.per.second", Type: Long, Default: "9223372036854775807", Valid: atLeast(0), Importance: Medium, Dynamic: ClusterWide, DynamicOnly: true, Effect: true,
		Doc: "Bytes per second for moving replicas between log directories. Set dynamically only."},
}

// clientQuotaKeys are what a client quota can limit; they are set as quotas, not as
// configuration.
var clientQuotaKeys = []Key{
	{Name: "producer_byte_rate", Type: Long, Default: "9223372036854775807", Importance: Medium,
		Doc: "Bytes per second a client may produce to one broker."},
	{Name: "consumer_byte_rate", Type: Long, Default: "9223372036854775807", Importance: Medium,
		Doc: "Bytes per second a client may consume from one broker."},
	{Name: "request_percentage", Type: Double, Default: "2.147483647E9", Importance: Medium,
		Doc: "Share of request handling time a client may use on one broker, in percent of one thread."},
	{Name: "controller_mutation_rate", Type: Double, Default: "2.147483647E9", Importance: Medium,
		Doc: "Partitions per second a client may create or delete."},
	{Name: "connection_creation_rate", Type: Int, Default: "2147483647", Valid: atLeast(0), Importance: Medium,
		Doc: "Connections per second accepted from one address."},
}
