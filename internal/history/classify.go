package history

import "github.com/stromkafka/strom/internal/kerr"

// definite are the answers to a Produce that leave no doubt: the leader said so
// before it appended anything. All others may come after the append, when the
// wait for the in-sync replicas ended badly: REQUEST_TIMED_OUT and
// NOT_ENOUGH_REPLICAS_AFTER_APPEND by their nature, NOT_LEADER_OR_FOLLOWER,
// UNKNOWN_TOPIC_OR_PARTITION and KAFKA_STORAGE_ERROR because a leader that is
// deposed, deleted or loses its disk during the wait answers with them.
// DUPLICATE_SEQUENCE_NUMBER even says that the record is there.
var definite = codes(
	kerr.NotEnoughReplicas, kerr.MessageTooLarge, kerr.CorruptMessage, kerr.InvalidRecord, kerr.InvalidTimestamp,
	kerr.RecordListTooLarge, kerr.InvalidRequiredAcks, kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch,
	kerr.UnsupportedForMessageFormat, kerr.UnsupportedCompressionType, kerr.InvalidTopicException,
	kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
)

func codes(errs ...error) map[int16]bool {
	all := map[int16]bool{}
	for _, err := range errs {
		all[kerr.Code(err)] = true
	}
	return all
}

// Classify is the outcome of a send that ended with the code of a Produce
// response. attempts is how often the record was written to a connection; an
// error after several says nothing about those before the last.
func Classify(code int16, attempts int) Outcome {
	switch {
	case code == 0:
		return OK
	case attempts == 0, attempts == 1 && definite[code]:
		return Failed
	}
	return Unknown
}
