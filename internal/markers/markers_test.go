package markers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/txn"
	"github.com/stromkafka/strom/internal/wire"
)

// cluster is what a Sender at broker 1 sees: brokers that answer with the codes
// that are set, 0 by default, and a coordinator that hears of outcomes.
type cluster struct {
	*Sender
	t *testing.T

	mu       sync.Mutex
	codes    map[string]int16 // of "broker/partition"
	down     map[model.NodeID]bool
	asked    []string // requests, in order
	outcomes []string
}

// start runs a Sender in a synctest bubble until the test ends. leaders are those of the
// partitions t-0, t-1 and so on; coordinator leads __transaction_state-0.
func start(t *testing.T, coordinator model.NodeID, leaders ...model.NodeID) *cluster {
	c := &cluster{t: t, codes: map[string]int16{}, down: map[model.NodeID]bool{}}
	c.Sender = New(Options{
		Self: 1, Connect: c.connect, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Local: func(_ context.Context, r *wire.WriteTxnMarkersRequest) *wire.WriteTxnMarkersResponse {
			response, _ := c.answer(1, r)
			return response
		},
		Done: func(_ context.Context, partition int32, epoch model.Epoch, o txn.MarkersWritten) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.outcomes = append(c.outcomes, fmt.Sprintf("%d@%d %s/%d %v", partition, epoch, o.TransactionalID, o.Round, o.Partitions))
		},
	})
	c.image(coordinator, leaders...)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx) // its error is ctx's
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return c
}

// image shows the Sender who leads what. Nobody leads what broker 0 leads.
func (c *cluster) image(coordinator model.NodeID, leaders ...model.NodeID) {
	c.t.Helper()
	draft := metadata.NewDraft(metadata.Empty)
	var records []wire.Record
	for b := range int32(3) {
		r := &wire.RegisterBrokerRecord{}
		r.Reset()
		r.BrokerID, r.Fenced = b+1, false
		records = append(records, r)
	}
	topic := func(name string, id byte, leaders []model.NodeID) {
		records = append(records, &wire.TopicRecord{Name: name, TopicID: model.UUID{15: id}})
		for i, leader := range leaders {
			p := &wire.PartitionRecord{}
			p.Reset()
			p.PartitionID, p.TopicID, p.Leader, p.Replicas, p.ISR = int32(i), model.UUID{15: id}, int32(leader), []int32{1, 2, 3}, []int32{1, 2, 3}
			if leader == 0 {
				p.Leader = -1
			}
			p.Directories = make([]model.UUID, 3)
			records = append(records, p)
		}
	}
	topic(model.TransactionsTopic, 200, []model.NodeID{coordinator})
	if leaders != nil {
		topic("t", 201, leaders)
	}
	for i, r := range records {
		if err := draft.Apply(r, model.Offset(i)); err != nil {
			c.t.Fatal(err)
		}
	}
	img, _ := draft.Image(model.Offset(len(records)), 1)
	c.Publish(img)
}

func (c *cluster) answer(broker model.NodeID, r *wire.WriteTxnMarkersRequest) (*wire.WriteTxnMarkersResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down[broker] {
		return nil, errors.New("broken")
	}
	response := &wire.WriteTxnMarkersResponse{}
	var asked []string
	for _, m := range r.Markers {
		answer := wire.WriteTxnMarkersResponseMarker{ProducerID: m.ProducerID}
		for _, t := range m.Topics {
			topic := wire.WriteTxnMarkersResponseTopic{Name: t.Name}
			for _, i := range t.PartitionIndexes {
				asked = append(asked, fmt.Sprintf("%d/%d %s-%d %v epoch=%d v%d", m.ProducerID, m.ProducerEpoch, t.Name, i, m.TransactionResult, m.CoordinatorEpoch, m.TransactionVersion))
				topic.Partitions = append(topic.Partitions, wire.WriteTxnMarkersResponsePartition{PartitionIndex: i, ErrorCode: c.codes[fmt.Sprintf("%d/%s-%d", broker, t.Name, i)]})
			}
			answer.Topics = append(answer.Topics, topic)
		}
		response.Markers = append(response.Markers, answer)
	}
	c.asked = append(c.asked, fmt.Sprintf("%d: %s", broker, strings.Join(asked, ", ")))
	return response, nil
}

type conn struct {
	c      *cluster
	broker model.NodeID
}

func (c *cluster) connect(_ context.Context, broker model.NodeID) (Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down[broker] {
		return nil, errors.New("refused")
	}
	return &conn{c, broker}, nil
}

func (c *conn) Do(_ context.Context, r wire.Request) (wire.Response, error) {
	response, err := c.c.answer(c.broker, r.(*wire.WriteTxnMarkersRequest))
	if err != nil {
		return nil, err
	}
	return response, nil
}

func (c *conn) Close() {}

// set changes what a partition answers at a broker.
func (c *cluster) set(at string, err *kerr.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.codes[at] = 0
	if err != nil {
		c.codes[at] = err.Code
	}
}

// expect waits until nothing moves and compares what was asked and told since.
func (c *cluster) expect(asked, outcomes []string) {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.asked)
	slices.Sort(c.outcomes)
	if !slices.Equal(c.asked, asked) {
		c.t.Errorf("asked\n%s\nwant\n%s", strings.Join(c.asked, "\n"), strings.Join(asked, "\n"))
	}
	if !slices.Equal(c.outcomes, outcomes) {
		c.t.Errorf("told\n%s\nwant\n%s", strings.Join(c.outcomes, "\n"), strings.Join(outcomes, "\n"))
	}
	c.asked, c.outcomes = nil, nil
}

// send is a commit of the id a by producer 7 at epoch 3.
func (c *cluster) send(round uint64, partitions ...int32) {
	m := txn.SendMarkers{TransactionalID: "a", Producer: machine.Producer{ID: 7, Epoch: 3}, Commit: true, Client: 2, Round: round}
	for _, i := range partitions {
		m.Partitions = append(m.Partitions, model.Partition{Topic: "t", Index: i})
	}
	c.Send(0, 5, m)
}

func (c *cluster) settled() {
	c.t.Helper()
	c.Sender.mu.Lock()
	defer c.Sender.mu.Unlock()
	if len(c.latest) > 0 || len(c.waiting) > 0 {
		c.t.Errorf("left: %v, %v", c.latest, c.waiting)
	}
}

func TestEachLeaderGetsItsPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, 1, 2, 2, 3)
		c.send(1, 0, 1, 2, 3)
		c.expect([]string{
			"1: 7/3 t-0 true epoch=5 v2",
			"2: 7/3 t-1 true epoch=5 v2, 7/3 t-2 true epoch=5 v2",
			"3: 7/3 t-3 true epoch=5 v2",
		}, []string{"0@5 a/1 [t-0]", "0@5 a/1 [t-1 t-2]", "0@5 a/1 [t-3]"})
		c.settled()
	})
}

// What is not written is tried again, at once when somebody else leads; what is
// written is not.
func TestTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, 2, 2)
		c.set("2/t-1", kerr.NotLeaderOrFollower)
		c.send(1, 0, 1)
		c.expect([]string{"2: 7/3 t-0 true epoch=5 v2, 7/3 t-1 true epoch=5 v2"}, []string{"0@5 a/1 [t-0]"})
		time.Sleep(minBackoff)
		c.expect([]string{"2: 7/3 t-1 true epoch=5 v2"}, nil)
		c.image(1, 2, 3)
		c.expect([]string{"3: 7/3 t-1 true epoch=5 v2"}, []string{"0@5 a/1 [t-1]"})
		c.settled()
	})
}

func TestBrokenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, 2)
		c.down[2] = true
		c.send(1, 0)
		time.Sleep(10 * time.Second)
		c.expect(nil, nil)
		c.mu.Lock()
		c.down[2] = false
		c.mu.Unlock()
		time.Sleep(maxBackoff)
		c.expect([]string{"2: 7/3 t-0 true epoch=5 v2"}, []string{"0@5 a/1 [t-0]"})
		c.settled()
	})
}

// A partition that nobody leads waits for a leader; one that does not exist any
// more needs no marker.
func TestWithoutLeaderAndGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, 0)
		c.send(1, 0, 1)
		c.expect(nil, []string{"0@5 a/1 [t-1]"})
		time.Sleep(time.Hour)
		c.expect(nil, nil)
		c.image(1)
		c.expect(nil, []string{"0@5 a/1 [t-0]"})
		c.settled()
	})
}

// A coordinator that leads no more leaves the rest to its successor; a newer Send
// takes an older one's place.
func TestGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, 2)
		c.set("2/t-0", kerr.NotEnoughReplicas)
		c.send(1, 0)
		c.expect([]string{"2: 7/3 t-0 true epoch=5 v2"}, nil)
		c.send(2, 0)
		c.expect([]string{"2: 7/3 t-0 true epoch=5 v2"}, nil)
		c.set("2/t-0", nil)
		time.Sleep(maxBackoff)
		c.expect([]string{"2: 7/3 t-0 true epoch=5 v2"}, []string{"0@5 a/2 [t-0]"})

		c.set("2/t-0", kerr.NotEnoughReplicas)
		c.send(3, 0)
		c.expect([]string{"2: 7/3 t-0 true epoch=5 v2"}, nil)
		c.image(2, 2)
		time.Sleep(time.Hour)
		c.expect(nil, nil)
		c.settled()
	})
}

func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		err   *kerr.Error
		ended bool
		again time.Duration
	}{
		{nil, true, 0},
		{kerr.InvalidProducerEpoch, true, 0},
		{kerr.UnsupportedForMessageFormat, true, 0},
		{kerr.UnknownTopicOrPartition, false, minBackoff},
		{kerr.KafkaStorageError, false, minBackoff},
		{kerr.RequestTimedOut, false, minBackoff},
		{kerr.TransactionCoordinatorFenced, false, slowBackoff},
	} {
		t.Run(fmt.Sprint(test.err), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := start(t, 1, 1)
				c.set("1/t-0", test.err)
				c.send(1, 0)
				var told []string
				if test.ended {
					told = []string{"0@5 a/1 [t-0]"}
				}
				request := "1: 7/3 t-0 true epoch=5 v2"
				c.expect([]string{request}, told)
				if test.ended {
					c.settled()
					return
				}
				c.set("1/t-0", nil)
				time.Sleep(test.again - time.Millisecond)
				c.expect(nil, nil)
				time.Sleep(time.Millisecond)
				c.expect([]string{request}, []string{"0@5 a/1 [t-0]"})
				c.settled()
			})
		})
	}
}

// A request is bounded, and holds no producer twice: its answer could not tell
// the two apart.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, 2)
		for i := range maxMarkers + 1 {
			m := txn.SendMarkers{TransactionalID: fmt.Sprint(i), Producer: machine.Producer{ID: model.ProducerID(i / 2)}, Round: 1,
				Partitions: []model.Partition{{Topic: "t", Index: 0}}}
			c.Send(0, 5, m)
		}
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		markers := 0
		for _, asked := range c.asked {
			n := strings.Count(asked, "t-0")
			markers += n
			if n > maxMarkers || strings.Count(asked, " 0/0 ") > 1 {
				t.Errorf("%d markers in %q", n, asked)
			}
		}
		if markers != maxMarkers+1 || len(c.outcomes) != maxMarkers+1 || len(c.asked) < 2 {
			t.Errorf("%d markers, %d outcomes, %d requests", markers, len(c.outcomes), len(c.asked))
		}
	})
}
