package machine

import "github.com/stromkafka/strom/internal/kerr"

// refusal is an error of the log as coordinators say it to clients. Its cause can
// still be asked for with errors.Is: some requests have names of their own for it.
type refusal struct{ told, cause error }

func (r *refusal) Error() string   { return r.told.Error() + ": " + r.cause.Error() }
func (r *refusal) Unwrap() []error { return []error{r.told, r.cause} }

// Refusal is what a client of a coordinator hears of an append's error. It knows
// coordinators, not the partitions behind them, and what it should do about it:
// find the coordinator again or ask again.
func Refusal(err error) error {
	if err == nil {
		return nil
	}
	switch kerr.Code(err) {
	case kerr.UnknownTopicOrPartition.Code, kerr.NotEnoughReplicas.Code, kerr.NotEnoughReplicasAfterAppend.Code, kerr.RequestTimedOut.Code:
		return &refusal{kerr.CoordinatorNotAvailable, err}
	case kerr.NotLeaderOrFollower.Code, kerr.KafkaStorageError.Code:
		return &refusal{kerr.NotCoordinator, err}
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		return &refusal{kerr.UnknownServerError, err}
	}
	return err
}
