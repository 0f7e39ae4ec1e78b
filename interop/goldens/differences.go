package goldens

// What is different about Strom in every script. Differences of single answers stand beside them in testdata, as
// "---- strom: REASON".

// addedConfigs are the configs that Apache Kafka 4.3.1 does not have, each with the reason why Strom does. They are
// not shown where an answer lists configs.
var addedConfigs = map[string]string{
	"flush.policy":                                     "Strom's own: when a record counts as stored",
	"log.flush.policy":                                 "the same, for topics that do not say",
	"cluster.id":                                       "Strom's own: lets a broker format its directories",
	"client.telemetry.otlp.endpoint":                   "Strom's own: where clients' metrics go",
	"errors.deadletterqueue.group.enable":              "new in Apache Kafka 4.4",
	"errors.deadletterqueue.copy.record.enable":        "new in Apache Kafka 4.4",
	"errors.deadletterqueue.topic.name":                "new in Apache Kafka 4.4",
	"errors.deadletterqueue.auto.create.topics.enable": "new in Apache Kafka 4.4",
	"errors.deadletterqueue.topic.name.prefix":         "new in Apache Kafka 4.4",
	"streams.assignor.name":                            "new in Apache Kafka 4.4",
	"streams.rack.aware.assignment.tags":               "new in Apache Kafka 4.4",
	"group.streams.assignors":                          "new in Apache Kafka 4.4",
	"group.streams.rack.aware.assignment.tags":         "new in Apache Kafka 4.4",
	"group.streams.topology.description.plugin.class":  "new in Apache Kafka 4.4",
	"log.remote.copy.lag.bytes":                        "new in Apache Kafka 4.4",
	"log.remote.copy.lag.ms":                           "new in Apache Kafka 4.4",
	"sasl.oauthbearer.allow.unverified.audience":       "new in Apache Kafka 4.4",
	"sasl.oauthbearer.allow.unverified.issuer":         "new in Apache Kafka 4.4",
	"remote.copy.lag.bytes":                            "new in Apache Kafka 4.4",
	"remote.copy.lag.ms":                               "new in Apache Kafka 4.4",
}
