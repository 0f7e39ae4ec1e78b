package fetch

import (
	"sync"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
)

// fetchers remembers on which connection each fetcher of a follower was heard
// last. A fetcher is a follower and its client id: it fetches over one connection
// at a time and makes a new one after a failure, or to hurry (the brokers of
// Apache Kafka do so too).
//
// What it has sent on the old connection may still be handled: the frame was
// read, or the node was stopped for a while, before the connection broke. Such a
// fetch, handled after the first on the new connection, would take the follower
// back to where it was, and the high watermark would stand still until the
// follower has something new to say. So the newest connection alone is heard, and
// what waits on an older one ends.
type fetchers struct {
	mu    sync.Mutex
	heard map[Fetcher]heard
}

// Fetcher is one of a follower's fetchers.
type Fetcher struct {
	Follower model.NodeID
	ClientID string
}

type heard struct {
	connection uint64
	session    *Session
}

// maxFetchers bounds what is remembered: brokers times log directories or
// threads. Beyond it the one with the oldest connection is forgotten.
const maxFetchers = 4096

// begin runs begin unless the fetcher has been heard on a newer connection. A
// session of an older one ends, unless it goes on.
func (f *fetchers) begin(r Request, begin func(Request) (*Fetch, error)) (*Fetch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, known := f.heard[*r.Fetcher]
	if known && r.Connection < before.connection {
		return nil, kerr.FetchSessionIDNotFound.With("the follower has fetched on a newer connection since")
	}
	fetch, err := begin(r)
	now := heard{r.Connection, before.session}
	if fetch != nil {
		now.session = fetch.session
		if before.session != nil && before.session != fetch.session && r.Connection > before.connection {
			before.session.Close()
		}
	}
	if !known && len(f.heard) >= maxFetchers {
		f.forgetOldest()
	}
	f.heard[*r.Fetcher] = now
	return fetch, err
}

func (f *fetchers) forgetOldest() {
	var oldest Fetcher
	first := true
	for k, h := range f.heard {
		if first || h.connection < f.heard[oldest].connection {
			oldest, first = k, false
		}
	}
	delete(f.heard, oldest)
}
