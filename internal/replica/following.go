package replica

import (
	"context"
	"sync"

	"github.com/stromkafka/strom/internal/follow"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
)

// FollowOptions are what following needs.
type FollowOptions struct {
	// Connect reaches the leader by the listener between brokers, for the fetcher
	// of the log directory of that number.
	Connect func(ctx context.Context, leader model.NodeID, dir int) (*link.Link, error)
	// Silent is told that a connection to a leader has broken; nil for nobody.
	Silent  func(leader model.NodeID)
	Version func() metadata.Version  // finalised in the cluster
	Epoch   func() model.BrokerEpoch // of this life of the broker, negative until it is known
	Session follow.Config
}

// following is who fetches what. There is one fetcher for each leader and log
// directory, and none where nothing is followed.
//
// Locks, in the order they are taken: mu, a fetcher's, a partition's.
type following struct {
	set    *Set
	o      FollowOptions
	alive  context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	fetchers map[fetcherKey]*fetcher
	of       map[*Partition]*fetcher
	closed   bool
	running  sync.WaitGroup
}

type fetcherKey struct {
	dir    *Dir
	leader model.NodeID
}

func newFollowing(s *Set, o FollowOptions) *following {
	f := &following{set: s, o: o, fetchers: map[fetcherKey]*fetcher{}, of: map[*Partition]*fetcher{}}
	f.alive, f.cancel = context.WithCancel(context.Background())
	return f
}

// look moves a partition to the fetcher of its leader after its role may have
// changed.
func (f *following) look(p *Partition) {
	if f.o.Connect == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p.mu.Lock()
	leader, epoch := p.following()
	p.mu.Unlock()
	now := f.of[p]
	if now != nil && (now.key.leader != leader || f.closed) {
		now.notice(p)
		delete(f.of, p)
		now = nil
	}
	if leader == model.NoNode || f.closed {
		return
	}
	if now == nil {
		now = f.fetcher(fetcherKey{p.dir, leader})
		f.of[p] = now
	}
	now.want(p, epoch)
}

// fetcher needs mu.
func (f *following) fetcher(k fetcherKey) *fetcher {
	if one := f.fetchers[k]; one != nil {
		return one
	}
	one := &fetcher{
		following: f, key: k, session: follow.NewSession(f.o.Session), wanted: map[*Partition]wish{},
		partitions: map[follow.Key]*Partition{}, poke: make(chan struct{}, 1),
	}
	f.fetchers[k] = one
	f.running.Add(1)
	go one.run(f.alive)
	return one
}

// retire ends a fetcher that has nothing to follow, unless something was given
// to it meanwhile.
func (f *following) retire(one *fetcher) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if len(one.wanted) > 0 {
		return false
	}
	if f.fetchers[one.key] == one {
		delete(f.fetchers, one.key)
	}
	return true
}

// close ends all following and waits for it.
func (f *following) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.running.Wait()
}
