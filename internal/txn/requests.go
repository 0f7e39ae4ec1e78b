package txn

import (
	"regexp"

	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
)

// InitProducerID gives a transactional id a producer, and fences those it had.
// The reply is an InitProducerIDReply.
type InitProducerID struct {
	TransactionalID string
	TimeoutMS       int32
	TwoPhase        bool // KIP-939: no time-out
	// Expected is the producer that goes on after an error (KIP-360), nil for
	// one that begins.
	Expected *machine.Producer
}

// InitProducerIDReply answers InitProducerID.
type InitProducerIDReply struct {
	Producer machine.Producer
	Err      error
}

// AddPartitions adds partitions to the producer's transaction, and begins it with
// the first. The reply is an AddPartitionsReply.
type AddPartitions struct {
	TransactionalID string
	Producer        machine.Producer
	Partitions      []model.Partition
	Client          int16 // transaction version of the client
}

// AddPartitionsReply answers AddPartitions.
type AddPartitionsReply struct{ Err error }

// VerifyPartitions asks whether partitions are in the producer's transaction
// (KIP-890). The reply is a VerifyPartitionsReply.
type VerifyPartitions struct {
	TransactionalID string
	Producer        machine.Producer
	Partitions      []model.Partition
}

// VerifyPartitionsReply answers VerifyPartitions. Missing are those that are not
// in the transaction, if Err is nil.
type VerifyPartitionsReply struct {
	Missing []model.Partition
	Err     error
}

// EndTxn commits or aborts the producer's transaction. The reply is an EndTxnReply.
type EndTxn struct {
	TransactionalID string
	Producer        machine.Producer
	Commit          bool
	Client          int16 // transaction version of the client
}

// EndTxnReply answers EndTxn. The producer is the one for the next transaction if
// the client is of version 2, else none.
type EndTxnReply struct {
	Producer machine.Producer
	Err      error
}

// MarkersWritten is the outcome of some partitions of a SendMarkers: they have
// their marker, or are gone for good. There is no reply.
type MarkersWritten struct {
	TransactionalID string
	Round           uint64
	Partitions      []model.Partition
}

// Describe asks for one transactional id. The reply is a DescribeReply.
type Describe struct{ TransactionalID string }

// DescribeReply answers Describe. Partitions are those of the open transaction;
// of one that ends, those without marker.
type DescribeReply struct {
	Found          bool
	State          State
	TimeoutMS      int32
	StartedMS      int64
	Producer       machine.Producer
	PartitionsLeft []model.Partition
}

// List asks for the transactional ids that pass each filter. The reply is a
// ListReply.
type List struct {
	ProducerIDs []model.ProducerID // none is all
	// States is nil for all; else none may pass.
	States     []State
	DurationMS int64          // negative is all
	Pattern    *regexp.Regexp // nil is all
}

// ListReply answers List, in the order of the ids.
type ListReply struct{ Transactions []Listed }

// Listed is one transactional id.
type Listed struct {
	TransactionalID string
	ProducerID      model.ProducerID
	State           State
}

// SendMarkers is the event that asks for a marker in each partition. Its outcome
// comes back as MarkersWritten, in as many parts as there are.
type SendMarkers struct {
	TransactionalID string
	Producer        machine.Producer
	Commit          bool
	Partitions      []model.Partition
	Client          int16 // transaction version of the client
	Round           uint64
}
