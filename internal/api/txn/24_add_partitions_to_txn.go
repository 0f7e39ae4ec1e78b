package txn

import (
	"context"
	"sync"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// AddPartitionsToTxn serves versions 0-5 (KIP-98, 890). Clients send versions 0-3, of
// one transaction, which need WRITE on the transactional id and each topic.
// Brokers send versions 4 and 5, of several, to add partitions for clients of
// transaction version 2, or to ask whether a partition is in a transaction; they
// need CLUSTER_ACTION.
//
// If a partition may not be added or does not exist, none is; the others answer
// OPERATION_NOT_ATTEMPTED.
type AddPartitionsToTxn struct {
	Image        func() *metadata.Image
	Transactions Coordinator
	Authorizer   auth.Authorizer
}

// maxTransactionsAtOnce bounds how many transactions of one request are with their
// coordinators at the same time.
const maxTransactionsAtOnce = 64

// Handle implements server.Handler.
func (h *AddPartitionsToTxn) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.AddPartitionsToTxnRequest)
	response := &wire.AddPartitionsToTxnResponse{}
	if r.Header.APIVersion < 4 {
		response.ResultsByTopicV3AndBelow = h.add(ctx, r, &wire.AddPartitionsToTxnRequestTransaction{
			TransactionalID: q.V3AndBelowTransactionalID, ProducerID: q.V3AndBelowProducerID,
			ProducerEpoch: q.V3AndBelowProducerEpoch, Topics: q.V3AndBelowTopics,
		})
		return response
	}
	if !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.ClusterAction, auth.Cluster, auth.ClusterName) {
		response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return response
	}
	response.ResultsByTransaction = make([]wire.AddPartitionsToTxnResponseResult, len(q.Transactions))
	slots := make(chan struct{}, maxTransactionsAtOnce)
	var all sync.WaitGroup
	for i := range q.Transactions {
		slots <- struct{}{}
		all.Go(func() {
			t := &q.Transactions[i]
			response.ResultsByTransaction[i] = wire.AddPartitionsToTxnResponseResult{TransactionalID: t.TransactionalID, TopicResults: h.add(ctx, r, t)}
			<-slots
		})
	}
	all.Wait()
	return response
}

// add is the result for one transaction.
func (h *AddPartitionsToTxn) add(ctx context.Context, r *server.Request, t *wire.AddPartitionsToTxnRequestTransaction) []wire.AddPartitionsToTxnResponseTopic {
	client := r.Header.APIVersion < 4
	if client && !h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Write, auth.TransactionalID, t.TransactionalID) {
		return results(t.Topics, func(model.Partition) int16 { return kerr.TransactionalIDAuthorizationFailed.Code })
	}
	refused := h.refused(r, t.Topics, client)
	if len(refused) > 0 {
		return results(t.Topics, func(p model.Partition) int16 {
			if err := refused[p]; err != nil {
				return err.Code
			}
			return kerr.OperationNotAttempted.Code
		})
	}
	if !usable(t.TransactionalID) {
		return results(t.Topics, func(model.Partition) int16 { return kerr.InvalidRequest.Code })
	}
	var partitions []model.Partition
	for _, topic := range t.Topics {
		for _, p := range topic.Partitions {
			partitions = append(partitions, model.Partition{Topic: topic.Name, Index: p})
		}
	}
	if t.VerifyOnly {
		return h.verify(ctx, t, partitions)
	}
	request := txn.AddPartitions{TransactionalID: t.TransactionalID, Producer: producer(t.ProducerID, t.ProducerEpoch), Partitions: partitions}
	if !client {
		request.Client = 2
	}
	reply, err := call[txn.AddPartitionsReply](ctx, h.Transactions, t.TransactionalID, request)
	if err == nil {
		err = reply.Err
	}
	code := fencedBefore(2, r, err)
	return results(t.Topics, func(model.Partition) int16 { return code })
}

// refused are the partitions that cannot be part of a transaction. Clients may not
// add those of internal topics by their names.
func (h *AddPartitionsToTxn) refused(r *server.Request, topics []wire.AddPartitionsToTxnRequestTopic, client bool) map[model.Partition]*kerr.Error {
	img := h.Image()
	refused := map[model.Partition]*kerr.Error{}
	for _, topic := range topics {
		allowed := !client || !model.IsInternalTopic(topic.Name) &&
			h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.Write, auth.Topic, topic.Name)
		known := img.Topic(topic.Name)
		for _, p := range topic.Partitions {
			at := model.Partition{Topic: topic.Name, Index: p}
			switch {
			case !allowed:
				refused[at] = kerr.TopicAuthorizationFailed
			case known == nil || p < 0 || int(p) >= len(known.Partitions):
				refused[at] = kerr.UnknownTopicOrPartition
			}
		}
	}
	return refused
}

func (h *AddPartitionsToTxn) verify(ctx context.Context, t *wire.AddPartitionsToTxnRequestTransaction, partitions []model.Partition) []wire.AddPartitionsToTxnResponseTopic {
	request := txn.VerifyPartitions{TransactionalID: t.TransactionalID, Producer: producer(t.ProducerID, t.ProducerEpoch), Partitions: partitions}
	reply, err := call[txn.VerifyPartitionsReply](ctx, h.Transactions, t.TransactionalID, request)
	if err == nil {
		err = reply.Err
	}
	missing := map[model.Partition]bool{}
	for _, p := range reply.Missing {
		missing[p] = true
	}
	code := kerr.Code(err)
	return results(t.Topics, func(p model.Partition) int16 {
		if missing[p] {
			return kerr.TransactionAbortable.Code
		}
		return code
	})
}

// results are the same partitions with a code each.
func results(topics []wire.AddPartitionsToTxnRequestTopic, code func(model.Partition) int16) []wire.AddPartitionsToTxnResponseTopic {
	all := make([]wire.AddPartitionsToTxnResponseTopic, len(topics))
	for i, t := range topics {
		all[i] = wire.AddPartitionsToTxnResponseTopic{Name: t.Name, ResultsByPartition: make([]wire.AddPartitionsToTxnResponsePartition, len(t.Partitions))}
		for j, p := range t.Partitions {
			all[i].ResultsByPartition[j] = wire.AddPartitionsToTxnResponsePartition{
				PartitionIndex: p, PartitionErrorCode: code(model.Partition{Topic: t.Name, Index: p}),
			}
		}
	}
	return all
}
