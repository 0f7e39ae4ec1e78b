package controller

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// allowed answers for the principal of a request.
type allowed = func(op auth.Operation, resource auth.ResourceType, name string) bool

// The operations of an IncrementalAlterConfigs (KIP-339).
const (
	opSet      int8 = 0
	opDelete   int8 = 1
	opAppend   int8 = 2
	opSubtract int8 = 3
)

// configOp is one operation on one key; without a value, opSet deletes.
type configOp struct {
	name  string
	op    int8
	value *string
}

// alteration is what a request wants of one resource. replace is the way of the
// older AlterConfigs: what is not named is deleted.
type alteration struct {
	resource metadata.ConfigResource
	ops      []configOp
	replace  bool
	records  []*wire.ConfigRecord
	err      error
}

func (m *Machine) incrementalAlterConfigs(r *wire.IncrementalAlterConfigsRequest, from Request) wire.Response {
	response := &wire.IncrementalAlterConfigsResponse{}
	all := make([]*alteration, 0, len(r.Resources))
	for _, resource := range r.Resources {
		a := &alteration{resource: metadata.ConfigResource{Type: resource.ResourceType, Name: resource.ResourceName}}
		for _, c := range resource.Configs {
			a.add(configOp{c.Name, c.ConfigOperation, c.Value})
		}
		all = append(all, a)
	}
	for _, a := range m.alter(all, r.ValidateOnly, from) {
		response.Responses = append(response.Responses, wire.IncrementalAlterConfigsResponseResponse{
			ErrorCode: kerr.Code(a.err), ErrorMessage: kerr.Message(a.err), ResourceType: a.resource.Type, ResourceName: a.resource.Name})
	}
	return response
}

func (m *Machine) alterConfigs(r *wire.AlterConfigsRequest, from Request) wire.Response {
	response := &wire.AlterConfigsResponse{}
	all := make([]*alteration, 0, len(r.Resources))
	for _, resource := range r.Resources {
		a := &alteration{resource: metadata.ConfigResource{Type: resource.ResourceType, Name: resource.ResourceName}, replace: true}
		for _, c := range resource.Configs {
			a.add(configOp{c.Name, opSet, c.Value})
		}
		all = append(all, a)
	}
	for _, a := range m.alter(all, r.ValidateOnly, from) {
		response.Responses = append(response.Responses, wire.AlterConfigsResponseResponse{
			ErrorCode: kerr.Code(a.err), ErrorMessage: kerr.Message(a.err), ResourceType: a.resource.Type, ResourceName: a.resource.Name})
	}
	return response
}

// add takes an operation; of several on one key the last one counts.
func (a *alteration) add(op configOp) {
	a.ops = slices.DeleteFunc(a.ops, func(o configOp) bool { return o.name == op.name })
	a.ops = append(a.ops, op)
}

// alter changes what may be changed, each resource by itself, and returns one
// alteration for each resource. A change that lets unclean leaders be elected, or
// makes fewer in-sync replicas do, takes effect with it.
func (m *Machine) alter(all []*alteration, validateOnly bool, from Request) []*alteration {
	all = once(all)
	total := 0
	for _, a := range all {
		if a.err == nil {
			a.err = authorizeAlter(a.resource, from.Allowed)
		}
		if a.err == nil {
			a.err = m.plan(a, from.Forwarded)
		}
		if a.err == nil {
			total += len(a.records)
		}
	}
	if total > maxRecords {
		for _, a := range all {
			a.err = errTooMany
		}
		return all
	}
	if validateOnly {
		return all
	}
	var done []*wire.ConfigRecord
	for _, a := range all {
		if a.err == nil {
			done = append(done, a.records...)
		}
	}
	for _, r := range done {
		m.emit(r)
	}
	m.clearELRs(done)
	m.electAfter(done)
	return all
}

// once leaves one alteration of each resource; one that is named twice is refused.
func once(all []*alteration) []*alteration {
	first := map[metadata.ConfigResource]*alteration{}
	return slices.DeleteFunc(all, func(a *alteration) bool {
		earlier, twice := first[a.resource]
		if twice {
			earlier.err = kerr.InvalidRequest.With("Duplicate resource.")
			return true
		}
		first[a.resource] = a
		return false
	})
}

func authorizeAlter(r metadata.ConfigResource, may allowed) error {
	switch r.Type {
	case metadata.ConfigTopic:
		if !may(auth.AlterConfigs, auth.Topic, r.Name) {
			return kerr.TopicAuthorizationFailed
		}
	case metadata.ConfigGroup:
		if !may(auth.AlterConfigs, auth.Group, r.Name) {
			return kerr.GroupAuthorizationFailed
		}
	case metadata.ConfigBroker, metadata.ConfigClientMetrics:
		if !may(auth.AlterConfigs, auth.Cluster, auth.ClusterName) {
			return kerr.ClusterAuthorizationFailed
		}
	case metadata.ConfigBrokerLogger:
		return kerr.InvalidRequest.With("Unexpected resource type BROKER_LOGGER.")
	default:
		return kerr.UnsupportedVersion.With("Unknown resource type %d.", r.Type)
	}
	return nil
}

// plan makes the records of an alteration and holds the resource's whole new set
// against the keys there are. A value of a topic that does not change is not
// written; one of a broker is, so that the broker reads again what the value
// names (KAFKA-14136).
func (m *Machine) plan(a *alteration, forwarded bool) error {
	now := m.draft.Config(a.resource.Type, a.resource.Name)
	next := maps.Clone(now)
	if next == nil {
		next = map[string]string{}
	}
	for _, op := range a.ops {
		value, err := Altered(a.resource.Type, now, op.name, op.op, op.value)
		if err != nil {
			return err
		}
		was, set := now[op.name]
		if a.resource.Type == metadata.ConfigBroker || set != (value != nil) || value != nil && was != *value {
			a.change(op.name, value)
		}
		delete(next, op.name)
		if value != nil {
			next[op.name] = *value
		}
	}
	for _, name := range sortedNames(now) {
		if a.replace && !slices.ContainsFunc(a.ops, func(o configOp) bool { return o.name == name }) {
			a.change(name, nil)
			delete(next, name)
		}
	}
	if err := m.checkChanges(a.records); err != nil {
		return err
	}
	if err := checkCordoned(a, now[configCordoned], forwarded); err != nil {
		return err
	}
	return m.checkResource(a.resource, next)
}

func (a *alteration) change(name string, value *string) {
	a.records = append(a.records, &wire.ConfigRecord{ResourceType: a.resource.Type, ResourceName: a.resource.Name, Name: name, Value: value})
}

// Altered is the value of a key of a resource of that type after an operation of
// IncrementalAlterConfigs, nil for none; now is what is set.
func Altered(kind int8, now map[string]string, name string, op int8, value *string) (*string, error) {
	o := configOp{name, op, value}
	switch {
	case o.op == opDelete:
		return nil, nil
	case o.op == opSet:
		return o.value, nil
	case o.op != opAppend && o.op != opSubtract:
		return nil, kerr.InvalidRequest.With("Unknown operations type %d", o.op)
	case o.value == nil:
		return nil, kerr.InvalidRequest.With("Null value not supported for : %s", o.name)
	}
	key, known := config.Lookup(scopes[kind], o.name)
	if !known || key.Type != config.List {
		name := map[int8]string{opAppend: "APPEND", opSubtract: "SUBTRACT"}[o.op]
		return nil, kerr.InvalidConfig.With("Can't %s to key %s because its type is not LIST.", name, o.name)
	}
	text, set := now[o.name]
	if !set {
		text = key.Default
	}
	parts := slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return s == "" })
	for _, part := range strings.Split(*o.value, ",") {
		at := slices.Index(parts, part)
		switch {
		case o.op == opAppend && at < 0:
			parts = append(parts, part)
		case o.op == opSubtract && at >= 0:
			parts = slices.Delete(parts, at, at+1)
		}
	}
	joined := strings.Join(parts, ",")
	return &joined, nil
}

var scopes = map[int8]config.Scope{
	metadata.ConfigTopic: config.ScopeTopic, metadata.ConfigBroker: config.ScopeBroker,
	metadata.ConfigGroup: config.ScopeGroup, metadata.ConfigClientMetrics: config.ScopeClientMetrics,
}

// checkChanges refuses what no set of values makes right. With eligible leader
// replicas the cluster has one min.insync.replicas, which every node knows
// (KIP-966).
func (m *Machine) checkChanges(records []*wire.ConfigRecord) error {
	for _, r := range records {
		broker := r.ResourceType == metadata.ConfigBroker
		switch {
		case broker && r.Name == configMinISR && r.ResourceName != "" && m.elrEnabled():
			return kerr.InvalidConfig.With("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
		case broker && r.Name == configMinISR && r.Value == nil && m.elrEnabled():
			return kerr.InvalidConfig.With("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
		case broker && r.Name == configCordoned && !m.version().CordonedDirs():
			return kerr.InvalidConfig.With("The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= 4.3-IV0")
		case r.Value != nil && len(*r.Value) > maxConfigValue:
			return kerr.InvalidConfig.With("The configuration value cannot be added because it exceeds the maximum value size of %d bytes.", maxConfigValue)
		}
	}
	return nil
}

// checkCordoned refuses that a client of the controller cordons directories: only
// the broker itself knows their paths. What is cordoned may go or stay (KIP-1066).
func checkCordoned(a *alteration, now string, forwarded bool) error {
	if a.resource.Type != metadata.ConfigBroker || forwarded {
		return nil
	}
	for _, r := range a.records {
		if r.Name == configCordoned && r.Value != nil && !subset(*r.Value, now) {
			return kerr.InvalidConfig.With("When updating cordoned.log.dirs via controllers, the new value must be a subset of the current configuration value.")
		}
	}
	return nil
}

// subset reports whether all entries of one list are in another.
func subset(part, whole string) bool {
	there := map[string]bool{"": true}
	for entry := range strings.SplitSeq(whole, ",") {
		there[strings.TrimSpace(entry)] = true
	}
	for entry := range strings.SplitSeq(part, ",") {
		if !there[strings.TrimSpace(entry)] {
			return false
		}
	}
	return true
}

// checkResource checks a resource's name, its whole set of values, and that it
// exists. Values of brokers are checked by the broker that a client asks, which
// alone knows its files; here by what every node knows.
func (m *Machine) checkResource(r metadata.ConfigResource, values map[string]string) error {
	switch r.Type {
	case metadata.ConfigTopic:
		return m.checkTopicConfigs(r.Name, values)
	case metadata.ConfigBroker:
		return m.checkBrokerConfigs(r.Name, values)
	case metadata.ConfigGroup:
		if r.Name == "" {
			return kerr.InvalidRequest.With("Default group resources are not allowed.")
		}
		return asInvalidConfig(m.cfg.Topics.ValidateGroup(values))
	}
	if r.Name == "" {
		return kerr.InvalidRequest.With("Subscription name can't be empty")
	}
	return asInvalidConfig(config.ValidateClientMetrics(values))
}

func (m *Machine) checkTopicConfigs(name string, values map[string]string) error {
	if name == "" {
		return kerr.InvalidRequest.With("Default topic resources are not allowed.")
	}
	if err := CheckTopicName(name); err != nil {
		return err
	}
	if err := m.checkConfigs(values); err != nil {
		return err
	}
	if m.draft.Topic(name) == nil {
		return kerr.UnknownTopicOrPartition.With("The topic '%s' does not exist.", name)
	}
	return nil
}

func (m *Machine) checkBrokerConfigs(name string, values map[string]string) error {
	if name == "" {
		return asInvalidRequest(config.ValidateBroker(values, false))
	}
	id, err := strconv.ParseInt(name, 10, 32)
	switch {
	case err != nil:
		return kerr.InvalidRequest.With("Unable to parse broker name as a base 10 number.")
	case id < 0:
		return kerr.InvalidRequest.With("Invalid negative broker ID.")
	}
	if err := config.ValidateBroker(values, true); err != nil {
		return asInvalidRequest(err)
	}
	node := model.NodeID(id)
	if m.draft.Broker(node) == nil && m.draft.Controller(node) == nil && node != m.cfg.NodeID {
		return kerr.BrokerIDNotRegistered.With("No node with id %d found.", id)
	}
	return nil
}

// asInvalidConfig is the client's error of a check whose own error is only text.
func asInvalidConfig(err error) error { return asError(kerr.InvalidConfig, err) }

// asInvalidRequest is what Kafka answers for a broker's configs (KAFKA-13609).
func asInvalidRequest(err error) error { return asError(kerr.InvalidRequest, err) }

func asError(kind *kerr.Error, err error) error {
	var known *kerr.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return kind.With("%v", err)
}

// clearELRs forgets the eligible leaders wherever another min.insync.replicas is
// in force: they were chosen under the old one.
func (m *Machine) clearELRs(changed []*wire.ConfigRecord) {
	if !m.elrEnabled() {
		return
	}
	for _, r := range changed {
		switch {
		case r.Name != configMinISR:
		case r.ResourceType == metadata.ConfigTopic:
			m.emit(&wire.ClearElrRecord{TopicName: r.ResourceName})
		default:
			m.emit(&wire.ClearElrRecord{})
		}
	}
}

// electAfter gives leaders to what the change allows to have one. Apache Kafka
// waits for the next round of unclean.leader.election.interval.ms.
func (m *Machine) electAfter(changed []*wire.ConfigRecord) {
	for _, r := range changed {
		if r.Name != configUnclean {
			continue
		}
		places := m.where(leaderless)
		if r.ResourceType == metadata.ConfigTopic {
			t := m.draft.Topic(r.ResourceName)
			places = slices.DeleteFunc(places, func(at place) bool { return at.topic != t.ID })
		}
		if m.electAll(electUnclean, places) {
			m.nextUnclean = m.now // the rest in rounds of its own
		}
	}
}

// keepMinISR writes the one min.insync.replicas that a cluster with eligible
// leader replicas has, and takes those of single brokers away.
func (m *Machine) keepMinISR() {
	if _, set := m.draft.Config(metadata.ConfigBroker, "")[configMinISR]; !set {
		value := strconv.Itoa(m.cfg.MinISR)
		m.emit(&wire.ConfigRecord{ResourceType: metadata.ConfigBroker, Name: configMinISR, Value: &value})
	}
	var brokers []string
	for r, values := range m.draft.Configs() {
		if _, set := values[configMinISR]; set && r.Type == metadata.ConfigBroker && r.Name != "" {
			brokers = append(brokers, r.Name)
		}
	}
	for _, name := range brokers {
		m.cfg.Log.Info(fmt.Sprintf("removing broker-level %s", configMinISR), "broker", name)
		m.emit(&wire.ConfigRecord{ResourceType: metadata.ConfigBroker, ResourceName: name, Name: configMinISR})
	}
}

// RefuseConfigs answers every resource of the request with one error.
func RefuseConfigs(r *wire.AlterConfigsRequest, err error) *wire.AlterConfigsResponse {
	response := &wire.AlterConfigsResponse{}
	for _, resource := range r.Resources {
		response.Responses = append(response.Responses, wire.AlterConfigsResponseResponse{
			ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err), ResourceType: resource.ResourceType, ResourceName: resource.ResourceName})
	}
	return response
}

// RefuseIncremental answers every resource of the request with one error.
func RefuseIncremental(r *wire.IncrementalAlterConfigsRequest, err error) *wire.IncrementalAlterConfigsResponse {
	response := &wire.IncrementalAlterConfigsResponse{}
	for _, resource := range r.Resources {
		response.Responses = append(response.Responses, wire.IncrementalAlterConfigsResponseResponse{
			ErrorCode: kerr.Code(err), ErrorMessage: kerr.Message(err), ResourceType: resource.ResourceType, ResourceName: resource.ResourceName})
	}
	return response
}
