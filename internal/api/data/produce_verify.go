package data

import (
	"context"
	"errors"

	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/verify"
	"github.com/stromkafka/strom/internal/wire"
)

// Verifier asks the coordinators of transactions whether partitions are part of
// them; see verify.Verifier.
type Verifier interface {
	Verify(ctx context.Context, t verify.Transaction, partitions []model.Partition) map[model.Partition]error
}

// verdict is what is known of a partition's part in the transaction before its
// records are appended.
type verdict struct {
	guard commitlog.Guard
	err   error
}

// verify asks about all partitions that the transaction begins in (KIP-890), and
// notes the verdicts. Where the records could not be appended anyhow, or the
// transaction is open already, nothing is asked. The error refuses the request.
func (c *call) verify(ctx context.Context, id string, topics []wire.ProduceRequestTopicData) error {
	t := verify.Transaction{ID: id, Producer: batch.NoProducerID, Client: verify.Producing(c.r.Header.APIVersion)}
	var asked []model.Partition
	for i := range topics {
		topic, err := c.resolve(&topics[i])
		for j := range topics[i].PartitionData {
			data := &topics[i].PartitionData[j]
			b := transactional(data.Records.Bytes())
			if b == nil {
				continue
			}
			if t.Producer != batch.NoProducerID && (b.ProducerID() != t.Producer || b.ProducerEpoch() != t.Epoch) {
				return kerr.InvalidProducerIDMapping.With("transactional records of more than one producer")
			}
			t.Producer, t.Epoch = b.ProducerID(), b.ProducerEpoch()
			if err != nil || c.img.Partition(topic.ID, data.Index) == nil || checkRecords(c.r.Header.APIVersion, data.Records.Bytes()) != nil {
				continue
			}
			at := model.Partition{Topic: topic.Name, Index: data.Index}
			v := c.begin(topic.ID, data.Index, b, t.Client)
			if v.guard != 0 {
				asked = append(asked, at)
			}
			c.verdicts[at] = v
		}
	}
	if len(asked) == 0 {
		return nil
	}
	for at, err := range c.Verifier.Verify(ctx, t, asked) {
		c.verdicts[at] = verdict{err: unverified(err, t.Client)}
	}
	return nil
}

// begin begins a partition's verification, if it needs one.
func (c *call) begin(topic model.TopicID, index int32, b batch.Batch, client verify.Client) verdict {
	p, err := c.Partitions.Partition(topic, index)
	if err != nil {
		return verdict{err: err}
	}
	guard, err := p.Verify(commitlog.Verification{
		Producer: b.ProducerID(), Epoch: b.ProducerEpoch(), Sequence: b.BaseSequence(), NewEpochs: client == verify.Adding,
	})
	return verdict{guard, err}
}

// transactional is the first batch of records if it is part of a transaction.
func transactional(records []byte) batch.Batch {
	first, _, ok, err := nextBatch(records)
	if err != nil || !ok {
		return nil
	}
	b, _, err := batch.Next(first)
	if err != nil || b.CheckHeader() != nil || !b.IsTransactional() || !b.HasProducer() {
		return nil
	}
	return b
}

// explained is an error whose message goes to the producer.
type explained struct{ err *kerr.Error }

func (e explained) Error() string { return e.err.Error() }
func (e explained) Unwrap() error { return e.err }

// unverified is a coordinator's error as a producer hears it. Those that it would
// not know what to do about become NOT_ENOUGH_REPLICAS, at which every client
// sends again without looking for another leader.
func unverified(err error, client verify.Client) error {
	retry := errors.Is(err, kerr.NetworkException) || errors.Is(err, kerr.CoordinatorLoadInProgress) ||
		errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.NotCoordinator) ||
		errors.Is(err, kerr.ConcurrentTransactions) && client != verify.Adding
	switch {
	case retry:
		return explained{kerr.NotEnoughReplicas.With("whether the partition is part of the transaction cannot be told: %v", err)}
	case errors.Is(err, kerr.InvalidTxnState):
		return explained{kerr.InvalidTxnState.With("the partition is not part of the transaction")}
	}
	return err
}
