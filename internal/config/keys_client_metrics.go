package config

// clientMetricsKeys are the keys of a client metrics subscription.
var clientMetricsKeys = []Key{
	{Name: "metrics", Type: List, Default: "", Valid: distinct, Importance: Medium, Effect: true,
		Doc: "Prefixes of the client metrics to collect; * for all."},
	{Name: "interval.ms", Type: Int, Default: "300000", Importance: Medium, Effect: true,
		Doc: "How often clients push their metrics."},
	{Name: "match", Type: List, Default: "", Valid: distinct, Importance: Medium, Effect: true,
		Doc: "Which clients are asked, as selector=regular expression pairs."},
}
