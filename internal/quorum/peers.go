package quorum

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/wire"
)

// peers are the links to other controllers, one an address. A link that failed,
// or whose answer came too late, is closed; the next request dials anew.
type peers struct {
	options link.Options

	mu     sync.Mutex
	closed bool
	links  map[string]*link.Link
}

func newPeers(o Options) *peers {
	return &peers{
		options: link.Options{Network: o.Network, ClientID: "strom-quorum", MaxResponse: maxServeBytes + maxRecordsBytes, Timeout: o.RequestTimeout},
		links:   map[string]*link.Link{},
	}
}

// do sends a request at the highest version that both sides know, and waits for
// the answer.
func (p *peers) do(ctx context.Context, to kraft.Peer, body wire.Request) (wire.Response, error) {
	addr := to.Address.String()
	l, err := p.link(ctx, addr)
	if err != nil {
		return nil, err
	}
	if err := speaks(l, body); err != nil {
		return nil, err
	}
	r, err := l.Do(ctx, body)
	if err != nil {
		p.drop(addr, l)
		return nil, err
	}
	return r, nil
}

func (p *peers) link(ctx context.Context, addr string) (*link.Link, error) {
	p.mu.Lock()
	l := p.links[addr]
	p.mu.Unlock()
	if l != nil && l.Err() == nil {
		return l, nil
	}
	if l != nil {
		p.drop(addr, l)
	}
	o := p.options
	o.Address = addr
	l, err := link.Dial(ctx, o)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.links[addr] != nil {
		l.Close()
		return nil, kerr.BrokerNotAvailable.With("connected to %s when it was too late", addr)
	}
	p.links[addr] = l
	return l, nil
}

// preVotesFrom is the first version of Vote that has pre-votes (KIP-996).
const preVotesFrom = 2

// speaks tells whether a peer can be asked this. A pre-vote that lost its mark on
// the way would be a vote.
func speaks(l *link.Link, body wire.Request) error {
	version, err := l.Version(body.Key())
	if err != nil {
		return err
	}
	if q, ok := body.(*wire.VoteRequest); ok && q.Topics[0].Partitions[0].PreVote && version < preVotesFrom {
		return kerr.UnsupportedVersion.With("the node knows no pre-votes")
	}
	return nil
}

// failure sorts out why there was no answer.
func failure(err error) kraft.Failure {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return kraft.Refused
	case errors.Is(err, kerr.UnsupportedVersion):
		return kraft.Unsupported
	}
	return kraft.Disconnected
}

func (p *peers) drop(addr string, l *link.Link) {
	p.mu.Lock()
	if p.links[addr] == l {
		delete(p.links, addr)
	}
	p.mu.Unlock()
	l.Close()
}

func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.links {
		l.Close()
	}
	clear(p.links)
}
