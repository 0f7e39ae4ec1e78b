package broker

import (
	"math/rand/v2"
	"time"

	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/quorum"
	"github.com/stromkafka/strom/internal/storage"
)

// openQuorum opens this node's replica of the metadata log: a voter's with the
// controller role, else an observer's.
func (n *node) openQuorum(publish func(*metadata.Change)) (*quorum.Node, error) {
	o, err := quorum.FromConfig(n.values)
	if err != nil {
		return nil, err
	}
	if n.controllers != nil {
		for i, l := range bound(n.controllers, n.config.AdvertisedController) {
			o.Endpoints[i].Port = l.Port
		}
	}
	o.DirectoryID, o.ClusterID, o.Network = n.dirs.Metadata.ID, n.dirs.ClusterID, n.network
	o.Publish, o.FS, o.Log, o.Now, o.Rand = publish, n.fs, n.loggers.Logger("quorum"), n.now, n.rand()
	if n.config.Controller {
		o.NewMachine = n.newMachine
		if o.Bootstrap, err = storage.Bootstrap(n.fs, n.dirs.Metadata.Path); err != nil {
			return nil, err
		}
	}
	return quorum.Open(o)
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
		Voters:            n.voters,
		Supported:         n.supported(),
		Rand:              n.rand(), NewUUID: n.newUUID, Log: n.loggers.Logger("controller"),
	})
}

func (n *node) rand() *rand.Rand {
	return rand.New(rand.NewPCG(n.random64(), n.random64()))
}
