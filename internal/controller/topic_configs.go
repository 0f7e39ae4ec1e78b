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
// that goes away, so the last effective values are kept; a Machine has one
// goroutine, and so has this.
type staticConfigs struct {
	static        *config.Values
	cluster, node map[string]string // what now was made of
	now           *config.Values
}

// NewTopicConfigs is the TopicConfigs of a node with this static configuration.
func NewTopicConfigs(static *config.Values) TopicConfigs {
	return &staticConfigs{static: static, now: static}
}

// Validate implements TopicConfigs.
func (*staticConfigs) Validate(overrides map[string]string) error {
	return config.ValidateTopic(overrides)
}

// Value implements TopicConfigs.
func (c *staticConfigs) Value(name string, overrides, cluster, node map[string]string) string {
	if value, ok := overrides[name]; ok {
		return value
	}
	if !maps.Equal(cluster, c.cluster) || !maps.Equal(node, c.node) {
		now, _ := c.static.With(cluster, node) // what is not valid is not in force
		c.cluster, c.node, c.now = cluster, node, now
	}
	settings, _ := c.now.Topic(nil)
	switch name {
	case configMinISR:
		return strconv.Itoa(settings.MinISR)
	case configUnclean:
		return strconv.FormatBool(settings.UncleanLeaderElection)
	}
	return ""
}

// Effective implements TopicConfigs.
func (c *staticConfigs) Effective(overrides, cluster, node map[string]string) []ConfigValue {
	var all []ConfigValue
	for _, e := range c.static.DescribeTopic(config.Dynamics{Cluster: cluster, Broker: node}, overrides) {
		all = append(all, ConfigValue{Name: e.Name, Value: e.Value, ReadOnly: e.ReadOnly, Source: int8(e.Source), Sensitive: e.Sensitive})
	}
	slices.SortFunc(all, func(a, b ConfigValue) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
