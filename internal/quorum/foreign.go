package quorum

import (
	"context"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/wire"
)

// foreigners are controllers that answered that they are of another cluster. Such
// an answer changes nothing here: the address may be one that another cluster
// took over for a while. But it is said aloud, now and then, with both ids: else a
// node that was formatted for the wrong cluster waits for ever without a word.
type foreigners struct {
	mu   sync.Mutex
	said map[string]time.Time // by address
}

// foreignEvery is how often the same is said of one address.
const foreignEvery = time.Minute

// due tells whether an address's cluster is to be told of now.
func (f *foreigners) due(addr string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last, ok := f.said[addr]; ok && now.Sub(last) < foreignEvery {
		return false
	}
	if f.said == nil {
		f.said = map[string]time.Time{}
	}
	f.said[addr] = now // as many addresses as are configured or were voters
	return true
}

// heardForeign says that a controller is of another cluster, and of which.
func (n *Node) heardForeign(ctx context.Context, from kraft.Peer) {
	addr := from.Address.String()
	if !n.foreigners.due(addr, n.opts.Now()) {
		return
	}
	theirs := "unknown"
	ask := &wire.DescribeClusterRequest{}
	ask.Reset()
	ask.EndpointType = controllers
	if answer, err := n.peers.do(ctx, from, ask); err == nil {
		if r, ok := answer.(*wire.DescribeClusterResponse); ok && r.ErrorCode == 0 {
			theirs = r.ClusterID
		}
	}
	n.opts.Log.Error("a controller is of another cluster, and this node cannot join it: "+
		"correct controller.quorum.voters or controller.quorum.bootstrap.servers, "+
		"or format empty directories for this node with the cluster's id (cluster.id in meta.properties)",
		"controller", addr, "cluster.id", n.opts.ClusterID, "its cluster.id", theirs)
}

// controllers is DescribeCluster's word for the endpoints of controllers.
const controllers int8 = 2

// foreign tells whether an answer says that this node is of another cluster.
func foreign(body wire.Response) bool {
	var code int16
	switch r := body.(type) {
	case *wire.FetchResponse:
		code = r.ErrorCode
	case *wire.FetchSnapshotResponse:
		code = r.ErrorCode
	case *wire.VoteResponse:
		code = r.ErrorCode
	case *wire.BeginQuorumEpochResponse:
		code = r.ErrorCode
	case *wire.EndQuorumEpochResponse:
		code = r.ErrorCode
	case *wire.UpdateRaftVoterResponse:
		code = r.ErrorCode
	}
	return code == kerr.InconsistentClusterID.Code
}
