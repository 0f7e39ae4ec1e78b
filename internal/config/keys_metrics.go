package config

// metricsKeys are metrics and telemetry.
var metricsKeys = []Key{
	{Name: "metrics.num.samples", Type: Int, Default: "2", Valid: atLeast(1), Importance: Low,
		Doc: "Number of samples a windowed metric keeps."},
	{Name: "metrics.sample.window.ms", Type: Long, Default: "30000", Valid: atLeast(1), Importance: Low,
		Doc: "Length of a sample of a windowed metric."},
	{Name: "metric.reporters", Type: List, Default: "org.apache.kafka.common.metrics.JmxReporter", Valid: distinct, Importance: Low, Dynamic: ClusterWide,
		Doc: "Classes that report metrics."},
	{Name: "metrics.recording.level", Type: String, Default: "INFO", Importance: Low,
		Doc: "Least importance of the metrics that are recorded."},
	{Name: "kafka.metrics.reporters", Type: List, Default: "", Valid: distinct, Importance: Low,
		Doc: "Classes that report metrics of the older kind."},
	{Name: "kafka.metrics.polling.interval.secs", Type: Int, Default: "10", Valid: atLeast(1), Importance: Low,
		Doc: "How often the older metric reporters poll."},
	{Name: "telemetry.max.bytes", Type: Int, Default: "1048576", Valid: atLeast(1), Importance: Low, Effect: true,
		Doc: "Largest metrics payload accepted from a client."},
}
