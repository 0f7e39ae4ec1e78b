package broker

import (
	"math/rand/v2"
	"time"

	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kraft"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/quorum"
	"github.com/stromkafka/strom/internal/storage"
	"github.com/stromkafka/strom/internal/wire"
)

// openQuorum opens this node's replica of the metadata log: a voter's with the
// controller role, else an observer's.
func (n *node) openQuorum(publish func(*metadata.Change)) (*quorum.Node, error) {
	v, cfg := n.values, n.config
	voters, err := staticVoters(cfg)
	if err != nil {
		return nil, err
	}
	o := quorum.Options{
		NodeID: cfg.ID, DirectoryID: n.dirs.Metadata.ID, ClusterID: n.dirs.ClusterID,
		Controller: cfg.Controller, Dir: n.dirs.Metadata.Path,
		Listener: cfg.ControllerNames[0], Endpoints: endpoints(cfg.AdvertisedController),
		StaticVoters: voters, Servers: bootstrapServers(cfg), Network: n.network,
		FetchTimeout:   v.MS("controller.quorum.fetch.timeout.ms"),
		RequestTimeout: v.MS("controller.quorum.request.timeout.ms"),
		RetryBackoff:   v.MS("controller.quorum.retry.backoff.ms"),
		FetchBytes:     int32(v.Int("controller.quorum.fetch.max.bytes")),
		SnapshotFetch:  int32(v.Int("controller.quorum.fetch.snapshot.max.bytes")),
		SnapshotBytes:  v.Long("metadata.log.max.record.bytes.between.snapshots"),
		RetentionBytes: v.Long("metadata.max.retention.bytes"),
		SegmentBytes:   v.Long("metadata.log.segment.bytes"),

		SnapshotInterval: zeroIsOff(v.MS("metadata.log.max.snapshot.interval.ms")),
		RetentionAge:     v.MS("metadata.max.retention.ms"),

		Publish: publish, FS: n.fs, Log: n.log, Now: n.now, Rand: n.rand(),
	}
	if cfg.Controller {
		o.NewMachine = n.newMachine
		if o.Bootstrap, err = n.bootstrapRecords(); err != nil {
			return nil, err
		}
	}
	return quorum.Open(o)
}

// bootstrapRecords are what the first controller of a new cluster writes.
func (n *node) bootstrapRecords() ([]wire.Record, error) {
	return storage.Bootstrap(n.fs, n.dirs.Metadata.Path)
}

func (n *node) newMachine(kraftVersion func() int16) *controller.Machine {
	v := n.values
	imbalance := time.Duration(0)
	if v.Bool("auto.leader.rebalance.enable") {
		imbalance = time.Duration(v.Long("leader.imbalance.check.interval.seconds")) * time.Second
	}
	settings, err := v.Topic(nil)
	if err != nil {
		n.log.Error("the topic defaults are not valid", "error", err)
	}
	return controller.New(controller.Config{
		NodeID: n.config.ID, ClusterID: n.dirs.ClusterID,
		SessionTimeout:    v.MS("broker.session.timeout.ms"),
		MaxIdle:           v.MS("metadata.max.idle.interval.ms"),
		ImbalanceInterval: imbalance,
		UncleanInterval:   v.MS("unclean.leader.election.interval.ms"),
		DefaultPartitions: int32(v.Int("num.partitions")),
		DefaultReplicas:   int16(v.Int("default.replication.factor")),
		MinISR:            settings.MinISR,
		DeleteTopics:      v.Bool("delete.topic.enable"),
		Topics:            controller.NewTopicConfigs(v),
		KRaftVersion:      kraftVersion,
		Rand:              n.rand(), NewUUID: n.newUUID, Log: n.log,
	})
}

func (n *node) rand() *rand.Rand {
	return rand.New(rand.NewPCG(n.random64(), n.random64()))
}

func staticVoters(cfg *config.Node) (kraft.VoterSet, error) {
	var voters []kraft.Voter
	for _, v := range cfg.Voters {
		voters = append(voters, kraft.Voter{
			Replica:   kraft.Replica{ID: v.ID},
			Endpoints: []kraft.Endpoint{{Name: cfg.ControllerNames[0], Address: kraft.Address{Host: v.Host, Port: uint16(v.Port)}}},
		})
	}
	if voters == nil {
		return nil, nil
	}
	return kraft.NewVoterSet(voters...)
}

func endpoints(listeners []config.Listener) []kraft.Endpoint {
	var all []kraft.Endpoint
	for _, l := range listeners {
		all = append(all, kraft.Endpoint{Name: l.Name, Address: kraft.Address{Host: l.Host, Port: uint16(l.Port)}})
	}
	return all
}

func bootstrapServers(cfg *config.Node) []kraft.Address {
	var all []kraft.Address
	for _, s := range cfg.Bootstrap {
		all = append(all, kraft.Address{Host: s.Host, Port: uint16(s.Port)})
	}
	return all
}

// zeroIsOff turns Kafka's 0 for "never" into package quorum's.
func zeroIsOff(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}
