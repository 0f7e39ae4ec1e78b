// Package liveness notices that a broker is gone before its session times out: the
// connection that carried its heartbeats has closed, and every endpoint that it
// registered refuses connections, twice, a moment apart. Apache Kafka waits for
// the session. A process that was killed leaves at once like that; one that is
// paused, cut off, or on a host that is gone does not, and keeps its session.
package liveness

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/transport"
)

const (
	between  = 50 * time.Millisecond // two rounds of dialling
	refusals = 2                     // rounds in a row that make a broker lost
	// rounds bounds them all. A process that is being killed closes its
	// connections and its listeners one after another, so that one of them may
	// still accept when another has closed.
	rounds      = 5
	dialTimeout = time.Second
)

// Options are what a Watch needs.
type Options struct {
	Network transport.Network
	// Image is the newest committed metadata.
	Image func() *metadata.Image
	// Claimed is the newest epoch in which this node became the active
	// controller, and what is closed when there is a newer one.
	Claimed func() (model.Epoch, <-chan struct{})
	// Lost tells the active controller; it does nothing when this node is not
	// that, or when the broker has another epoch by now.
	Lost func(ctx context.Context, id model.NodeID, epoch model.BrokerEpoch) error
	Log  *slog.Logger
}

// Watch knows which connections carry heartbeats. Its methods may be called from
// any goroutine, before Run too.
type Watch struct {
	o        Options
	suspects chan suspect

	mu    sync.Mutex
	beats map[model.NodeID]beat
}

// beat is the connection that carried a broker's last heartbeat.
type beat struct {
	epoch      model.BrokerEpoch
	connection string
}

type suspect struct {
	id    model.NodeID
	epoch model.BrokerEpoch
}

// New watches nothing yet.
func New(o Options) *Watch {
	return &Watch{o: o, suspects: make(chan suspect, 64), beats: map[model.NodeID]beat{}}
}

// Heard says that the controller has taken a heartbeat of the broker over a
// connection, which ends with ctx.
func (w *Watch) Heard(ctx context.Context, id model.NodeID, epoch model.BrokerEpoch, connection string) {
	now := beat{epoch, connection}
	w.mu.Lock()
	known := w.beats[id] == now
	w.beats[id] = now
	w.mu.Unlock()
	if !known {
		context.AfterFunc(ctx, func() { w.closed(id, now) })
	}
}

// Stopped says that the broker was told that it may stop: its leaving is no loss.
func (w *Watch) Stopped(id model.NodeID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.beats, id)
}

// closed is called once for each connection. A broker that has come by another
// one since, or was let go, is not suspected.
func (w *Watch) closed(id model.NodeID, b beat) {
	w.mu.Lock()
	last := w.beats[id] == b
	if last {
		delete(w.beats, id)
	}
	w.mu.Unlock()
	if last {
		w.suspect(suspect{id, b.epoch})
	}
}

func (w *Watch) suspect(s suspect) {
	select {
	case w.suspects <- s:
	default: // many leave at once: their sessions time out
	}
}

func (w *Watch) hears(id model.NodeID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.beats[id]
	return ok
}

// Run looks after suspected brokers, one goroutine each, until ctx is done. A
// controller that becomes active has no connections of the time before: it
// suspects every unfenced broker that it has not heard, so that a node that was
// killed while it was the active controller is noticed as soon as others are.
func (w *Watch) Run(ctx context.Context) error {
	var probing sync.WaitGroup
	defer probing.Wait()
	running := map[suspect]bool{}
	ended := make(chan suspect)
	epoch, claimed := w.o.Claimed()
	if epoch > 0 {
		w.suspectSilent()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-claimed:
			_, claimed = w.o.Claimed()
			w.suspectSilent()
		case s := <-ended:
			delete(running, s)
		case s := <-w.suspects:
			if running[s] {
				continue
			}
			running[s] = true
			probing.Go(func() {
				w.probe(ctx, s)
				select {
				case ended <- s:
				case <-ctx.Done():
				}
			})
		}
	}
}

func (w *Watch) suspectSilent() {
	for b := range w.o.Image().Brokers() {
		if !b.Fenced && !w.hears(b.ID) {
			w.suspect(suspect{b.ID, b.Epoch})
		}
	}
}

// probe dials the broker's endpoints and reports it when all of them refuse in
// two rounds on end.
func (w *Watch) probe(ctx context.Context, s suspect) {
	refused := 0
	for round := range rounds {
		if round > 0 && !sleep(ctx, between) {
			return
		}
		b := w.o.Image().Broker(s.id)
		if b == nil || b.Epoch != s.epoch || b.Fenced || w.hears(s.id) {
			return
		}
		if !w.refuses(ctx, b) {
			refused = 0
			continue
		}
		if refused++; refused == refusals {
			w.o.Log.Info("a broker's heartbeat connection has closed and all its endpoints refuse", "broker", s.id, "epoch", s.epoch)
			if err := w.o.Lost(ctx, s.id, s.epoch); err != nil && ctx.Err() == nil {
				w.o.Log.Debug("a lost broker was not fenced here", "broker", s.id, "error", err)
			}
			return
		}
	}
}

// refuses reports whether nobody listens on any of the endpoints. An answer that
// does not come says nothing.
func (w *Watch) refuses(ctx context.Context, b *metadata.Broker) bool {
	for _, e := range b.Endpoints {
		if !w.refusesAt(ctx, net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port)))) {
			return false
		}
	}
	return len(b.Endpoints) > 0
}

func (w *Watch) refusesAt(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := w.o.Network.Dial(ctx, address)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
