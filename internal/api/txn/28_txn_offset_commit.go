package txn

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/batch"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/verify"
	"github.com/stromkafka/strom/internal/wire"
)

// TxnOffsetCommit serves versions 0-6 (KIP-98, 447, 890, 1319): a group's offsets are
// written down in a transaction and count once it is committed. The group's
// coordinator asks the transaction's first whether the transaction has its
// partition; from version 5 on it adds it. Topics are named by id from version 6 on.
//
// Needs WRITE on the transactional id, and READ on the group and on each topic.
type TxnOffsetCommit struct {
	Image      func() *metadata.Image
	Groups     Offsets
	Verifier   Verifier
	Authorizer auth.Authorizer
}

// Offsets are the coordinators of groups on this broker; see coordinator.Set.
type Offsets interface {
	PartitionFor(group string) int32
	Verify(partition int32, v commitlog.Verification) (commitlog.Guard, error)
	CallVerified(ctx context.Context, partition int32, guard commitlog.Guard, request any) (any, error)
}

// Verifier asks transactions' coordinators; see verify.Verifier.
type Verifier interface {
	Verify(ctx context.Context, t verify.Transaction, partitions []model.Partition) map[model.Partition]error
}

// offsetsByTopicID is the version from which on topics are named by their ids.
const offsetsByTopicID = 6

// Handle implements server.Handler.
func (h *TxnOffsetCommit) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.TxnOffsetCommitRequest)
	if err := h.authorize(r, q); err != nil {
		return offsetResults(r, q, func(int, int32) int16 { return kerr.Code(err) })
	}
	own, names, refused := h.known(r, q)
	answered := map[model.Partition]int16{}
	if len(own.Topics) > 0 {
		answered = h.commit(ctx, r, own)
	}
	return offsetResults(r, q, func(topic int, partition int32) int16 {
		at := model.Partition{Topic: names[topic], Index: partition}
		if err := refused[spot{topic, partition}]; err != nil {
			return kerr.Code(err)
		}
		return answered[at]
	})
}

func (h *TxnOffsetCommit) authorize(r *server.Request, q *wire.TxnOffsetCommitRequest) error {
	switch {
	case !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Write, auth.TransactionalID, q.TransactionalID):
		return kerr.TransactionalIDAuthorizationFailed
	case !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Read, auth.Group, q.GroupID):
		return kerr.GroupAuthorizationFailed
	case q.GroupID == "":
		return kerr.InvalidGroupID
	}
	return nil
}

// spot is a partition by the place of its topic in the request.
type spot struct {
	topic     int
	partition int32
}

// known is the request with only those partitions that offsets may be committed
// for, the names of all topics, and why the rest is left out.
func (h *TxnOffsetCommit) known(r *server.Request, q *wire.TxnOffsetCommitRequest) (own *wire.TxnOffsetCommitRequest, names []string, refused map[spot]error) {
	img, some := h.Image(), *q
	own, some.Topics, refused = &some, nil, map[spot]error{}
	for i := range q.Topics {
		topic := q.Topics[i]
		t, err := h.topic(r, img, &topic)
		names = append(names, topic.Name)
		left := wire.TxnOffsetCommitRequestTopic{Name: topic.Name}
		for _, p := range topic.Partitions {
			switch {
			case err != nil:
				refused[spot{i, p.PartitionIndex}] = err
			case p.PartitionIndex < 0 || int(p.PartitionIndex) >= len(t.Partitions):
				refused[spot{i, p.PartitionIndex}] = kerr.UnknownTopicOrPartition
			default:
				left.Partitions = append(left.Partitions, p)
			}
		}
		if len(left.Partitions) > 0 {
			own.Topics = append(own.Topics, left)
		}
	}
	return own, names, refused
}

// topic finds a topic that the caller may read, and names it.
func (h *TxnOffsetCommit) topic(r *server.Request, img *metadata.Image, topic *wire.TxnOffsetCommitRequestTopic) (*metadata.Topic, error) {
	t := img.Topic(topic.Name)
	if r.Header.APIVersion >= offsetsByTopicID {
		if t = img.TopicByID(model.TopicID(topic.TopicID)); t == nil {
			return nil, kerr.UnknownTopicID
		}
		topic.Name = t.Name
	}
	switch {
	case !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Read, auth.Topic, topic.Name):
		return nil, kerr.TopicAuthorizationFailed
	case t == nil:
		return nil, kerr.UnknownTopicOrPartition
	}
	return t, nil
}

// commit is what each partition is answered.
func (h *TxnOffsetCommit) commit(ctx context.Context, r *server.Request, q *wire.TxnOffsetCommitRequest) map[model.Partition]int16 {
	response, err := h.verified(ctx, r, q)
	if err != nil {
		response = group.TxnCommitRefused(q, err)
	}
	codes := map[model.Partition]int16{}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			codes[model.Partition{Topic: t.Name, Index: p.PartitionIndex}] = p.ErrorCode
		}
	}
	return codes
}

// verified commits once the transaction is known to have the group's partition.
func (h *TxnOffsetCommit) verified(ctx context.Context, r *server.Request, q *wire.TxnOffsetCommitRequest) (*wire.TxnOffsetCommitResponse, error) {
	client := verify.Committing(r.Header.APIVersion)
	p := producer(q.ProducerID, q.ProducerEpoch)
	at := model.Partition{Topic: model.OffsetsTopic, Index: h.Groups.PartitionFor(q.GroupID)}
	guard, err := h.Groups.Verify(at.Index, commitlog.Verification{
		Producer: p.ID, Epoch: p.Epoch, Sequence: batch.NoSequence, NewEpochs: client == verify.Adding,
	})
	if err == nil && guard != 0 {
		t := verify.Transaction{ID: q.TransactionalID, Producer: p.ID, Epoch: p.Epoch, Client: client}
		err = h.Verifier.Verify(ctx, t, []model.Partition{at})[at]
	}
	if err != nil {
		return nil, unverified(err)
	}
	request := group.Request{Version: r.Header.APIVersion, ClientID: r.ClientID(), Address: r.ClientHost, Principal: r.Principal, Body: q}
	response, err := h.Groups.CallVerified(ctx, at.Index, guard, request)
	if err != nil {
		return nil, err
	}
	return response.(*wire.TxnOffsetCommitResponse), nil
}

// unverified is why a transaction could not be asked about, as clients of a
// group's coordinator understand it.
func unverified(err error) error {
	switch kerr.Code(err) {
	case kerr.NetworkException.Code: // so that they ask again, and here
		return kerr.CoordinatorLoadInProgress
	case kerr.UnknownTopicOrPartition.Code, kerr.NotEnoughReplicas.Code, kerr.RequestTimedOut.Code:
		return kerr.CoordinatorNotAvailable
	case kerr.NotLeaderOrFollower.Code, kerr.KafkaStorageError.Code:
		return kerr.NotCoordinator
	}
	return err
}

// offsetResults answers each partition of a request. Clients older than version 2
// may not survive COORDINATOR_LOAD_IN_PROGRESS (KAFKA-7296).
func offsetResults(r *server.Request, q *wire.TxnOffsetCommitRequest, code func(topic int, partition int32) int16) *wire.TxnOffsetCommitResponse {
	response := &wire.TxnOffsetCommitResponse{Topics: make([]wire.TxnOffsetCommitResponseTopic, len(q.Topics))}
	for i := range q.Topics {
		in, out := &q.Topics[i], &response.Topics[i]
		out.Name, out.TopicID = in.Name, in.TopicID
		out.Partitions = make([]wire.TxnOffsetCommitResponsePartition, len(in.Partitions))
		for j, p := range in.Partitions {
			c := code(i, p.PartitionIndex)
			if r.Header.APIVersion < 2 && c == kerr.CoordinatorLoadInProgress.Code {
				c = kerr.CoordinatorNotAvailable.Code
			}
			out.Partitions[j] = wire.TxnOffsetCommitResponsePartition{PartitionIndex: p.PartitionIndex, ErrorCode: c}
		}
	}
	return response
}
