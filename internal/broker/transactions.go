package broker

import (
	"context"
	"time"

	"github.com/stromkafka/strom/internal/api/data"
	"github.com/stromkafka/strom/internal/api/txn"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/markers"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	transactions "github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/verify"
	"github.com/stromkafka/strom/internal/wire"
)

// endPatience is how long an EndTxn may wait for its markers. Clients go on with
// the next transaction at once, and would wait longer after being refused.
const endPatience = 50 * time.Millisecond

// appendRetry is how long a coordinator waits after a refused append of its own.
const appendRetry = 100 * time.Millisecond

// answerSlack is how much longer another broker's answer may take than its handler.
const answerSlack = 5 * time.Second

// openTransactions builds the coordinators of transactions on this broker, what
// writes their markers, and what asks any of them whether a partition is part of a
// transaction.
func (n *node) openTransactions() {
	v, timeout := n.values, n.values.MS("request.timeout.ms")
	n.markers = markers.New(markers.Options{
		Self: n.config.ID, Local: n.writeMarkers, Log: n.loggers.Logger("transactions"),
		Connect: func(ctx context.Context, broker model.NodeID) (markers.Conn, error) {
			l, err := n.connectBroker(ctx, broker, "txn-marker-sender", timeout+answerSlack)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		Done: func(ctx context.Context, partition int32, epoch model.Epoch, outcome transactions.MarkersWritten) {
			_ = n.transactions.Tell(ctx, partition, epoch, outcome) // fails with ctx only: the node stops
		},
	})
	n.transactions = coordinator.New(coordinator.Options{
		Topic: model.TransactionsTopic, New: n.newTransactions,
		Events: func(partition int32, epoch model.Epoch, event any) {
			n.markers.Send(partition, epoch, event.(transactions.SendMarkers))
		},
		Self: n.config.ID, Partitions: n.replicas, Count: v.Int("transaction.state.log.num.partitions"), Codec: compress.None,
		Patience: timeout, Now: n.now, Logger: n.loggers.Logger("transactions"),
	})
	n.coordinators = append(n.coordinators, n.transactions)
	n.verifier = verify.New(verify.Options{
		Self: n.config.ID, Image: n.view.Image, Coordinator: transactionCoordinator, Local: n.verifyHere,
		Connect: func(ctx context.Context, broker model.NodeID) (*link.Link, error) {
			return n.connectBroker(ctx, broker, "txn-verifier", timeout+answerSlack)
		},
		Backoff: v.MS("add.partitions.to.txn.retry.backoff.ms"), Patience: v.MS("add.partitions.to.txn.retry.backoff.max.ms"),
		Timeout: timeout, Now: n.now, Log: n.loggers.Logger("transactions"),
	})
}

// newTransactions is the machine of one partition of __transaction_state.
func (n *node) newTransactions(int32) machine.Machine {
	v := n.values
	return transactions.New(transactions.Config{
		NewID:          n.ids.TryNext,
		MaxTimeout:     v.MS("transaction.max.timeout.ms"),
		Expiration:     v.MS("transactional.id.expiration.ms"),
		AbortInterval:  v.MS("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
		ExpiryInterval: v.MS("transaction.remove.expired.transaction.cleanup.interval.ms"),
		Linger:         endPatience, Retry: appendRetry,
	})
}

// transactionCoordinator is the broker that coordinates a transactional id.
func transactionCoordinator(img *metadata.Image, id string) model.NodeID {
	t := img.Topic(model.TransactionsTopic)
	if t == nil {
		return model.NoNode
	}
	return t.Partitions[coordinator.PartitionFor(id, len(t.Partitions))].Leader
}

// What this broker asks itself needs no rights.

func (n *node) writeMarkers(ctx context.Context, r *wire.WriteTxnMarkersRequest) *wire.WriteTxnMarkersResponse {
	h := n.markerHandler()
	h.Authorizer = auth.AllowAll{}
	return h.Handle(ctx, ownRequest(r)).(*wire.WriteTxnMarkersResponse)
}

func (n *node) verifyHere(ctx context.Context, r *wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse {
	h := &txn.AddPartitionsToTxn{Image: n.view.Image, Transactions: n.transactions, Authorizer: auth.AllowAll{}}
	return h.Handle(ctx, ownRequest(r)).(*wire.AddPartitionsToTxnResponse)
}

// ownRequest is a request at its newest version.
func ownRequest(body wire.Request) *server.Request {
	api, _ := wire.Lookup(body.Key())
	return &server.Request{Header: wire.RequestHeader{APIKey: body.Key(), APIVersion: api.Max}, Body: body, Internal: true}
}

func (n *node) markerHandler() *data.WriteTxnMarkers {
	return &data.WriteTxnMarkers{Image: n.view.Image, Partitions: n.replicas, Authorizer: n.auth, Offsets: n.groups,
		Timeout: n.values.MS("request.timeout.ms"), Now: n.now}
}

// serveTransactions fills in what the clients' listeners serve of transactions.
func (n *node) serveTransactions() {
	image, routes := n.view.Image, n.clientRoutes
	routes.Handle(wire.KeyInitProducerId, &txn.InitProducerID{IDs: n.ids, Transactions: n.transactions, Authorizer: n.auth,
		TwoPhase: n.values.Bool("transaction.two.phase.commit.enable")})
	routes.Handle(wire.KeyAddPartitionsToTxn, &txn.AddPartitionsToTxn{Image: image, Transactions: n.transactions, Authorizer: n.auth})
	routes.Handle(wire.KeyAddOffsetsToTxn, &txn.AddOffsetsToTxn{Image: image, Transactions: n.transactions, Authorizer: n.auth, Internal: n.internal})
	routes.Handle(wire.KeyEndTxn, &txn.EndTxn{Transactions: n.transactions, Authorizer: n.auth})
	routes.Handle(wire.KeyTxnOffsetCommit, &txn.TxnOffsetCommit{Image: image, Groups: n.groups, Verifier: n.verifier, Authorizer: n.auth})
	routes.Handle(wire.KeyWriteTxnMarkers, n.markerHandler())
	routes.Handle(wire.KeyDescribeProducers, &data.DescribeProducers{Image: image, Partitions: n.replicas, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeTransactions, &txn.DescribeTransactions{Transactions: n.transactions, Authorizer: n.auth})
	routes.Handle(wire.KeyListTransactions, &txn.ListTransactions{Transactions: n.transactions, Authorizer: n.auth})
}
