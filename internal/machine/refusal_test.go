package machine_test

import (
	"errors"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
)

// What Kafka's coordinators say to clients of the errors of their partition.
func TestRefusal(t *testing.T) {
	for _, c := range []struct{ cause, told *kerr.Error }{
		{kerr.UnknownTopicOrPartition, kerr.CoordinatorNotAvailable},
		{kerr.NotEnoughReplicas, kerr.CoordinatorNotAvailable},
		{kerr.RequestTimedOut, kerr.CoordinatorNotAvailable},
		{kerr.NotLeaderOrFollower, kerr.NotCoordinator},
		{kerr.KafkaStorageError, kerr.NotCoordinator},
		{kerr.MessageTooLarge, kerr.UnknownServerError},
		{kerr.RecordListTooLarge, kerr.UnknownServerError},
		{kerr.InvalidProducerEpoch, kerr.InvalidProducerEpoch},
	} {
		if err := machine.Refusal(c.cause.With("why")); kerr.Code(err) != c.told.Code || !errors.Is(err, c.cause) {
			t.Errorf("%v is told as %v", c.cause, err)
		}
	}
}
