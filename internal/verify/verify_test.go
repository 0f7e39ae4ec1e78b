package verify

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/link"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asked is one request at the other broker, which the test answers.
type asked struct {
	*wire.AddPartitionsToTxnRequest
	answer chan *wire.AddPartitionsToTxnResponse // nil hangs up
}

// peer is another broker, number 2.
type peer struct {
	t       *testing.T
	network *transport.Pipe
	max     int16 // the version of AddPartitionsToTxn it knows
	asked   chan asked
}

func (p *peer) listen() net.Listener {
	l, err := p.network.Listen("peer")
	if err != nil {
		p.t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return l
}

func (p *peer) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		header, body, err := wire.DecodeRequest(frame)
		if err != nil {
			p.t.Error(err)
			return
		}
		var response wire.Response
		switch q := body.(type) {
		case *wire.ApiVersionsRequest:
			response = &wire.ApiVersionsResponse{APIKeys: []wire.ApiVersionsResponseAPIKey{
				{APIKey: wire.KeyApiVersions, MaxVersion: 4}, {APIKey: wire.KeyAddPartitionsToTxn, MaxVersion: p.max}}}
		case *wire.AddPartitionsToTxnRequest:
			a := asked{q, make(chan *wire.AddPartitionsToTxnResponse)}
			p.asked <- a
			answer := <-a.answer
			if answer == nil {
				return
			}
			response = answer
		}
		out, err := wire.EncodeResponse(header.CorrelationID, header.APIVersion, response)
		if err != nil {
			p.t.Error(err)
			return
		}
		if _, err := out.WriteTo(conn); err != nil {
			return
		}
	}
}

// world is a Verifier on broker 1, and broker 2. Ids that begin with "l" are
// coordinated here, with "n" nowhere, the rest there.
type world struct {
	*Verifier
	t     *testing.T
	peer  *peer
	local func(*wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse
}

func run(t *testing.T, max int16, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, peer: &peer{t: t, network: transport.NewPipe(), max: max, asked: make(chan asked, 10)}}
		listener := w.peer.listen()
		w.Verifier = New(Options{
			Self: 1, Image: func() *metadata.Image { return metadata.Empty }, Backoff: 20 * time.Millisecond, Patience: 100 * time.Millisecond,
			Timeout: 30 * time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Coordinator: func(_ *metadata.Image, id string) model.NodeID {
				switch id[0] {
				case 'l':
					return 1
				case 'n':
					return model.NoNode
				}
				return 2
			},
			Local: func(_ context.Context, r *wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse {
				return w.local(r)
			},
			Connect: func(ctx context.Context, node model.NodeID) (*link.Link, error) {
				return link.Dial(ctx, link.Options{Network: w.peer.network, Address: "peer", ClientID: "test"})
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		synctest.Wait()
		test(w)
		cancel()
		listener.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

var partition = model.Partition{Topic: "t", Index: 3}

// verify asks about one partition; the outcome comes later.
func (w *world) verify(id string, client Client) chan error {
	out := make(chan error, 1)
	go func() {
		out <- w.Verify(w.t.Context(), Transaction{ID: id, Producer: 7, Epoch: 2, Client: client}, []model.Partition{partition})[partition]
	}()
	synctest.Wait()
	return out
}

func (w *world) expect(what string, out chan error, want error) {
	w.t.Helper()
	synctest.Wait()
	select {
	case got := <-out:
		if !errors.Is(got, want) {
			w.t.Errorf("%s: %v, want %v", what, got, want)
		}
	default:
		w.t.Errorf("%s: no answer", what)
	}
}

// says is an answer with the same error for every partition.
func says(r *wire.AddPartitionsToTxnRequest, code int16) *wire.AddPartitionsToTxnResponse {
	response := &wire.AddPartitionsToTxnResponse{}
	for _, t := range r.Transactions {
		result := wire.AddPartitionsToTxnResponseResult{TransactionalID: t.TransactionalID}
		for _, topic := range t.Topics {
			out := wire.AddPartitionsToTxnResponseTopic{Name: topic.Name}
			for _, p := range topic.Partitions {
				out.ResultsByPartition = append(out.ResultsByPartition, wire.AddPartitionsToTxnResponsePartition{PartitionIndex: p, PartitionErrorCode: code})
			}
			result.TopicResults = append(result.TopicResults, out)
		}
		response.ResultsByTransaction = append(response.ResultsByTransaction, result)
	}
	return response
}

func TestErrorsInTheClientsTerms(t *testing.T) {
	run(t, 5, func(w *world) {
		for _, c := range []struct {
			code   *kerr.Error
			client Client
			want   *kerr.Error
		}{
			{kerr.ProducerFenced, Adding, kerr.InvalidProducerEpoch},
			{kerr.TransactionAbortable, Old, kerr.InvalidTxnState},
			{kerr.TransactionAbortable, Abortable, kerr.TransactionAbortable},
			{kerr.InvalidTxnState, Adding, kerr.InvalidTxnState},
			{kerr.NotCoordinator, Old, kerr.NotCoordinator},
		} {
			w.local = func(r *wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse { return says(r, c.code.Code) }
			w.expect(c.code.Name, w.verify("local", c.client), c.want)
		}
		w.local = func(*wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse {
			return &wire.AddPartitionsToTxnResponse{ErrorCode: kerr.ClusterAuthorizationFailed.Code}
		}
		w.expect("the brokers' own rights", w.verify("local", Old), kerr.InvalidTxnState)
		w.local = func(*wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse {
			return &wire.AddPartitionsToTxnResponse{}
		}
		w.expect("nothing on the question", w.verify("local", Old), kerr.NetworkException)
		w.expect("nobody coordinates", w.verify("nobody", Old), kerr.CoordinatorNotAvailable)
	})
}

// While one request is on its way the next one fills up, with each transactional
// id once.
func TestQuestionsShareARequest(t *testing.T) {
	run(t, 5, func(w *world) {
		first := w.verify("a", Old)
		rest := []chan error{w.verify("b", Adding), w.verify("c", Old), w.verify("b", Old)}
		for _, want := range []string{"[{a 7 2 true [{t [3]}]}]", "[{b 7 2 false [{t [3]}]} {c 7 2 true [{t [3]}]}]", "[{b 7 2 true [{t [3]}]}]"} {
			a := <-w.peer.asked
			if got := fmt.Sprint(a.Transactions); got != want {
				t.Errorf("asked %s, want %s", got, want)
			}
			a.answer <- says(a.AddPartitionsToTxnRequest, 0)
		}
		for i, out := range slices.Insert(rest, 0, first) {
			w.expect(fmt.Sprint(i), out, nil)
		}
	})
}

func TestConnectionBreaks(t *testing.T) {
	run(t, 5, func(w *world) {
		out := w.verify("a", Old)
		(<-w.peer.asked).answer <- nil
		w.expect("hung up on", out, kerr.NetworkException)
		out = w.verify("a", Old)
		a := <-w.peer.asked
		a.answer <- says(a.AddPartitionsToTxnRequest, 0)
		w.expect("on the next connection", out, nil)

		out = w.verify("a", Old)
		a = <-w.peer.asked
		time.Sleep(30 * time.Second)
		w.expect("no answer in time", out, kerr.NetworkException)
		a.answer <- nil
	})
}

// A broker from before KIP-890 does not verify, and nobody did then.
func TestOldBroker(t *testing.T) {
	run(t, 3, func(w *world) {
		w.expect("verified", w.verify("a", Old), nil)
	})
}

// A client that leaves adding to the broker is spared the error that its last
// transaction is still being completed, for a while.
func TestConcurrentTransactions(t *testing.T) {
	run(t, 5, func(w *world) {
		asked := 0
		w.local = func(r *wire.AddPartitionsToTxnRequest) *wire.AddPartitionsToTxnResponse {
			if asked++; asked == 3 {
				return says(r, 0)
			}
			return says(r, kerr.ConcurrentTransactions.Code)
		}
		out := w.verify("local", Adding)
		time.Sleep(40 * time.Millisecond)
		w.expect("the third time", out, nil)
		out = w.verify("local", Adding)
		time.Sleep(99 * time.Millisecond)
		if len(out) != 0 {
			t.Error("given up too early")
		}
		time.Sleep(time.Millisecond)
		w.expect("out of patience", out, kerr.ConcurrentTransactions)
		w.expect("an old client", w.verify("local", Old), kerr.ConcurrentTransactions)
	})
}

func TestStopped(t *testing.T) {
	v := New(Options{Self: 1, Now: time.Now, Image: func() *metadata.Image { return metadata.Empty }, Coordinator: func(*metadata.Image, string) model.NodeID { return 2 }})
	if err := v.Verify(t.Context(), Transaction{ID: "a"}, []model.Partition{partition})[partition]; !errors.Is(err, kerr.CoordinatorNotAvailable) {
		t.Error(err)
	}
}

func TestVersions(t *testing.T) {
	for version := int16(0); version <= 13; version++ {
		if got, want := Producing(version), Client(max(0, version-10)); got != min(want, Adding) {
			t.Errorf("Produce version %d: %d", version, got)
		}
		if got, want := Committing(version), Client(max(0, version-3)); got != min(want, Adding) {
			t.Errorf("TxnOffsetCommit version %d: %d", version, got)
		}
	}
}
