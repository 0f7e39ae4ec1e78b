// Package controller makes the decisions that change a cluster's metadata: who
// is registered, who leads, what topics there are. It is pure.
//
// A Machine decides on a draft of the metadata that is ahead of what is
// committed: a request and the time go in, records and the answer come out. The
// Machine has applied the records to its draft already; whoever drives it
// appends them to the metadata log in order, and releases the answer once
// everything up to there is committed. If that cannot be, the Machine's
// leadership is over: Renounce, and Claim again from a committed image.
//
// Rules and messages are those of Apache Kafka 4.3's controller. Where a rule
// differs, its comment says so.
package controller

import (
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// TopicConfigs is what the controller asks about topic configs. overrides are
// the topic's own; cluster and node are the dynamic broker configs of the whole
// cluster and of this node. The order of precedence is overrides, node, cluster,
// then what is static.
type TopicConfigs interface {
	// Validate checks a topic's whole set of overrides; its error is the client's.
	Validate(overrides map[string]string) error
	// ValidateGroup checks the whole set of what a group overrides; its error is
	// the client's.
	ValidateGroup(overrides map[string]string) error
	// Effective lists every topic config, in name order; the caller does not
	// change it.
	Effective(overrides, cluster, node map[string]string) []ConfigValue
	// Value is the effective value of min.insync.replicas or of
	// unclean.leader.election.enable.
	Value(name string, overrides, cluster, node map[string]string) string
}

// ConfigValue is one effective config. Source has Kafka's numbers: 1 topic, 2
// broker, 3 cluster, 4 static, 5 default.
type ConfigValue struct {
	Name      string
	Value     *string
	ReadOnly  bool
	Source    int8
	Sensitive bool
}

// Config is what a Machine is built with.
type Config struct {
	NodeID    model.NodeID
	ClusterID string

	SessionTimeout    time.Duration // broker.session.timeout.ms
	MaxIdle           time.Duration // metadata.max.idle.interval.ms; 0 writes no NoOps
	ImbalanceInterval time.Duration // leader.imbalance.check.interval.seconds; 0 is no rebalancing
	UncleanInterval   time.Duration // unclean.leader.election.interval.ms; 0 is never
	DefaultPartitions int32         // num.partitions
	DefaultReplicas   int16         // default.replication.factor
	MinISR            int           // the static min.insync.replicas
	DeleteTopics      bool          // delete.topic.enable

	Topics       TopicConfigs
	KRaftVersion func() int16            // the quorum's current kraft.version
	Voters       func() []model.NodeID   // the quorum's voters; nil knows none
	Supported    []metadata.FeatureRange // the levels that this node understands
	Rand         *rand.Rand
	NewUUID      func() model.UUID // never a reserved id
	Log          *slog.Logger
}

// Request is one request to the active controller. Allowed answers for the
// principal on whose behalf it is made; requests between nodes are authorised
// before they come here. Forwarded tells that a broker has passed it on, which holds
// changes of its own configuration against its files first.
type Request struct {
	Body      wire.Request
	Version   int16
	Forwarded bool
	Allowed   func(op auth.Operation, resource auth.ResourceType, name string) bool
}

// Result is what to do about an event. Records are applied to the Machine's
// draft already: append them in order at the offset that was passed in, in one
// batch if Atomic. Response may be nil (there was no request); it is to be held
// back until everything appended so far is committed, also without Records. Err
// is set, and all else empty, when the Machine cannot answer.
type Result struct {
	Records  []metadata.Versioned
	Atomic   bool
	Response wire.Response
	Err      error
}

// maxRecords bounds what one request of a user may write.
const maxRecords = 10_000

// Machine is the active controller. Between Renounce and Claim it only refuses.
type Machine struct {
	cfg      Config
	draft    *metadata.Draft // nil when not active
	sessions map[model.NodeID]*session

	// of the event being handled
	now  time.Time
	next model.Offset // where its first record will be
	out  []metadata.Versioned

	idleSince, nextBalance, nextUnclean time.Time
}

// New is a Machine that is not active yet.
func New(cfg Config) *Machine { return &Machine{cfg: cfg} }

// Active reports whether the Machine has been claimed.
func (m *Machine) Active() bool { return m.draft != nil }

// Renounce ends the leadership: the draft, which may be ahead of what will ever
// be committed, is dropped.
func (m *Machine) Renounce() { m.draft, m.sessions, m.out = nil, nil, nil }

// Handle decides about one request.
func (m *Machine) Handle(now time.Time, nextOffset model.Offset, r Request) Result {
	if !m.Active() {
		return Result{Err: kerr.NotController}
	}
	m.begin(now, nextOffset)
	response, atomic := m.dispatch(r)
	if response == nil {
		return Result{Err: kerr.UnsupportedVersion.With("API key %d is not for the controller", r.Body.Key())}
	}
	return m.finish(response, atomic)
}

func (m *Machine) dispatch(r Request) (response wire.Response, atomic bool) {
	switch body := r.Body.(type) {
	case *wire.BrokerHeartbeatRequest:
		return m.heartbeat(body), false
	case *wire.BrokerRegistrationRequest:
		return m.registerBroker(body, r.Version), false
	case *wire.UnregisterBrokerRequest:
		return m.unregisterBroker(body), false
	case *wire.ControllerRegistrationRequest:
		return m.registerController(body), true
	case *wire.AlterPartitionRequest:
		return m.alterPartition(body, r.Version), false
	case *wire.AssignReplicasToDirsRequest:
		return m.assignDirs(body), false
	case *wire.AllocateProducerIdsRequest:
		return m.allocateProducerIDs(body), true
	case *wire.CreateTopicsRequest:
		return m.createTopics(body, r.Allowed), true
	case *wire.DeleteTopicsRequest:
		return m.deleteTopics(body, r.Version, r.Allowed), true
	case *wire.CreatePartitionsRequest:
		return m.createPartitions(body, r.Allowed), true
	case *wire.AlterConfigsRequest:
		return m.alterConfigs(body, r), true
	case *wire.IncrementalAlterConfigsRequest:
		return m.incrementalAlterConfigs(body, r), true
	case *wire.ElectLeadersRequest:
		return m.electLeaders(body), false
	case *wire.UpdateFeaturesRequest:
		return m.updateFeatures(body, r.Version), true
	}
	return nil, false
}

func (m *Machine) begin(now time.Time, next model.Offset) { m.now, m.next, m.out = now, next, nil }

// finish seals the event. What changed is in its records: the draft need not
// remember it.
func (m *Machine) finish(response wire.Response, atomic bool) Result {
	result := Result{Records: m.out, Atomic: atomic, Response: response}
	if len(m.out) > 0 {
		m.idleSince = m.now
		m.draft.Forget()
	}
	m.out = nil
	return result
}

// emit decides: the record is part of the event's result and of the draft from
// here on. A record that the draft refuses is a mistake of this package.
func (m *Machine) emit(r wire.Record) {
	err := m.draft.Apply(r, m.next+model.Offset(len(m.out)))
	assert.That(err == nil, "the controller wrote a record that does not apply: %v", err)
	m.out = append(m.out, metadata.Versioned{Record: r, Version: m.version().RecordVersion(r)})
}

func (m *Machine) version() metadata.Version { return m.draft.Features().Version }

func (m *Machine) elrEnabled() bool { return m.draft.Features().ELR() }

// dynamicConfigs are the dynamic broker configs of the cluster and of this node.
func (m *Machine) dynamicConfigs() (cluster, node map[string]string) {
	return m.draft.Config(metadata.ConfigBroker, ""), m.draft.Config(metadata.ConfigBroker, strconv.Itoa(int(m.cfg.NodeID)))
}

func (m *Machine) topicConfig(topic, name string) string {
	cluster, node := m.dynamicConfigs()
	return m.cfg.Topics.Value(name, m.draft.Config(metadata.ConfigTopic, topic), cluster, node)
}
