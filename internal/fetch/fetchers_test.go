package fetch

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/wire"
)

func fetchRequest(connection uint64, client string, session, epoch int32) Request {
	r := Request{SessionID: session, SessionEpoch: epoch, Fetcher: &Fetcher{Follower: 2, ClientID: client}, Connection: connection}
	if epoch == initialEpoch {
		r.Topics = []wire.FetchRequestTopic{{Topic: "t", Partitions: []wire.FetchRequestPartition{{Partition: 0}}}}
	}
	return r
}

// TestSessionGoesOnOnNewConnection: a fetcher may continue its session on a new
// connection, as Apache Kafka's do after an idle one was closed.
func TestSessionGoesOnOnNewConnection(t *testing.T) {
	c, _ := testCache(2)
	f, err := c.Begin(fetchRequest(1, "a", noSession, initialEpoch))
	if err != nil {
		t.Fatal(err)
	}
	id, _, err := f.answer()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Begin(fetchRequest(2, "a", id, 1)); err != nil {
		t.Errorf("on a new connection: %v", err)
	}
	if f.session.closed {
		t.Error("the session that went on was closed")
	}
	if _, err := c.Begin(fetchRequest(1, "a", id, 2)); !errors.Is(err, kerr.FetchSessionIDNotFound) {
		t.Errorf("on the old connection: %v", err)
	}
}

// TestFetchersAreBounded: who is forgotten first is who was heard on the oldest
// connection.
func TestFetchersAreBounded(t *testing.T) {
	c, _ := testCache(1)
	for i := range maxFetchers + 1 {
		if _, err := c.Begin(fetchRequest(uint64(i+1), fmt.Sprint(i), noSession, finalEpoch)); err != nil {
			t.Fatal(err)
		}
	}
	heard := c.fetchers.heard
	if _, oldest := heard[Fetcher{2, "0"}]; len(heard) != maxFetchers || oldest {
		t.Errorf("%d are remembered, the oldest: %v", len(heard), oldest)
	}
}
