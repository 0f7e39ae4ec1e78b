package controller

import (
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// maxConfigValue is the longest value of a config.
const maxConfigValue = 1<<15 - 1

// newTopic is a topic on its way through the checks of a CreateTopics.
type newTopic struct {
	request *wire.CreateTopicsRequestTopic
	configs map[string]string
	records []wire.Record
	result  wire.CreateTopicsResponseTopic
	err     error
}

// createTopics creates what may be created and answers for each topic by itself.
// All records of the request are one atomic batch.
func (m *Machine) createTopics(r *wire.CreateTopicsRequest, allowed allowed) wire.Response {
	response := &wire.CreateTopicsResponse{}
	topics, refused := admit(r.Topics, allowed)
	if err := m.checkTotal(topics); err != nil {
		response.Topics = refuseTopics(r.Topics, err)
		return response
	}
	var records []wire.Record
	for _, t := range topics {
		if t.err = m.checkNew(t); t.err != nil {
			continue
		}
		if t.err = m.build(t, allowed(auth.DescribeConfigs, auth.Topic, t.request.Name)); t.err == nil {
			records = append(records, t.records...)
		}
	}
	if len(records) > maxRecords {
		response.Topics = refuseTopics(r.Topics, errTooMany)
		return response
	}
	if !r.ValidateOnly {
		for _, record := range records {
			m.emit(record)
		}
	}
	for _, t := range topics {
		if t.err != nil {
			t.result = refuseTopic(t.request.Name, t.err)
		}
		response.Topics = append(response.Topics, t.result)
	}
	response.Topics = append(response.Topics, refused...)
	return response
}

// admit parts the topics that may go on from those named twice, the metadata
// topic, and those the principal may not create.
func admit(topics []wire.CreateTopicsRequestTopic, allowed allowed) (admitted []*newTopic, refused []wire.CreateTopicsResponseTopic) {
	times := map[string]int{}
	for i := range topics {
		times[topics[i].Name]++
	}
	all := allowed(auth.Create, auth.Cluster, auth.ClusterName)
	for i := range topics {
		name := topics[i].Name
		var err error
		switch {
		case times[name] == 0: // already answered
			continue
		case times[name] > 1:
			err = kerr.InvalidRequest.With("Duplicate topic name.")
			times[name] = 0
		case name == model.MetadataTopic:
			err = kerr.InvalidRequest.With("Creation of internal topic %s is prohibited.", name)
		case !all && !allowed(auth.Create, auth.Topic, name):
			err = kerr.TopicAuthorizationFailed.With("Authorization failed.")
		default:
			admitted = append(admitted, &newTopic{request: &topics[i]})
			continue
		}
		refused = append(refused, refuseTopic(name, err))
	}
	return admitted, refused
}

func refuseTopic(name string, err error) wire.CreateTopicsResponseTopic {
	t := wire.CreateTopicsResponseTopic{}
	t.Reset()
	t.Name, t.ErrorCode, t.ErrorMessage = name, kerr.Code(err), kerr.Message(err)
	return t
}

func refuseTopics(topics []wire.CreateTopicsRequestTopic, err error) []wire.CreateTopicsResponseTopic {
	all := make([]wire.CreateTopicsResponseTopic, len(topics))
	for i := range topics {
		all[i] = refuseTopic(topics[i].Name, err)
	}
	return all
}

// checkTotal bounds the partitions of one request.
func (m *Machine) checkTotal(topics []*newTopic) error {
	total := int64(0)
	for _, t := range topics {
		switch r := t.request; {
		case len(r.Assignments) > 0:
			total += int64(len(r.Assignments))
		case r.NumPartitions == -1:
			total += int64(m.cfg.DefaultPartitions)
		case r.NumPartitions > 0:
			total += int64(r.NumPartitions)
		}
	}
	if total > maxRecords {
		return kerr.PolicyViolation.With("Excessively large number of partitions per request.")
	}
	return nil
}

// checkNew checks the topic's name and configs.
func (m *Machine) checkNew(t *newTopic) error {
	name := t.request.Name
	if err := CheckTopicName(name); err != nil {
		return err
	}
	if m.draft.Topic(name) != nil {
		return kerr.TopicAlreadyExists.With("Topic '%s' already exists.", name)
	}
	if other := m.collision(name); other != "" {
		return kerr.InvalidTopicException.With("Topic '%s' collides with existing topic: %s", name, other)
	}
	t.configs = map[string]string{}
	var nulls []string
	for _, c := range t.request.Configs {
		if c.Value == nil {
			nulls = append(nulls, c.Name)
			continue
		}
		t.configs[c.Name] = *c.Value
	}
	if len(nulls) > 0 {
		return kerr.InvalidConfig.With("Null value not supported for topic configs: %s", strings.Join(nulls, ","))
	}
	if len(t.configs) == 0 {
		return nil
	}
	return m.checkConfigs(t.configs)
}

func (m *Machine) checkConfigs(configs map[string]string) error {
	for _, value := range configs {
		if len(value) > maxConfigValue {
			return kerr.InvalidConfig.With("The configuration value cannot be added because it exceeds the maximum value size of %d bytes.", maxConfigValue)
		}
	}
	return asInvalidConfig(m.cfg.Topics.Validate(configs))
}

// build places the topic's partitions and fills its records and result.
func (m *Machine) build(t *newTopic, showConfigs bool) error {
	replicas, err := m.replicasOf(t.request)
	if err != nil {
		return err
	}
	id := m.cfg.NewUUID()
	t.records = append(t.records, &wire.TopicRecord{Name: t.request.Name, TopicID: id})
	for _, name := range sortedNames(t.configs) {
		value := t.configs[name]
		t.records = append(t.records, &wire.ConfigRecord{ResourceType: metadata.ConfigTopic, ResourceName: t.request.Name, Name: name, Value: &value})
	}
	for index, ids := range replicas {
		p := m.newPartition(ids)
		t.records = append(t.records, p.Record(model.TopicID(id), int32(index), m.version()))
	}
	t.result.Reset()
	t.result.Name, t.result.TopicID = t.request.Name, id
	if !showConfigs {
		t.result.TopicConfigErrorCode = kerr.TopicAuthorizationFailed.Code
		return nil
	}
	t.result.NumPartitions, t.result.ReplicationFactor = int32(len(replicas)), int16(len(replicas[0]))
	t.result.Configs = m.effectiveConfigs(t.configs)
	return nil
}

// newPartition is a partition's first state; at least one replica is active.
func (m *Machine) newPartition(replicas []model.NodeID) *metadata.Partition {
	p := &metadata.Partition{Replicas: replicas}
	for _, id := range replicas {
		p.Directories = append(p.Directories, m.defaultDir(id))
		if m.active(id) {
			p.ISR = append(p.ISR, id)
		}
	}
	p.Leader = p.ISR[0]
	return p
}

func (m *Machine) effectiveConfigs(overrides map[string]string) []wire.CreateTopicsResponseConfig {
	cluster, node := m.dynamicConfigs()
	all := []wire.CreateTopicsResponseConfig{}
	for _, c := range m.cfg.Topics.Effective(overrides, cluster, node) {
		value := c.Value
		if c.Sensitive {
			value = nil
		}
		all = append(all, wire.CreateTopicsResponseConfig{Name: c.Name, Value: value, ReadOnly: c.ReadOnly, ConfigSource: c.Source, IsSensitive: c.Sensitive})
	}
	return all
}

// replicasOf are the replicas of each partition, assigned by hand or placed.
func (m *Machine) replicasOf(t *wire.CreateTopicsRequestTopic) ([][]model.NodeID, error) {
	switch {
	case len(t.Assignments) > 0 && t.ReplicationFactor != -1:
		return nil, kerr.InvalidRequest.With("A manual partition assignment was specified, but replication factor was not set to -1.")
	case len(t.Assignments) > 0 && t.NumPartitions != -1:
		return nil, kerr.InvalidRequest.With("A manual partition assignment was specified, but numPartitions was not set to -1.")
	case len(t.Assignments) > 0:
		return m.assigned(t.Assignments)
	case t.ReplicationFactor < -1 || t.ReplicationFactor == 0:
		return nil, kerr.InvalidReplicationFactor.With("Replication factor must be larger than 0, or -1 to use the default value.")
	case t.NumPartitions < -1 || t.NumPartitions == 0:
		return nil, kerr.InvalidPartitions.With("Number of partitions was set to an invalid non-positive value.")
	}
	partitions, replicas := t.NumPartitions, t.ReplicationFactor
	if partitions == -1 {
		partitions = m.cfg.DefaultPartitions
	}
	if replicas == -1 {
		replicas = m.cfg.DefaultReplicas
	}
	return m.placed(int(partitions), int(replicas))
}

// placed spreads a new topic's replicas.
func (m *Machine) placed(partitions, replicas int) ([][]model.NodeID, error) {
	all, err := m.spread(partitions, replicas)
	if err != nil {
		return nil, kerr.InvalidReplicationFactor.With("Unable to replicate the partition %d time(s): %s", replicas, *kerr.Message(err))
	}
	return all, nil
}

// spread places new partitions so that each has a replica that lives.
func (m *Machine) spread(partitions, replicas int) ([][]model.NodeID, error) {
	p := newPlacer(m.cfg.Rand, m.usable())
	if err := p.check(replicas); err != nil {
		return nil, err
	}
	all := make([][]model.NodeID, partitions)
	for i := range all {
		all[i] = p.place(replicas)
		if !slices.ContainsFunc(all[i], m.active) {
			return nil, kerr.InvalidReplicationFactor.With("All brokers are currently fenced or in controlled shutdown.")
		}
	}
	return all, nil
}

func (m *Machine) assigned(assignments []wire.CreateTopicsRequestAssignment) ([][]model.NodeID, error) {
	invalid := kerr.InvalidReplicaAssignment
	byIndex := map[int32][]model.NodeID{}
	size := -1
	for _, a := range assignments {
		if _, twice := byIndex[a.PartitionIndex]; twice {
			return nil, invalid.With("Found multiple manual partition assignments for partition %d", a.PartitionIndex)
		}
		ids := nodeIDs(a.BrokerIDs)
		if err := m.checkAssignment(ids, size); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(ids, m.active) {
			return nil, invalid.With("All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", a.PartitionIndex)
		}
		size = len(ids)
		byIndex[a.PartitionIndex] = ids
	}
	all := make([][]model.NodeID, len(byIndex))
	for i := range all {
		ids, ok := byIndex[int32(i)]
		if !ok {
			return nil, invalid.With("partitions should be a consecutive 0-based integer sequence")
		}
		all[i] = ids
	}
	return all, nil
}

// checkAssignment checks one partition's replicas; size is how many the others
// have, -1 for the first.
func (m *Machine) checkAssignment(ids []model.NodeID, size int) error {
	invalid := kerr.InvalidReplicaAssignment
	if len(ids) == 0 {
		return invalid.With("The manual partition assignment includes an empty replica list.")
	}
	previous := model.NoNode
	for _, id := range slices.Sorted(slices.Values(ids)) {
		b := m.draft.Broker(id)
		switch {
		case b == nil:
			return invalid.With("The manual partition assignment includes broker %d, but no such broker is registered.", id)
		case !b.HasUncordonedDirs():
			return invalid.With("The manual partition assignment includes broker %d, but all its log directories are cordoned.", id)
		case id == previous:
			return invalid.With("The manual partition assignment includes the broker %d more than once.", id)
		}
		previous = id
	}
	if size >= 0 && len(ids) != size {
		return invalid.With("The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).", len(ids), size)
	}
	return nil
}

func sortedNames(configs map[string]string) []string {
	names := make([]string, 0, len(configs))
	for name := range configs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
