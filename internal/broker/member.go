package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/membership"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/wire"
)

// channels are this broker's connections to the active controller, one a
// purpose, so that heartbeats wait behind nothing.
type channels struct{ heartbeat, forward, ids, proposals, assignments *membership.Channel }

// forwardTimeout is how long the controller may take over a forwarded request
// or a block of producer ids (Kafka's 60 s).
const forwardTimeout = 60 * time.Second

// forwardsInFlight bounds the clients' requests on their way to the controller.
const forwardsInFlight = 100

func (n *node) openChannels() {
	open := func(timeout time.Duration, inFlight int) *membership.Channel {
		return membership.NewChannel(membership.ChannelOptions{
			Find: n.findController, ClientID: fmt.Sprintf("broker-%d", n.config.ID),
			MaxInFlight: inFlight, Timeout: timeout, Log: n.loggers.Logger("membership"),
		})
	}
	n.channels = channels{
		heartbeat: open(n.values.MS("broker.session.timeout.ms"), 1),
		forward:   open(forwardTimeout, forwardsInFlight),
		ids:       open(forwardTimeout, 1),
		// A decision is waited for as long as the connection lives.
		proposals:   open(24*time.Hour, 1),
		assignments: open(forwardTimeout, 1),
	}
}

func (c channels) close() {
	for _, one := range []*membership.Channel{c.heartbeat, c.forward, c.ids, c.proposals, c.assignments} {
		if one != nil {
			one.Close()
		}
	}
}

// findController waits until a leader of the quorum is known and says how to
// reach it: inside the process if it is this node.
func (n *node) findController(ctx context.Context) (membership.Controller, error) {
	for {
		leader, changed := n.quorum.Leader()
		switch {
		case leader.ID == n.config.ID && n.config.Controller:
			return membership.Controller{ID: leader.ID, Network: n.local, Address: inProcess}, nil
		case leader.ID >= 0 && leader.Address.Host != "":
			return membership.Controller{ID: leader.ID, Network: n.network, Address: leader.Address.String()}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return membership.Controller{}, ctx.Err()
		}
	}
}

// openBroker recovers the partitions and prepares this broker's registration.
func (n *node) openBroker(ctx context.Context) error {
	n.incarnation = n.newUUID()
	n.openChannels()
	listeners, err := n.brokerEndpoints()
	if err != nil {
		return err
	}
	var dirs []model.DirectoryID
	for _, d := range n.dirs.Logs {
		dirs = append(dirs, d.ID)
	}
	v := n.values
	n.member = membership.NewBroker(membership.Options{
		ID: n.config.ID, ClusterID: n.dirs.ClusterID, Incarnation: n.incarnation,
		Endpoints: listeners, Features: n.supported(), Rack: n.config.Rack, LogDirs: dirs,
		Channel:        n.channels.heartbeat,
		MetadataOffset: func() model.Offset { return n.view.Image().Offset }, MetadataMoved: &n.moved,
		HeartbeatInterval:   v.MS("broker.heartbeat.interval.ms"),
		SessionTimeout:      v.MS("broker.session.timeout.ms"),
		RegistrationTimeout: v.MS("initial.broker.registration.timeout.ms"),
		Registered:          func(epoch model.BrokerEpoch) { n.replicas.Registered(epoch) },
		Log:                 n.loggers.Logger("membership"),
	})
	n.ids = membership.NewProducerIDs(n.channels.ids, n.member, n.loggers.Logger("membership"))
	n.proposals = membership.NewProposals(membership.ProposalOptions{Broker: n.member, Channel: n.channels.proposals, Decided: n.decided, Log: n.loggers.Logger("membership")})
	n.assignments = membership.NewAssignments(membership.AssignmentOptions{Broker: n.member, Channel: n.channels.assignments, Image: n.view.Image, Log: n.loggers.Logger("membership")})
	if n.replicas, err = n.openReplicas(ctx); err != nil {
		return err
	}
	n.member.Vouch(n.replicas.PreviousEpoch())
	n.openGroups()
	n.openTransactions()
	return nil
}

// supported are the levels of features that this node understands.
func (n *node) supported() []metadata.FeatureRange {
	return metadata.SupportedFeatures(n.values.Bool("unstable.feature.versions.enable"))
}

// forwarder sends clients' requests to the active controller.
type forwarder struct{ to *membership.Forwarder }

// Forward implements admin.Forwarder. version is that of body, which may differ
// from what the client sent.
func (f forwarder) Forward(ctx context.Context, r *server.Request, body wire.Request, version int16) (wire.Response, error) {
	h := r.Header
	h.APIKey, h.APIVersion = body.Key(), version
	return f.to.Forward(ctx, h, body, membership.Caller{
		PrincipalType: r.Principal.Type, PrincipalName: r.Principal.Name, Host: r.ClientAddr,
	})
}

// ownRequests sends requests to the active controller in this broker's own name.
type ownRequests struct{ to *membership.Channel }

// Forward implements admin.Forwarder; whose request it was does not matter.
func (o ownRequests) Forward(ctx context.Context, _ *server.Request, body wire.Request, _ int16) (wire.Response, error) {
	return o.to.Do(ctx, body)
}

// registerController tells the active controller about this one (KIP-919): once
// a process, since its incarnation is new with each.
func (n *node) registerController(ctx context.Context) error {
	incarnation := n.newUUID()
	channel := membership.NewChannel(membership.ChannelOptions{
		Find: n.findController, ClientID: fmt.Sprintf("controller-%d", n.config.ID), Timeout: forwardTimeout, Log: n.loggers.Logger("membership"),
	})
	defer channel.Close()
	request := &wire.ControllerRegistrationRequest{ControllerID: int32(n.config.ID), IncarnationID: incarnation}
	for _, l := range bound(n.controllers, n.config.AdvertisedController) {
		request.Listeners = append(request.Listeners, wire.ControllerRegistrationRequestListener{
			Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: int16(l.Protocol),
		})
	}
	for _, f := range n.supported() {
		request.Features = append(request.Features, wire.ControllerRegistrationRequestFeature{
			Name: f.Name, MinSupportedVersion: f.Min, MaxSupportedVersion: f.Max,
		})
	}
	for {
		img, ok := n.view.Wait(ctx, func(img *metadata.Image) bool {
			c := img.Controller(n.config.ID)
			return img.Features().Version.ControllerRegistration() && (c == nil || c.Incarnation != incarnation)
		})
		if !ok {
			return ctx.Err()
		}
		response, err := channel.Do(ctx, request)
		if err == nil {
			err = kerr.FromCode(response.(*wire.ControllerRegistrationResponse).ErrorCode)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			n.log.Warn("controller registration was refused; trying again", "error", err)
		}
		if err := n.awaitNewer(ctx, img, registrationRetry); err != nil {
			return err
		}
	}
}

// registrationRetry is how long a registration may take to show in the metadata.
const registrationRetry = 5 * time.Second

// awaitNewer waits for an image after img, but not for ever.
func (n *node) awaitNewer(ctx context.Context, img *metadata.Image, patience time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n.view.Wait(bounded, func(now *metadata.Image) bool {
		c := now.Controller(n.config.ID)
		return c != nil && c != img.Controller(n.config.ID)
	})
	return ctx.Err()
}

// Listen and Dial make split a transport.Network.
func (s split) Listen(addr string) (net.Listener, error) {
	if addr == inProcess {
		return s.inside.Listen(addr)
	}
	return s.outside.Listen(addr)
}

// Dial is not for listeners.
func (s split) Dial(context.Context, string) (net.Conn, error) {
	return nil, errors.New("a listener's network does not dial")
}

var _ transport.Network = split{}
