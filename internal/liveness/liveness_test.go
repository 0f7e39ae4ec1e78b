package liveness

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// scene is broker 1 with two endpoints in a network in memory, on virtual time.
type scene struct {
	t       *testing.T
	pipe    *transport.Pipe
	watch   *Watch
	image   atomic.Pointer[metadata.Image]
	claimed chan struct{}
	epoch   model.Epoch
	lost    atomic.Int32 // how often the broker was reported
}

const epoch model.BrokerEpoch = 5

func run(t *testing.T, claimed model.Epoch, play func(*scene)) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, pipe: transport.NewPipe(), claimed: make(chan struct{}), epoch: claimed}
		s.register(false)
		s.watch = New(Options{
			Network: s.pipe, Image: s.image.Load, Log: slog.New(slog.DiscardHandler),
			Claimed: func() (model.Epoch, <-chan struct{}) { return s.epoch, s.claimed },
			Lost: func(_ context.Context, id model.NodeID, e model.BrokerEpoch) error {
				if id != 1 || e != epoch {
					t.Errorf("broker %d of epoch %d is reported", id, e)
				}
				s.lost.Add(1)
				return kerr.NotController // which the watch has to bear
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.watch.Run(ctx) }()
		play(s)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (s *scene) register(fenced bool) {
	d := metadata.NewDraft(metadata.Empty)
	err := d.Apply(&wire.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: int64(epoch), Fenced: fenced, EndPoints: []wire.RegisterBrokerRecordEndPoint{
		{Name: "INSIDE", Host: "b", Port: 1}, {Name: "OUTSIDE", Host: "b", Port: 2}}}, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	img, _ := d.Image(0, 1)
	s.image.Store(img)
}

func (s *scene) listen(address string) net.Listener {
	l, err := s.pipe.Listen(address)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// beat hears the broker over a connection that ends with the result.
func (s *scene) beat(connection string) context.CancelFunc {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.watch.Heard(ctx, 1, epoch, connection)
	return cancel
}

// after lets time pass and says how often the broker was reported by then.
func (s *scene) after(d time.Duration, want int) {
	s.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	if got := int(s.lost.Load()); got != want {
		s.t.Errorf("reported %d times, want %d", got, want)
	}
}

// TestKilled: connection closed, all endpoints refuse twice, 50 ms apart.
func TestKilled(t *testing.T) {
	run(t, 0, func(s *scene) {
		hangUp := s.beat("c")
		s.after(time.Minute, 0) // nothing is dialled while the connection lives
		hangUp()
		s.after(between-time.Millisecond, 0)
		s.after(time.Millisecond, 1)
		s.after(time.Minute, 1)
	})
}

// TestOneEndpointAccepts: a broker that only lost its connection is not lost.
func TestOneEndpointAccepts(t *testing.T) {
	run(t, 0, func(s *scene) {
		defer s.listen("b:2").Close()
		s.beat("c")()
		s.after(time.Minute, 0)
	})
}

// TestListenerClosesLast: a process that is being killed may accept for a moment.
func TestListenerClosesLast(t *testing.T) {
	run(t, 0, func(s *scene) {
		l := s.listen("b:1")
		s.beat("c")()
		s.after(time.Millisecond, 0)
		l.Close()
		s.after(2*between, 1)
	})
}

// TestRestarts: a broker that listens again before the second look is not lost.
func TestRestarts(t *testing.T) {
	run(t, 0, func(s *scene) {
		s.beat("c")()
		s.after(between/2, 0)
		defer s.listen("b:1").Close()
		s.after(time.Minute, 0)
	})
}

// TestComesByAnotherConnection: the old one's end says nothing.
func TestComesByAnotherConnection(t *testing.T) {
	run(t, 0, func(s *scene) {
		hangUp := s.beat("c")
		s.beat("d")
		hangUp()
		s.after(time.Minute, 0)
	})
	run(t, 0, func(s *scene) {
		s.beat("c")()
		s.after(between/2, 0)
		s.beat("d")
		s.after(time.Minute, 0)
	})
}

// TestCleanStop: who was told that it may stop is not suspected, nor who is fenced.
func TestCleanStop(t *testing.T) {
	run(t, 0, func(s *scene) {
		hangUp := s.beat("c")
		s.watch.Stopped(1)
		hangUp()
		s.after(time.Minute, 0)
	})
	run(t, 0, func(s *scene) {
		hangUp := s.beat("c")
		s.register(true)
		hangUp()
		s.after(time.Minute, 0)
	})
}

// TestNewController: the one that takes over has no connection of a broker that
// was killed together with the controller before it.
func TestNewController(t *testing.T) {
	run(t, 0, func(s *scene) {
		s.after(time.Minute, 0)
		claimed := s.claimed
		s.claimed = make(chan struct{})
		close(claimed)
		s.after(between, 1)
	})
	run(t, 3, func(s *scene) { s.after(between, 1) })
	run(t, 3, func(s *scene) {
		defer s.listen("b:2").Close()
		s.after(time.Minute, 0)
	})
}
