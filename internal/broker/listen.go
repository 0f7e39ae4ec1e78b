package broker

import (
	"fmt"
	"time"

	"github.com/stromkafka/strom/internal/api/admin"
	"github.com/stromkafka/strom/internal/api/control"
	"github.com/stromkafka/strom/internal/api/data"
	"github.com/stromkafka/strom/internal/api/group"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/fetch"
	"github.com/stromkafka/strom/internal/liveness"
	"github.com/stromkafka/strom/internal/membership"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/transport"
	"github.com/stromkafka/strom/internal/vfs"
	"github.com/stromkafka/strom/internal/wire"
)

// rackAwareSelector is the one replica.selector.class that there is.
const rackAwareSelector = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

// inProcess is the address of the controller inside this process.
const inProcess = "controller"

// listenControllers binds the controllers' listeners, and the one inside the
// process by which this node's broker reaches its own controller. What they
// serve is filled in before they run.
func (n *node) listenControllers() error {
	n.controllerRoutes = n.newRoutes(server.Controller)
	listeners := []server.Listener{{Name: n.config.ControllerNames[0], Kind: server.Controller, Address: inProcess, Internal: true, Routes: n.controllerRoutes}}
	for _, l := range n.config.ControllerListeners {
		listeners = append(listeners, server.Listener{Name: l.Name, Kind: server.Controller, Address: l.Address(), Internal: true, Routes: n.controllerRoutes})
	}
	var err error
	n.controllers, err = server.New(n.serverOptions(listeners, split{inside: n.local, outside: n.network}))
	return err
}

// listenClients binds the clients' listeners. Connections wait until the node
// has joined its cluster.
func (n *node) listenClients() error {
	n.clientRoutes = n.newRoutes(server.Broker)
	var listeners []server.Listener
	for _, l := range n.config.Listeners {
		apart := len(n.config.Listeners) > 1 && l.Name == n.config.InterBroker
		listeners = append(listeners, server.Listener{Name: l.Name, Kind: server.Broker, Address: l.Address(), Internal: apart, Routes: n.clientRoutes})
	}
	var err error
	n.clients, err = server.New(n.serverOptions(listeners, n.network))
	return err
}

func (n *node) newRoutes(kind server.Kind) *server.Routes {
	return server.NewRoutes(kind, n.values.Bool("unstable.api.versions.enable"))
}

func (n *node) serverOptions(listeners []server.Listener, network transport.Network) server.Options {
	v := n.values
	return server.Options{
		Listeners: listeners, Network: network, Log: n.loggers.Logger("server"),
		MaxFrame: int32(v.Int("socket.request.max.bytes")),
		MaxIdle:  v.MS("connections.max.idle.ms"),
		Limits:   n.limits(v),
		Memory:   max(0, v.Long("queued.max.request.bytes")),
		Drain:    drainPatience,
	}
}

// drainPatience is how long a stop waits for requests in flight.
const drainPatience = 2 * time.Second

// split listens inside the process on one address and outside on the rest.
type split struct {
	inside  *transport.Pipe
	outside transport.Network
}

// serveClients fills in what the clients' listeners serve.
func (n *node) serveClients() {
	v, routes := n.values, n.clientRoutes
	n.sessions = fetch.NewCache(v.Int("max.incremental.fetch.session.cache.slots"), n.now)
	image := n.view.Image
	forwarder := forwarder{membership.NewForwarder(n.channels.forward)}
	if v.Bool("auto.create.topics.enable") {
		n.creator = admin.NewAutoCreator(forwarder, admin.NewTopicDefaults(v), n.log)
	}
	n.internal = admin.NewAutoCreator(ownRequests{n.channels.forward}, admin.NewTopicDefaults(v), n.log)
	routes.Handle(wire.KeyProduce, &data.Produce{Image: image, Partitions: n.replicas, Authorizer: n.auth, Verifier: n.verifier})
	routes.Handle(wire.KeyFetch, &data.Fetch{Image: image, Partitions: n.replicas, Authorizer: n.auth, Sessions: n.sessions, MaxBytes: v.Int("fetch.max.bytes"),
		RackAware: v.String("replica.selector.class") == rackAwareSelector, Self: n.config.ID})
	routes.Handle(wire.KeyListOffsets, &data.ListOffsets{Image: image, Partitions: n.replicas, Authorizer: n.auth})
	routes.Handle(wire.KeyDeleteRecords, &data.DeleteRecords{Image: image, Partitions: n.replicas, Authorizer: n.auth})
	routes.Handle(wire.KeyOffsetForLeaderEpoch, &data.OffsetForLeaderEpoch{Image: image, Partitions: n.replicas, Authorizer: n.auth})
	routes.Handle(wire.KeyMetadata, &admin.Metadata{View: &n.view, ClusterID: n.dirs.ClusterID, NodeID: n.config.ID, Authorizer: n.auth,
		Create: n.creator, Doubts: &n.silent})
	routes.Handle(wire.KeyFindCoordinator, &group.FindCoordinator{Image: image, Authorizer: n.auth, Internal: n.internal})
	routes.Handle(wire.KeyApiVersions, &admin.ApiVersions{Served: routes.Served, Broker: true, ClusterID: n.dirs.ClusterID, NodeID: n.config.ID, View: &n.view, KRaftVersion: n.kraftVersion, Supported: n.supported()})
	routes.Handle(wire.KeyCreateTopics, &admin.CreateTopics{Forwarder: forwarder, View: &n.view})
	routes.Handle(wire.KeyDeleteTopics, &admin.DeleteTopics{Forwarder: forwarder, View: &n.view})
	routes.Handle(wire.KeyDescribeConfigs, &admin.DescribeConfigs{View: &n.view, Static: v, NodeID: n.config.ID, Loggers: n.loggers, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeCluster, &admin.DescribeCluster{View: &n.view, ClusterID: n.dirs.ClusterID, NodeID: n.config.ID, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeTopicPartitions, &admin.DescribeTopicPartitions{View: &n.view, Authorizer: n.auth, MaxPage: v.Int("max.request.partition.size.limit")})
	routes.Handle(wire.KeyAlterConfigs, &admin.AlterConfigs{Forwarder: forwarder, View: &n.view, Static: v, NodeID: n.config.ID})
	routes.Handle(wire.KeyIncrementalAlterConfigs, &admin.IncrementalAlterConfigs{Forwarder: forwarder, View: &n.view, Static: v, NodeID: n.config.ID, Loggers: n.loggers, Authorizer: n.auth})
	routes.Handle(wire.KeyListConfigResources, &admin.ListConfigResources{View: &n.view, Authorizer: n.auth})
	routes.Handle(wire.KeyAlterReplicaLogDirs, &admin.AlterReplicaLogDirs{Partitions: n.replicas, View: &n.view, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeLogDirs, &admin.DescribeLogDirs{Partitions: n.replicas, View: &n.view, Space: n.space, Authorizer: n.auth})
	routes.Handle(wire.KeyCreatePartitions, &admin.CreatePartitions{Forwarder: forwarder, View: &n.view})
	routes.Handle(wire.KeyElectLeaders, &admin.ElectLeaders{Forwarder: forwarder})
	routes.Handle(wire.KeyListPartitionReassignments, &admin.ListPartitionReassignments{Forwarder: forwarder})
	routes.Handle(wire.KeyUpdateFeatures, &admin.UpdateFeatures{Forwarder: forwarder, View: &n.view})
	routes.Handle(wire.KeyUnregisterBroker, &admin.UnregisterBroker{Forwarder: forwarder})
	routes.Handle(wire.KeyDescribeQuorum, &admin.DescribeQuorum{Forwarder: forwarder, Authorizer: n.auth})
	n.serveGroups(routes)
	n.serveTransactions()
}

// understood are the levels of features that the controllers' listeners name:
// unlike a registration, as in Apache Kafka, they go by the APIs' setting.
func (n *node) understood() []metadata.FeatureRange {
	return metadata.SupportedFeatures(n.values.Bool("unstable.api.versions.enable"))
}

// serveControllers fills in what the controllers' listeners serve.
func (n *node) serveControllers() {
	v, q, routes := n.values, n.quorum, n.controllerRoutes
	n.heartbeats = liveness.New(liveness.Options{Network: n.network, Image: q.Image, Claimed: q.Claimed, Lost: q.BrokerLost, Log: n.loggers.Logger("liveness")})
	routes.Handle(wire.KeyFetch, &control.Fetch{Log: q, Authorizer: n.auth})
	routes.Handle(wire.KeyVote, &control.Vote{Quorum: q, Authorizer: n.auth})
	routes.Handle(wire.KeyBeginQuorumEpoch, &control.BeginQuorumEpoch{Quorum: q, Authorizer: n.auth})
	routes.Handle(wire.KeyEndQuorumEpoch, &control.EndQuorumEpoch{Quorum: q, Authorizer: n.auth})
	routes.Handle(wire.KeyUpdateRaftVoter, &control.UpdateRaftVoter{Quorum: q, Authorizer: n.auth})
	routes.Handle(wire.KeyFetchSnapshot, &control.FetchSnapshot{Log: q, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeQuorum, &control.DescribeQuorum{Quorum: q, Authorizer: n.auth})
	routes.Handle(wire.KeyApiVersions, &admin.ApiVersions{Served: routes.Served, ClusterID: n.dirs.ClusterID, NodeID: n.config.ID, View: &n.view, KRaftVersion: n.kraftVersion, Supported: n.understood()})
	routes.Handle(wire.KeyCreateTopics, &control.CreateTopics{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyDeleteTopics, &control.DeleteTopics{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeConfigs, &admin.DescribeConfigs{View: &n.view, Static: v, NodeID: n.config.ID, Loggers: n.loggers, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeCluster, &admin.DescribeCluster{View: &n.view, ClusterID: n.dirs.ClusterID, NodeID: n.config.ID, Authorizer: n.auth, QuorumLeader: n.quorumLeader})
	routes.Handle(wire.KeyAlterConfigs, &control.AlterConfigs{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyIncrementalAlterConfigs, &control.IncrementalAlterConfigs{Controller: q, Loggers: n.loggers, Authorizer: n.auth})
	routes.Handle(wire.KeyCreatePartitions, &control.CreatePartitions{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyElectLeaders, &control.ElectLeaders{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyListPartitionReassignments, &control.ListPartitionReassignments{Image: q.Image, Active: q.IsActive, Authorizer: n.auth})
	routes.Handle(wire.KeyUpdateFeatures, &control.UpdateFeatures{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyEnvelope, &server.Envelope{Routes: routes, Authorizer: n.auth})
	routes.Handle(wire.KeyAlterPartition, &control.AlterPartition{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyAssignReplicasToDirs, &control.AssignReplicasToDirs{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyBrokerRegistration, &control.BrokerRegistration{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyBrokerHeartbeat, &control.BrokerHeartbeat{Controller: q, Authorizer: n.auth, Watch: n.heartbeats})
	routes.Handle(wire.KeyUnregisterBroker, &control.UnregisterBroker{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyAllocateProducerIds, &control.AllocateProducerIds{Controller: q, Authorizer: n.auth})
	routes.Handle(wire.KeyControllerRegistration, &control.ControllerRegistration{Controller: q, Authorizer: n.auth})
}

func (n *node) kraftVersion() int16 {
	status, _ := n.quorum.Status()
	return status.Version
}

// voters are the ids of the quorum's voters.
func (n *node) voters() []model.NodeID {
	status, _ := n.quorum.Status()
	var ids []model.NodeID
	for _, v := range status.Voters {
		ids = append(ids, v.ID)
	}
	return ids
}

// space is how large the file system of a directory is, and what is left of it.
func (n *node) space(dir string) (total, usable int64) {
	if s, ok := n.fs.(vfs.Spacer); ok {
		if total, usable, err := s.Space(dir); err == nil {
			return total, usable
		}
	}
	return -1, -1
}

func (n *node) quorumLeader() model.NodeID {
	l, _ := n.quorum.Leader()
	return l.ID
}

// brokerEndpoints are what this broker registers, with the ports that were bound.
func (n *node) brokerEndpoints() ([]metadata.Endpoint, error) {
	var all []metadata.Endpoint
	for _, l := range n.config.Advertised {
		if l.Port == 0 {
			for _, b := range bound(n.clients, n.config.Listeners) {
				if b.Name == l.Name {
					l.Port = b.Port
				}
			}
		}
		if l.Port == 0 {
			return nil, fmt.Errorf("advertised listener %s has no port", l.Name)
		}
		all = append(all, endpoint(l))
	}
	return all, nil
}

func endpoint(l config.Listener) metadata.Endpoint {
	return metadata.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port, Protocol: int16(l.Protocol)}
}
