// Package machine is what a coordinator's pure machine and the shell that runs it
// say to each other.
//
// One machine stands for one partition of an internal topic. Its lasting state is
// exactly the fold of that partition's records: the same records give the same
// state, whether they were appended by this machine, read back at start or
// replicated from another broker, and whether compaction has been through them or
// not. What it keeps besides (who waits for a rebalance, when a session ends) is
// lost with the leadership, as in Kafka.
//
//	request, time or image -> Handle, Tick, Update -> Effects
//	                                                    |
//	         Refused <- the append failed --------------+
//	                                                    | appended
//	         Fold for each record <---------------------+
//	                                                    | committed
//	         replies and events leave <-----------------+
//
// The shell calls one method at a time and finishes with the effects of one call
// (append and fold, or refuse) before it makes the next. So a machine decides on
// what it has written, committed or not; nobody outside learns of it before it is
// committed.
package machine

import (
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// Machine is a coordinator of one partition. It is pure: time comes in as
// arguments, randomness and ids by what it was built with.
type Machine interface {
	// Fold takes in one record. An error says that the record cannot be
	// understood; the shell logs it and goes on, and the state is as before.
	Fold(from Origin, r Record) error
	// FoldMarker takes in the marker that ends a producer's transaction in this
	// partition.
	FoldMarker(p Producer, committed bool)
	// Start begins service: the whole log is folded and this broker leads. Nothing
	// but Fold and FoldMarker is called before.
	Start(now time.Time, img *metadata.Image) Effects
	// Handle takes a request, or the outcome of an event. The token names whom to
	// reply to, each is used once; the requests are the machine's own types.
	Handle(now time.Time, t Token, request any) Effects
	// Update shows a newer image of the metadata.
	Update(now time.Time, img *metadata.Image) Effects
	// Due is when Tick is wanted next; the zero time means not before something else happens.
	Due() time.Time
	// Tick lets the time pass. Work that is large is done in parts: Due is then at once.
	Tick(now time.Time) Effects
	// Refused takes effects back whose records could not be appended: none of
	// them was folded. The shell has answered their replies with the error and
	// dropped their events. The error is what Refusal makes of the log's.
	Refused(now time.Time, e Effects, err error) Effects
}

// Token names a request that waits for a reply; 0 is nobody.
type Token uint64

// Record is one record of the topic. A nil value is a tombstone.
type Record struct{ Key, Value []byte }

// Producer is one incarnation of a producer.
type Producer struct {
	ID    model.ProducerID
	Epoch int16
}

// Origin is where a folded record stands. Its Producer has the ID -1 unless the
// record is part of a transaction, which is open until FoldMarker.
type Origin struct {
	Offset    model.Offset
	Timestamp time.Time
	Producer  Producer
}

// Effects are what a call leads to. The zero Effects are nothing.
type Effects struct {
	// Records are appended as one batch, all or none.
	Records []Record
	// Transaction makes the batch part of a transaction of this producer, when not nil.
	Transaction *Producer
	// Replies leave once all that has been folded so far is committed.
	Replies []Reply
	// Events leave in order under the same condition and go to whoever runs the
	// shell: markers to be sent, for one. Their outcome comes back through Handle.
	Events []any
}

// Reply answers a token.
type Reply struct {
	Token    Token
	Response any
	// Early says that the response shows nothing of the state that could be taken
	// back, so that it leaves at once: a heartbeat, or an error of the request
	// itself. It still leaves after a failed append of its own effects only as
	// that failure.
	Early bool
}
