package goldens

// What is different about Strom in every script. Differences of single answers stand beside them in testdata, as
// "---- strom: REASON".

// addedConfigs are the topic configs that Apache Kafka 4.3.1 does not have, each with the reason why Strom does. They are
// not shown where an answer lists configs.
var addedConfigs = map[string]string{
	"flush.policy":                        "Strom's own: when a record counts as stored",
	"errors.deadletterqueue.group.enable": "new in Apache Kafka 4.4",
	"remote.copy.lag.bytes":               "new in Apache Kafka 4.4",
	"remote.copy.lag.ms":                  "new in Apache Kafka 4.4",
}
