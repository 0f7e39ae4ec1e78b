package quorum

import (
	"context"
	"errors"
	"io/fs"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// maxServeBytes bounds one answer whatever the asker allows; one whole batch is
// always served.
const maxServeBytes = 8 << 20

// Fetch answers a Fetch of the metadata log that came in on a controller
// listener. It may be held back as long as the request allows.
func (n *Node) Fetch(ctx context.Context, version int16, listener string, q *wire.FetchRequest) (*wire.FetchResponse, error) {
	e, err := n.ask(ctx, version, listener, q)
	if err != nil {
		return nil, err
	}
	if s, ok := e.(kraft.ServeLog); ok {
		return n.serveLog(s)
	}
	return e.(kraft.Reply).Body.(*wire.FetchResponse), nil
}

// serveLog reads up to the log's end, beyond what is committed: a follower must
// have records for them to become committed.
func (n *Node) serveLog(s kraft.ServeLog) (*wire.FetchResponse, error) {
	b, err := n.log.read(s.From, n.log.end(), int(min(max(s.MaxBytes, 0), maxServeBytes)))
	if err != nil {
		return nil, err
	}
	s.Response.Responses[0].Partitions[0].Records = wire.BytesRecords(b)
	return s.Response, nil
}

// FetchSnapshot answers FetchSnapshot.
func (n *Node) FetchSnapshot(ctx context.Context, version int16, listener string, q *wire.FetchSnapshotRequest) (*wire.FetchSnapshotResponse, error) {
	e, err := n.ask(ctx, version, listener, q)
	if err != nil {
		return nil, err
	}
	s, ok := e.(kraft.ServeSnapshot)
	if !ok {
		return e.(kraft.Reply).Body.(*wire.FetchSnapshotResponse), nil
	}
	p := &s.Response.Topics[0].Partitions[0]
	b, err := n.files.slice(s.Snapshot, p.Position, int(min(max(s.MaxBytes, 1), maxServeBytes)))
	if errors.Is(err, fs.ErrNotExist) { // cleaned meanwhile
		p.ErrorCode = kerr.SnapshotNotFound.Code
		return s.Response, nil
	}
	if err != nil {
		return nil, err
	}
	p.UnalignedRecords = wire.BytesRecords(b)
	return s.Response, nil
}

// Vote answers Vote: for, against, or who leads.
func (n *Node) Vote(ctx context.Context, version int16, listener string, q *wire.VoteRequest) (*wire.VoteResponse, error) {
	return reply[*wire.VoteResponse](n.ask(ctx, version, listener, q))
}

// BeginQuorumEpoch hears who leads.
func (n *Node) BeginQuorumEpoch(ctx context.Context, version int16, listener string, q *wire.BeginQuorumEpochRequest) (*wire.BeginQuorumEpochResponse, error) {
	return reply[*wire.BeginQuorumEpochResponse](n.ask(ctx, version, listener, q))
}

// EndQuorumEpoch hears who leads no more.
func (n *Node) EndQuorumEpoch(ctx context.Context, version int16, listener string, q *wire.EndQuorumEpochRequest) (*wire.EndQuorumEpochResponse, error) {
	return reply[*wire.EndQuorumEpochResponse](n.ask(ctx, version, listener, q))
}

// UpdateRaftVoter hears what a voter says of itself.
func (n *Node) UpdateRaftVoter(ctx context.Context, version int16, listener string, q *wire.UpdateRaftVoterRequest) (*wire.UpdateRaftVoterResponse, error) {
	return reply[*wire.UpdateRaftVoterResponse](n.ask(ctx, version, listener, q))
}

func reply[R wire.Response](e kraft.Effect, err error) (r R, _ error) {
	if err != nil {
		return r, err
	}
	return e.(kraft.Reply).Body.(R), nil
}

// DescribeQuorum answers DescribeQuorum; only the leader can.
func (n *Node) DescribeQuorum(ctx context.Context, version int16, q *wire.DescribeQuorumRequest) (*wire.DescribeQuorumResponse, error) {
	return reply[*wire.DescribeQuorumResponse](n.ask(ctx, version, "", q))
}

// ask puts a request to the machine and waits for its answer.
func (n *Node) ask(ctx context.Context, version int16, listener string, q wire.Request) (kraft.Effect, error) {
	token := kraft.Token(n.tokens.Add(1))
	answer := n.answers.expect(token)
	n.post(kraft.Request{Token: token, Version: version, Listener: listener, Body: q})
	select {
	case e, ok := <-answer:
		if !ok {
			return nil, kerr.BrokerNotAvailable
		}
		return e, nil
	case <-ctx.Done():
		n.answers.forget(token)
		n.post(kraft.Abandoned{Token: token})
		return nil, ctx.Err()
	}
}

// Term is the epoch in which this node leads the quorum, NoEpoch when it does
// not.
func (n *Node) Term() model.Epoch {
	t, _ := n.term.get()
	if !t.leading {
		return model.NoEpoch
	}
	return t.epoch
}
