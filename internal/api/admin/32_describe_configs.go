package admin

import (
	"context"
	"slices"
	"strconv"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/config"
	"github.com/stromkafka/strom/internal/controller"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// DescribeConfigs serves versions 1-4 (KIP-133, 226, 569, 714, 848) on both kinds
// of listener: topics, this node and its loggers, the cluster's dynamic defaults,
// client metrics and groups. Needs DESCRIBE_CONFIGS on the topic, the group or the cluster.
type DescribeConfigs struct {
	View       *View
	Static     *config.Values // of this node's files and flags
	NodeID     model.NodeID
	Loggers    *loggers.Set
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DescribeConfigs) Handle(_ context.Context, r *server.Request) wire.Response {
	body := r.Body.(*wire.DescribeConfigsRequest)
	img := h.View.Image()
	response := &wire.DescribeConfigsResponse{Results: make([]wire.DescribeConfigsResponseResult, 0, len(body.Resources))}
	for _, resource := range body.Resources {
		result := wire.DescribeConfigsResponseResult{ResourceType: resource.ResourceType, ResourceName: resource.ResourceName}
		entries, err := h.describe(img, r, resource)
		result.ErrorCode, result.ErrorMessage = kerr.Code(err), kerr.Message(err)
		if result.ErrorMessage == nil {
			result.ErrorMessage = new(string) // never null, as in Kafka
		}
		result.Configs = answerConfigs(entries, resource.ConfigurationKeys, body)
		response.Results = append(response.Results, result)
	}
	return response
}

func (h *DescribeConfigs) describe(img *metadata.Image, r *server.Request, resource wire.DescribeConfigsRequestResource) ([]config.Entry, error) {
	name := resource.ResourceName
	if err := h.authorize(r, resource.ResourceType, name); err != nil {
		return nil, err
	}
	dynamics := config.Dynamics{
		Cluster: img.Config(metadata.ConfigBroker, ""),
		Broker:  img.Config(metadata.ConfigBroker, strconv.Itoa(int(h.NodeID))),
	}
	set := img.Config(resource.ResourceType, name)
	switch resource.ResourceType {
	case metadata.ConfigTopic:
		if err := controller.CheckTopicName(name); err != nil {
			return nil, err
		}
		if img.Topic(name) == nil {
			return nil, kerr.UnknownTopicOrPartition
		}
		return h.Static.DescribeTopic(dynamics, set), nil
	case metadata.ConfigBroker:
		if name == "" {
			return h.Static.DescribeCluster(dynamics), nil
		}
		if err := h.checkNode(name, " or empty string, but"); err != nil {
			return nil, err
		}
		return h.Static.DescribeBroker(dynamics), nil
	case metadata.ConfigBrokerLogger:
		if name == "" {
			return nil, kerr.InvalidRequest.With("Broker id must not be empty")
		}
		if err := h.checkNode(name, " but"); err != nil {
			return nil, err
		}
		return h.describeLoggers(), nil
	case metadata.ConfigClientMetrics:
		if name == "" {
			return nil, kerr.InvalidRequest.With("Client metrics subscription name must not be empty")
		}
		return config.DescribeClientMetrics(set), nil
	}
	if name == "" {
		return nil, kerr.InvalidRequest.With("Group name must not be empty")
	}
	return h.Static.DescribeGroup(dynamics, set), nil
}

func (h *DescribeConfigs) describeLoggers() (all []config.Entry) {
	for _, l := range h.Loggers.Levels() {
		all = append(all, config.Entry{Name: l.Logger, Value: &l.Level, Source: config.SourceLogger})
	}
	return all
}

func (h *DescribeConfigs) authorize(r *server.Request, kind int8, name string) error {
	may := func(rt auth.ResourceType, name string) bool {
		return h.Authorizer.Allowed(r.Principal, r.ClientHost, auth.DescribeConfigs, rt, name)
	}
	switch kind {
	case metadata.ConfigTopic:
		if !may(auth.Topic, name) {
			return kerr.TopicAuthorizationFailed
		}
	case metadata.ConfigGroup:
		if !may(auth.Group, name) {
			return kerr.GroupAuthorizationFailed
		}
	case metadata.ConfigBroker, metadata.ConfigBrokerLogger, metadata.ConfigClientMetrics:
		if !may(auth.Cluster, auth.ClusterName) {
			return kerr.ClusterAuthorizationFailed
		}
	default:
		return kerr.InvalidRequest.With("Unexpected resource type %d for resource %s", kind, name)
	}
	return nil
}

// checkNode wants the name to be this node's id: nobody knows another's files.
func (h *DescribeConfigs) checkNode(name, rest string) error {
	id, err := strconv.Atoi(name)
	if err != nil {
		return kerr.InvalidRequest.With("Broker id must be an integer, but it is: %s", name)
	}
	if model.NodeID(id) != h.NodeID {
		return kerr.InvalidRequest.With("Unexpected broker id, expected %d%s received %s", h.NodeID, rest, name)
	}
	return nil
}

// answerConfigs are the entries that were asked for, all when no key was named.
func answerConfigs(entries []config.Entry, keys []string, body *wire.DescribeConfigsRequest) []wire.DescribeConfigsResponseConfig {
	all := []wire.DescribeConfigsResponseConfig{}
	for _, e := range entries {
		if len(keys) > 0 && !slices.Contains(keys, e.Name) {
			continue
		}
		c := wire.DescribeConfigsResponseConfig{}
		c.Reset()
		c.Name, c.Value, c.ReadOnly, c.IsSensitive = e.Name, e.Value, e.ReadOnly, e.Sensitive
		c.ConfigSource, c.ConfigType = int8(e.Source), int8(e.Type)
		if e.Source == config.SourceLogger || body.IncludeDocumentation && e.Type != 0 {
			c.Documentation = &e.Doc
		}
		if body.IncludeSynonyms {
			for _, s := range e.Synonyms {
				c.Synonyms = append(c.Synonyms, wire.DescribeConfigsResponseSynonym{Name: s.Name, Value: s.Value, Source: int8(s.Source)})
			}
		}
		all = append(all, c)
	}
	return all
}
