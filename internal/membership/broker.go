// Package membership is a broker's talk with the controller: it registers, tells
// that it lives and how far it has followed the metadata log, asks to leave
// before it stops, passes on what only the controller can do, and gets producer
// ids (KIP-500, KIP-631, KIP-590, KIP-730).
//
// Nothing here waits for an interval where an event tells more: a broker that
// waits for the metadata log heartbeats again when the log has moved, so that a
// lone node serves within milliseconds of its start.
package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/wire"
)

// Options are what a Broker needs.
type Options struct {
	ID          model.NodeID
	ClusterID   string
	Incarnation model.UUID // new with each process
	Endpoints   []metadata.Endpoint
	Features    []metadata.FeatureRange
	Rack        *string
	LogDirs     []model.DirectoryID

	// Channel is this broker's own: heartbeats wait behind nothing.
	Channel *Channel
	// MetadataOffset is the offset of the last metadata record that this broker
	// has applied, and MetadataMoved tells that it has grown.
	MetadataOffset func() model.Offset
	MetadataMoved  *notify.Signal

	HeartbeatInterval   time.Duration // broker.heartbeat.interval.ms
	SessionTimeout      time.Duration // broker.session.timeout.ms
	RegistrationTimeout time.Duration // initial.broker.registration.timeout.ms
	Log                 *slog.Logger

	// Registered, if it is not nil, is told the epoch of every registration.
	Registered func(model.BrokerEpoch)
}

// Broker is this node as the controller knows it. Run must be running for
// anything to happen.
type Broker struct {
	opts     Options
	previous model.BrokerEpoch // of the last life, if nothing of it is lost, else -1
	// changed tells of every change under mu: to those who wait for a state, and
	// to Run, which then talks to the controller at once.
	changed notify.Signal

	mu       sync.Mutex
	life     lifecycle
	offline  map[model.DirectoryID]bool // failed directories; true once told
	cordoned []model.DirectoryID        // nil: not told
	urgent   bool                       // something is to be told at once
	heard    time.Time                  // when the controller last took a heartbeat
}

// NewBroker makes a broker that is not registered.
func NewBroker(o Options) *Broker {
	return &Broker{opts: o, previous: -1, life: newLifecycle(), offline: map[model.DirectoryID]bool{}}
}

// State is where the broker is in its life.
func (b *Broker) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life.state
}

// Epoch is the broker's epoch, -1 until it has registered.
func (b *Broker) Epoch() model.BrokerEpoch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life.epoch
}

// Await waits until the broker has reached a state, or one beyond it.
func (b *Broker) Await(ctx context.Context, s State) error {
	for {
		changed := b.changed.Wait()
		if b.State() >= s {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for broker state %s: %w", s, ctx.Err())
		}
	}
}

// Vouch has the broker register as one that has lost nothing of its last life, in
// which it had that epoch; -1 vouches for none. It comes before Run.
func (b *Broker) Vouch(epoch model.BrokerEpoch) { b.previous = epoch }

// Ready says that recovery is over: from now on the broker asks to be unfenced.
func (b *Broker) Ready() { b.update(func() { b.life.ready = true }) }

// Register registers once more under the same incarnation, as when the image
// lacks the broker's directories after an upgrade (KIP-858).
func (b *Broker) Register() { b.update(func() { b.life.registered = false }) }

// DirectoryFailed tells the controller that a log directory is offline.
func (b *Broker) DirectoryFailed(id model.DirectoryID) {
	b.update(func() {
		if _, known := b.offline[id]; !known {
			b.offline[id] = false
		}
	})
}

// DirectoryFailureTold reports whether the controller has heard of all failed
// directories.
func (b *Broker) DirectoryFailureTold() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, told := range b.offline {
		if !told {
			return false
		}
	}
	return true
}

// Cordon tells the controller which log directories take no new replicas; it
// may be called once metadata.version has them (KIP-1066).
func (b *Broker) Cordon(ids []model.DirectoryID) {
	b.update(func() { b.cordoned = append([]model.DirectoryID{}, ids...) })
}

// Shutdown asks the controller to take this broker's leaderships away and waits
// until the broker may stop, or ctx ends. A broker that the controller does not
// count on yet may stop at once; its Run then ends with its context.
//
// It gives up when no controller has answered for half a session: the others of a
// cluster that stops as a whole may have taken the quorum with them, and there is
// nobody left whom this broker could ask. Apache Kafka goes on asking.
func (b *Broker) Shutdown(ctx context.Context) error {
	asked := time.Now()
	b.update(func() { b.life.leave() })
	for {
		bounded, cancel := context.WithTimeout(ctx, b.patience())
		err := b.Await(bounded, ShuttingDown)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		b.mu.Lock()
		silence := min(time.Since(asked), time.Since(b.heard))
		b.mu.Unlock()
		if silence >= b.patience() {
			return fmt.Errorf("no controller has answered for %v", silence.Round(time.Millisecond))
		}
	}
}

func (b *Broker) update(change func()) {
	b.mu.Lock()
	change()
	b.urgent = true
	b.mu.Unlock()
	b.changed.Notify()
}

// Run registers and heartbeats until the controlled shutdown is over (nil), ctx
// ends, or the first registration does not succeed in time. It may be run once.
func (b *Broker) Run(ctx context.Context) error {
	b.mu.Lock()
	if b.life.state == NotRunning {
		b.life.state = Starting
	}
	b.mu.Unlock()
	b.changed.Notify()
	deadline := time.Now().Add(b.opts.RegistrationTimeout)
	for {
		l := b.snapshot()
		switch {
		case l.state == ShuttingDown:
			return nil
		case !l.registered:
			if err := b.register(ctx, deadline); err != nil {
				return err
			}
		default:
			if err := b.heartbeat(ctx, l); err != nil {
				return err
			}
		}
	}
}

func (b *Broker) snapshot() lifecycle {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.urgent = false
	return b.life
}

// register registers once and, if that did not succeed, waits for the next try.
// deadline holds for the first registration only.
func (b *Broker) register(ctx context.Context, deadline time.Time) error {
	first := b.Epoch() < 0
	if !first {
		deadline = time.Now().Add(b.patience())
	}
	try, cancel := context.WithDeadline(ctx, deadline)
	response, err := b.opts.Channel.Do(try, b.registration())
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		r, ok := response.(*wire.BrokerRegistrationResponse)
		if !ok {
			return fmt.Errorf("register: the controller answered with %T", response)
		}
		if err = kerr.FromCode(r.ErrorCode); err == nil {
			b.accept(model.BrokerEpoch(r.BrokerEpoch))
			return b.settle(ctx, model.Offset(r.BrokerEpoch))
		}
	}
	b.opts.Log.Warn("the controller has not registered this broker", "error", err)
	if errors.Is(err, kerr.InconsistentClusterID) {
		return fmt.Errorf("register: this node is of cluster %s (cluster.id in meta.properties) and its controllers are of another; "+
			"correct the addresses of the controllers, or format empty directories for this node with the cluster's id: %w", b.opts.ClusterID, err)
	}
	if first && !time.Now().Add(b.opts.HeartbeatInterval).Before(deadline) {
		return fmt.Errorf("register with the controller in %v: %w", b.opts.RegistrationTimeout, err)
	}
	return b.pause(ctx, b.opts.HeartbeatInterval, false)
}

func (b *Broker) accept(epoch model.BrokerEpoch) {
	b.mu.Lock()
	b.life.registeredAt(epoch)
	b.mu.Unlock()
	if b.opts.Registered != nil {
		b.opts.Registered(epoch)
	}
	b.opts.Log.Info("registered", "broker", b.opts.ID, "epoch", epoch)
	b.changed.Notify()
}

// settle waits a moment for the broker's own registration to come back through
// the metadata log: a heartbeat before that would only be told to wait.
func (b *Broker) settle(ctx context.Context, offset model.Offset) error {
	t := time.NewTimer(soon)
	defer t.Stop()
	for {
		moved := b.opts.MetadataMoved.Wait()
		if b.opts.MetadataOffset() >= offset {
			return nil
		}
		select {
		case <-moved:
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Broker) registration() *wire.BrokerRegistrationRequest {
	o := &b.opts
	r := &wire.BrokerRegistrationRequest{}
	r.Reset()
	r.BrokerID, r.ClusterID, r.IncarnationID, r.Rack = int32(o.ID), o.ClusterID, o.Incarnation, o.Rack
	r.PreviousBrokerEpoch = int64(b.previous)
	for _, e := range o.Endpoints {
		r.Listeners = append(r.Listeners, wire.BrokerRegistrationRequestListener{Name: e.Name, Host: e.Host, Port: e.Port, SecurityProtocol: e.Protocol})
	}
	for _, f := range o.Features {
		r.Features = append(r.Features, wire.BrokerRegistrationRequestFeature{Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max})
	}
	for _, d := range o.LogDirs {
		r.LogDirs = append(r.LogDirs, model.UUID(d))
	}
	slices.SortFunc(r.LogDirs, func(a, b model.UUID) int { return slices.Compare(a[:], b[:]) })
	return r
}

// patience is how long one heartbeat may take before the next is tried.
func (b *Broker) patience() time.Duration { return b.opts.SessionTimeout / 2 }

// heartbeat sends one heartbeat and waits for the time of the next.
func (b *Broker) heartbeat(ctx context.Context, l lifecycle) error {
	request := b.heartbeatRequest(l)
	try, cancel := context.WithTimeout(ctx, b.patience())
	response, err := b.opts.Channel.Do(try, request)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var r *wire.BrokerHeartbeatResponse
	if err == nil {
		var ok bool
		if r, ok = response.(*wire.BrokerHeartbeatResponse); !ok {
			return fmt.Errorf("heartbeat: the controller answered with %T", response)
		}
		err = kerr.FromCode(r.ErrorCode)
	}
	if err != nil {
		b.opts.Log.Warn("the controller has not taken a heartbeat", "error", err)
		return b.pause(ctx, b.opts.HeartbeatInterval, false)
	}
	after := b.hear(request, r)
	if after.state == ShuttingDown {
		return nil
	}
	return b.pauseSince(ctx, after.wait(b.opts.HeartbeatInterval), after.eager(), model.Offset(request.CurrentMetadataOffset))
}

func (b *Broker) heartbeatRequest(l lifecycle) *wire.BrokerHeartbeatRequest {
	r := &wire.BrokerHeartbeatRequest{}
	r.Reset()
	r.BrokerID, r.BrokerEpoch = int32(b.opts.ID), int64(l.epoch)
	r.CurrentMetadataOffset = int64(b.opts.MetadataOffset())
	r.WantFence, r.WantShutDown = !l.ready, l.state == PendingControlledShutdown
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.offline {
		r.OfflineLogDirs = append(r.OfflineLogDirs, model.UUID(id))
	}
	slices.SortFunc(r.OfflineLogDirs, func(a, b model.UUID) int { return slices.Compare(a[:], b[:]) })
	if b.cordoned != nil {
		r.CordonedLogDirs = []model.UUID{}
		for _, id := range b.cordoned {
			r.CordonedLogDirs = append(r.CordonedLogDirs, model.UUID(id))
		}
	}
	return r
}

// hear takes the answer to a heartbeat.
func (b *Broker) hear(request *wire.BrokerHeartbeatRequest, r *wire.BrokerHeartbeatResponse) lifecycle {
	b.mu.Lock()
	b.heard = time.Now()
	before := b.life.state
	b.life.heard(r, request.WantFence)
	for _, id := range request.OfflineLogDirs {
		b.offline[model.DirectoryID(id)] = true
	}
	after := b.life
	b.mu.Unlock()
	if after.state != before {
		b.opts.Log.Info("broker state", "broker", b.opts.ID, "from", before, "to", after.state)
	}
	b.changed.Notify()
	return after
}

// pause waits before the next talk with the controller; something urgent cuts
// it short unless the last try failed.
func (b *Broker) pause(ctx context.Context, d time.Duration, eager bool) error {
	return b.pauseSince(ctx, d, eager, b.opts.MetadataOffset())
}

// pauseSince waits before the next heartbeat. An eager broker does not wait any
// longer once it has applied more of the metadata log than it last told.
func (b *Broker) pauseSince(ctx context.Context, d time.Duration, eager bool, told model.Offset) error {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		changed, moved := b.changed.Wait(), b.opts.MetadataMoved.Wait()
		if b.isUrgent() || eager && b.opts.MetadataOffset() > told {
			return nil
		}
		if !eager {
			moved = nil
		}
		select {
		case <-changed:
		case <-moved:
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (b *Broker) isUrgent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.urgent
}
