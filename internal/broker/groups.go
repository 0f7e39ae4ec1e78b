package broker

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	api "github.com/stromkafka/strom/internal/api/group"
	"github.com/stromkafka/strom/internal/compress"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/coordinator"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// openGroups prepares the coordinators of groups.
func (n *node) openGroups() {
	v := n.values
	config := group.Config{
		MaxMetadata:   v.Int("offset.metadata.max.bytes"),
		Retention:     time.Duration(v.Int("offsets.retention.minutes")) * time.Minute,
		CheckInterval: v.MS("offsets.retention.check.interval.ms"),
		Classic: group.ClassicConfig{
			MaxSize:      v.Int("group.max.size"),
			InitialDelay: v.MS("group.initial.rebalance.delay.ms"),
		},
		Consumer: consumer.Config{
			SessionTimeout:     limits(v, "session.timeout.ms"),
			HeartbeatInterval:  limits(v, "heartbeat.interval.ms"),
			AssignmentInterval: limits(v, "assignment.interval.ms"),
			MaxSize:            v.Int("group.consumer.max.size"),
			Assignors:          v.List("group.consumer.assignors"),
			Migration:          consumer.ParsePolicy(v.String("group.consumer.migration.policy")),
			RegexRefresh:       v.MS("group.consumer.regex.refresh.interval.ms"),
			ClassicMaxSize:     v.Int("group.max.size"),
		},
	}
	n.groups = coordinator.New(coordinator.Options{
		Topic: model.OffsetsTopic,
		New: func(int32) machine.Machine {
			return group.New(group.Options{Config: &config, NewID: randomUUID, Authorizer: n.auth})
		},
		Self: n.config.ID, Partitions: n.replicas, Count: v.Int("offsets.topic.num.partitions"),
		Codec:    compress.Codec(v.Int("offsets.topic.compression.codec")),
		Patience: v.MS("offsets.commit.timeout.ms"), Now: n.now, Logger: n.loggers.Logger("group"),
	})
	n.coordinators = append(n.coordinators, n.groups)
}

// limits are a config of consumer groups with what a group's own must keep to.
func limits(v *config.Values, key string) consumer.Limits {
	return consumer.Limits{Default: v.MS("group.consumer." + key), Min: v.MS("group.consumer.min." + key), Max: v.MS("group.consumer.max." + key)}
}

// consumerGroups reports whether there are groups of KIP-848: the cluster has the
// feature, and this broker serves its protocol.
func (n *node) consumerGroups() bool {
	return n.view.Image().Features().Level(metadata.FeatureGroupVersion) >= 1 &&
		slices.Contains(n.values.List("group.coordinator.rebalance.protocols"), "consumer")
}

// serveGroups fills in what clients ask of groups.
func (n *node) serveGroups(routes *server.Routes) {
	v, image := n.values, n.view.Image
	routes.Handle(wire.KeyOffsetCommit, &api.OffsetCommit{Groups: n.groups, Image: image, Authorizer: n.auth})
	routes.Handle(wire.KeyOffsetFetch, &api.OffsetFetch{Groups: n.groups, Image: image, Authorizer: n.auth})
	routes.Handle(wire.KeyJoinGroup, &api.JoinGroup{Groups: n.groups, Authorizer: n.auth,
		MinSession: int32(v.Int("group.min.session.timeout.ms")), MaxSession: int32(v.Int("group.max.session.timeout.ms"))})
	routes.Handle(wire.KeyHeartbeat, &api.Heartbeat{Groups: n.groups, Authorizer: n.auth})
	routes.Handle(wire.KeyLeaveGroup, &api.LeaveGroup{Groups: n.groups, Authorizer: n.auth})
	routes.Handle(wire.KeySyncGroup, &api.SyncGroup{Groups: n.groups, Authorizer: n.auth})
	routes.Handle(wire.KeyDescribeGroups, &api.DescribeGroups{Groups: n.groups, Authorizer: n.auth})
	routes.Handle(wire.KeyListGroups, &api.ListGroups{Groups: n.groups, Authorizer: n.auth})
	routes.Handle(wire.KeyDeleteGroups, &api.DeleteGroups{Groups: n.groups, Authorizer: n.auth})
	routes.Handle(wire.KeyConsumerGroupHeartbeat, &api.ConsumerGroupHeartbeat{Groups: n.groups, Authorizer: n.auth, Enabled: n.consumerGroups,
		Assignors: v.List("group.consumer.assignors")})
	routes.Handle(wire.KeyConsumerGroupDescribe, &api.ConsumerGroupDescribe{Groups: n.groups, Authorizer: n.auth, Enabled: n.consumerGroups})
	routes.Handle(wire.KeyOffsetDelete, &api.OffsetDelete{Groups: n.groups, Image: image, Authorizer: n.auth})
}

// randomUUID is a random UUID (RFC 9562, version 4), as Java writes it.
func randomUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
