package broker

import (
	"github.com/stromkafka/strom/internal/api/admin"
	"github.com/stromkafka/strom/internal/model"
)

// brokers answers package isr from the metadata that this node shows.
type brokers struct{ view *admin.View }

// Eligible reports whether a broker may join in-sync sets now; epoch is -1 when
// the follower did not tell its own (KIP-903), and dir is where its replica is.
func (b brokers) Eligible(id model.NodeID, epoch model.BrokerEpoch, dir model.DirectoryID) bool {
	r := b.view.Image().Broker(id)
	return r != nil && !r.Fenced && !r.InControlledShutdown && (epoch < 0 || epoch == r.Epoch) && r.DirOnline(dir)
}

// Current is the epoch of a registered broker.
func (b brokers) Current(id model.NodeID) (model.BrokerEpoch, bool) {
	r := b.view.Image().Broker(id)
	if r == nil {
		return -1, false
	}
	return r.Epoch, true
}
