// Package broker builds a node out of its parts and runs them: the metadata
// quorum, the controller's listeners, the partitions, the membership of the
// cluster and the clients' listeners. It decides nothing.
package broker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/stromkafka/strom/internal/api/admin"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/commitlog"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/fetch"
	"github.com/stromkafka/strom/internal/liveness"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/markers"
	"github.com/stromkafka/strom/internal/membership"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/quorum"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/storage"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/verify"
	"github.com/stromkafka/strom/internal/vfs"
)

// Options are the world that a node runs in.
type Options struct {
	Values  *config.Values
	FS      vfs.FS            // nil is the operating system's
	Network transport.Network // nil is TCP
	// Now is the wall clock, for what is stamped with a time; nil is the system's.
	Now func() time.Time
	Log *slog.Logger
	// Ready is called once, when the node serves.
	Ready func(Ready)
}

// Ready is what there is to say when a node serves.
type Ready struct {
	NodeID    model.NodeID
	ClusterID string
	Dirs      []string
	// Listeners are the clients' listeners, with the ports that were bound; a
	// controller without broker has none. Controllers are the controllers'.
	Listeners, Controllers []config.Listener
}

// node is what Run builds. Fields are set once, before what uses them starts.
type node struct {
	values  *config.Values
	config  *config.Node
	fs      vfs.FS
	network transport.Network
	now     func() time.Time // the wall clock; in a test's bubble the bubble's
	loggers *loggers.Set
	log     *slog.Logger // of this package
	auth    auth.Authorizer
	parts   *parts

	dirs   *storage.Directories
	files  *commitlog.Files
	view   admin.View
	moved  notify.Signal // the view shows another image
	silent admin.Doubts  // about leaders that this broker follows
	local  *transport.Pipe

	quorum           *quorum.Node
	deaf             <-chan struct{} // closed once the quorum's part has ended; nil before it starts
	controllers      *server.Server  // this and its routes are nil without the controller role
	controllerRoutes *server.Routes
	heartbeats       *liveness.Watch

	incarnation  model.UUID // of this life of the broker
	topicConfigs topicConfigs
	replicas     *replica.Set // the rest is nil without the broker role
	coordinators []*coordinator.Set
	groups       *coordinator.Set // one of them
	transactions *coordinator.Set // one of them
	markers      *markers.Sender
	verifier     *verify.Verifier
	sessions     *fetch.Cache
	member       *membership.Broker
	channels     channels
	proposals    *membership.Proposals
	assignments  *membership.Assignments
	ids          *membership.ProducerIDs
	creator      *admin.AutoCreator // nil without auto.create.topics.enable
	internal     *admin.AutoCreator // of internal topics
	clients      *server.Server
	clientRoutes *server.Routes
}

// ErrKilled as the cause of Run's context ends a node without its leaving the
// cluster, for tests that take its network and disk away.
var ErrKilled = errors.New("the node is killed")

// Run starts a node, calls Ready, and runs it until ctx is done; then it stops
// cleanly. It returns an error when the node could not start, when a part of it
// failed, or when it could not stop cleanly.
func Run(ctx context.Context, o Options) error {
	n := &node{
		values: o.Values, config: o.Values.Node(), fs: o.FS, network: o.Network, now: o.Now, loggers: loggers.New(o.Values.Node().ID, o.Log),
		auth: auth.AllowAll{}, local: transport.NewPipe(),
	}
	n.log = n.loggers.Logger("broker")
	if n.fs == nil {
		n.fs = vfs.OS()
	}
	if n.network == nil {
		n.network = transport.TCP()
	}
	if n.now == nil {
		n.now = time.Now
	}
	n.parts = newParts(ctx, n.log)
	p := n.parts
	err := n.start(p.alive, p)
	if err == nil {
		if o.Ready != nil {
			o.Ready(n.ready())
		}
		<-p.alive.Done()
	}
	switch cause := context.Cause(p.alive); {
	case p.alive.Err() == nil: // it could not start
	case ctx.Err() == nil:
		err = cause
		n.log.Error("a part of the node failed; stopping", "error", err)
	default:
		n.log.Info("stopping")
	}
	goodbye, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), ErrKilled) {
			cancel()
		}
	})()
	return errors.Join(err, n.stop(goodbye, p))
}

// start brings up the parts, each once what it needs is there. ctx ends when one
// of them fails, so that nothing waits for what cannot come.
func (n *node) start(ctx context.Context, p *parts) (err error) {
	n.values.Log(n.loggers.Logger("config"))
	n.dirs, err = storage.Open(storage.OpenOptions{FS: n.fs, Values: n.values, Now: n.now(), Random: rand.Reader, Log: n.loggers.Logger("storage")})
	if err != nil {
		return err
	}
	n.files = commitlog.NewFiles(n.fs, openFileLimit()/2)
	if n.config.Controller {
		if err := n.listenControllers(); err != nil {
			return err
		}
	}
	if n.config.Broker {
		if err := n.listenClients(); err != nil {
			return err
		}
		if err := n.openBroker(ctx); err != nil {
			return err
		}
		p.start(ctx, "partitions", n.replicas.Run)
		for _, set := range n.coordinators {
			p.start(ctx, "coordinator", set.Run)
		}
		p.start(ctx, "transaction markers", n.markers.Run)
		p.start(ctx, "transaction verification", n.verifier.Run)
	}
	if n.quorum, err = n.openQuorum(n.publish); err != nil {
		return err
	}
	n.deaf = p.start(ctx, "metadata quorum", n.quorum.Run)
	if n.config.Controller {
		n.serveControllers()
		p.start(ctx, "watch over brokers", n.heartbeats.Run)
		p.start(ctx, "controller listeners", n.controllers.Run)
		p.start(ctx, "controller registration", n.registerController)
	}
	if n.config.Broker {
		return n.join(ctx, p)
	}
	return nil
}

// join makes this broker a member of the cluster and then serves clients.
func (n *node) join(ctx context.Context, p *parts) error {
	n.serveClients()
	n.serveTelemetry(ctx, p)
	p.start(ctx, "membership", n.member.Run)
	p.start(ctx, "producer ids", n.ids.Run)
	p.start(ctx, "internal topics", n.internal.Run)
	if n.creator != nil {
		p.start(ctx, "topics asked about", n.creator.Run)
	}
	p.start(ctx, "in-sync sets", n.proposals.Run)
	p.start(ctx, "directory assignments", n.assignments.Run)
	n.member.Ready()
	if err := n.member.Await(ctx, membership.Running); err != nil {
		return err
	}
	if _, ok := n.view.Wait(ctx, n.servesIn); !ok {
		return ctx.Err()
	}
	p.start(ctx, "client listeners", n.clients.Run)
	return nil
}

// servesIn reports that the image shows this broker unfenced: every leader that
// is named from now on may be this one.
func (n *node) servesIn(img *metadata.Image) bool {
	b := img.Broker(n.config.ID)
	return b != nil && !b.Fenced && b.Epoch == n.member.Epoch()
}

// publish is called with each committed image, in order. The partitions act on
// it before any handler sees it.
func (n *node) publish(c *metadata.Change) {
	if n.replicas != nil {
		n.replicas.Apply(c)
	}
	if n.markers != nil { // before the coordinators whose markers it sends
		n.markers.Publish(c.To)
	}
	for _, set := range n.coordinators {
		set.Publish(c.To)
	}
	n.reconfigure(c)
	if n.member != nil {
		n.cordon(c)
	}
	n.view.Publish(c.To)
	n.moved.Notify()
	if n.replicas != nil {
		n.replicas.Published(c)
	}
}

// shutdownPatience bounds how long leaving the cluster may take (Kafka's is the
// same five minutes).
const shutdownPatience = 5 * time.Minute

// stop leaves the cluster, ends all parts, closes the logs and marks the stop as
// clean. It is called for a node that started half as well. Once ctx is done there
// are no good-byes.
func (n *node) stop(ctx context.Context, p *parts) error {
	var all []error
	epoch := model.BrokerEpoch(-1)
	if n.member != nil {
		epoch = n.member.Epoch()
		if epoch >= 0 && ctx.Err() == nil && n.values.Bool("controlled.shutdown.enable") {
			if err := n.leave(ctx); err != nil {
				n.log.Warn("could not leave the cluster in good order", "error", err)
			}
		}
	}
	if n.deaf != nil { // while the listeners still hear who leads next
		n.quorum.HandOver(ctx)
	}
	all = append(all, p.stop())
	for _, s := range []*server.Server{n.clients, n.controllers} {
		if s != nil {
			s.Close()
		}
	}
	n.channels.close()
	if n.sessions != nil {
		n.sessions.Close()
	}
	if n.replicas != nil {
		all = append(all, n.replicas.Close(epoch))
	}
	if n.dirs != nil {
		all = append(all, n.dirs.Close())
	}
	return errors.Join(all...)
}

// leave asks the controller to take this broker's leaderships away. A node whose
// replica of the metadata log has failed can no longer find the controller, nor
// be it, so it does not wait.
func (n *node) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownPatience)
	defer cancel()
	left := make(chan error, 1)
	go func() { left <- n.member.Shutdown(ctx) }()
	select {
	case err := <-left:
		return err
	case <-n.deaf:
		cancel()
		return errors.Join(errors.New("the metadata quorum's part has ended"), <-left)
	}
}

func (n *node) ready() Ready {
	r := Ready{NodeID: n.config.ID, ClusterID: n.dirs.ClusterID, Dirs: n.config.Dirs()}
	if n.clients != nil {
		r.Listeners = bound(n.clients, n.config.Listeners)
	}
	if n.controllers != nil {
		r.Controllers = bound(n.controllers, n.config.ControllerListeners)
	}
	return r
}

// bound are the listeners with the ports that were bound for port 0.
func bound(s *server.Server, listeners []config.Listener) []config.Listener {
	var all []config.Listener
	for _, l := range listeners {
		if addr, ok := s.Addr(l.Name).(*net.TCPAddr); ok && l.Port == 0 {
			l.Port = uint16(addr.Port)
		}
		all = append(all, l)
	}
	return all
}

func (n *node) random64() uint64 {
	var b [8]byte
	if _, err := io.ReadFull(rand.Reader, b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err)) // crypto/rand does not fail on a working system
	}
	return binary.LittleEndian.Uint64(b[:])
}

// newUUID is a random id that is not one of those that Kafka reserves.
func (n *node) newUUID() model.UUID {
	for {
		var u model.UUID
		binary.LittleEndian.PutUint64(u[:8], n.random64())
		binary.LittleEndian.PutUint64(u[8:], n.random64())
		// Kafka's ids never begin with a dash, which looks like a flag.
		if !u.IsReserved() && u.String()[0] != '-' {
			return u
		}
	}
}
