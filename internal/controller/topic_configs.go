package controller

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/stromkafka/strom/internal/config"
)

// staticConfigs answers from this node's static configuration and what the
// metadata says about brokers. Value is asked for every partition of a broker
// that goes away and Effective for every topic that is created, so what is in
// force without overrides is kept; a Machine has one goroutine, and so has this.
type staticConfigs struct {
	static        *config.Values
	cluster, node map[string]string // what the rest was made of
	values        map[string]string // of configMinISR and configUnclean
	all           []ConfigValue     // of a topic without overrides; nil until asked for
}

// NewTopicConfigs is the TopicConfigs of a node with this static configuration.
func NewTopicConfigs(static *config.Values) TopicConfigs {
	c := &staticConfigs{static: static}
	c.resolve(nil, nil)
	return c
}

// Validate implements TopicConfigs.
func (*staticConfigs) Validate(overrides map[string]string) error {
	return config.ValidateTopic(overrides)
}

// ValidateGroup implements TopicConfigs. As in Kafka, the limits are those of this
// node's file.
func (c *staticConfigs) ValidateGroup(overrides map[string]string) error {
	return c.static.ValidateGroup(overrides)
}

// follow takes over what is set on brokers, if it is not what it was.
func (c *staticConfigs) follow(cluster, node map[string]string) {
	if !maps.Equal(cluster, c.cluster) || !maps.Equal(node, c.node) {
		c.resolve(cluster, node)
	}
}

func (c *staticConfigs) resolve(cluster, node map[string]string) {
	now, _ := c.static.With(cluster, node) // what is not valid is not in force
	settings, _ := now.Topic(nil)
	c.cluster, c.node, c.all = cluster, node, nil
	c.values = map[string]string{
		configMinISR: strconv.Itoa(settings.MinISR), configUnclean: strconv.FormatBool(settings.UncleanLeaderElection),
	}
}

// Value implements TopicConfigs.
func (c *staticConfigs) Value(name string, overrides, cluster, node map[string]string) string {
	if value, ok := overrides[name]; ok {
		return value
	}
	c.follow(cluster, node)
	return c.values[name]
}

// Effective implements TopicConfigs. The result is not to be changed.
func (c *staticConfigs) Effective(overrides, cluster, node map[string]string) []ConfigValue {
	c.follow(cluster, node)
	if len(overrides) > 0 {
		return c.describe(overrides)
	}
	if c.all == nil {
		c.all = c.describe(nil)
	}
	return c.all
}

func (c *staticConfigs) describe(overrides map[string]string) []ConfigValue {
	var all []ConfigValue
	for _, e := range c.static.DescribeTopic(config.Dynamics{Cluster: c.cluster, Broker: c.node}, overrides) {
		all = append(all, ConfigValue{Name: e.Name, Value: e.Value, ReadOnly: e.ReadOnly, Source: int8(e.Source), Sensitive: e.Sensitive})
	}
	slices.SortFunc(all, func(a, b ConfigValue) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
