package admin

import (
	"log/slog"
	"testing"

	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/wire"
)

func text(s string) *string { return &s }

// TestIncrementalAlterConfigs: what this broker refuses never reaches the
// controller, the rest does and shows here with the answer.
func TestIncrementalAlterConfigs(t *testing.T) {
	c := newCluster(t, 1)
	c.create("a")
	logs := loggers.New(1, slog.New(slog.DiscardHandler))
	h := &IncrementalAlterConfigs{Forwarder: c, View: &c.view, Static: static(t), NodeID: 1, Loggers: logs, Authorizer: c.rights}
	set := func(kind int8, name string, configs ...wire.IncrementalAlterConfigsRequestConfig) wire.IncrementalAlterConfigsRequestResource {
		return wire.IncrementalAlterConfigsRequestResource{ResourceType: kind, ResourceName: name, Configs: configs}
	}
	one := wire.IncrementalAlterConfigsRequestConfig{Name: "retention.ms", Value: text("7")}
	broker := wire.IncrementalAlterConfigsRequestConfig{Name: "log.retention.ms", Value: text("9")}
	null := wire.IncrementalAlterConfigsRequestConfig{Name: "retention.ms"}
	body := &wire.IncrementalAlterConfigsRequest{Resources: []wire.IncrementalAlterConfigsRequestResource{
		set(2, "a", one), set(4, "1", broker), set(4, "2", broker), set(4, "x", broker), set(2, "b", one, one), set(2, "c", null),
		set(2, "gone", one), set(8, "1", wire.IncrementalAlterConfigsRequestConfig{Name: "root", Value: text("DEBUG")}), set(8, "2"), set(3, "?"),
	}}
	answers := h.Handle(t.Context(), request(body, 1)).(*wire.IncrementalAlterConfigsResponse).Responses
	want := []*kerr.Error{nil, nil, kerr.InvalidRequest, kerr.InvalidRequest, kerr.InvalidRequest, kerr.InvalidRequest,
		kerr.UnknownTopicOrPartition, nil, kerr.InvalidRequest, kerr.InvalidRequest}
	if len(answers) != len(want) {
		t.Fatalf("%d answers, want %d", len(answers), len(want))
	}
	for i, a := range answers {
		code := int16(0)
		if want[i] != nil {
			code = want[i].Code
		}
		if a.ErrorCode != code || a.ResourceName != body.Resources[i].ResourceName {
			t.Errorf("%d: %+v, want %v", i, a, want[i])
		}
	}
	img := c.view.Image()
	if img.Config(metadata.ConfigTopic, "a")["retention.ms"] != "7" || img.Config(metadata.ConfigBroker, "1")["log.retention.ms"] != "9" {
		t.Error("what was set is not shown")
	}
	if got := logs.Levels()[0]; got.Level != "DEBUG" {
		t.Errorf("a logger that was set is %+v", got)
	}
	calls := c.calls
	h.Handle(t.Context(), request(&wire.IncrementalAlterConfigsRequest{Resources: []wire.IncrementalAlterConfigsRequestResource{set(2, "a", one), set(2, "a", one)}}, 1))
	if c.calls != calls {
		t.Error("a request of which nothing is right was forwarded")
	}
}

// TestAlterConfigs: the older way replaces the whole set.
func TestAlterConfigs(t *testing.T) {
	c := newCluster(t, 1)
	c.create("a")
	h := &AlterConfigs{Forwarder: c, View: &c.view, Static: static(t), NodeID: 1}
	alter := func(configs ...wire.AlterConfigsRequestConfig) {
		body := &wire.AlterConfigsRequest{Resources: []wire.AlterConfigsRequestResource{{ResourceType: 2, ResourceName: "a", Configs: configs}}}
		for _, a := range h.Handle(t.Context(), request(body, 2)).(*wire.AlterConfigsResponse).Responses {
			if a.ErrorCode != 0 {
				t.Fatalf("%+v", a)
			}
		}
	}
	alter(wire.AlterConfigsRequestConfig{Name: "retention.ms", Value: text("7")})
	alter(wire.AlterConfigsRequestConfig{Name: "segment.ms", Value: text("8")})
	if now := c.view.Image().Config(metadata.ConfigTopic, "a"); len(now) != 1 || now["segment.ms"] != "8" {
		t.Errorf("%v", now)
	}
}

// TestMorePartitions: the answer comes once this broker knows the partitions.
func TestMorePartitions(t *testing.T) {
	c := newCluster(t, 1)
	c.create("a")
	h := &CreatePartitions{Forwarder: c, View: &c.view}
	body := &wire.CreatePartitionsRequest{Topics: []wire.CreatePartitionsRequestTopic{{Name: "a", Count: 5}, {Name: "gone", Count: 2}}}
	got := h.Handle(t.Context(), request(body, 3)).(*wire.CreatePartitionsResponse).Results
	if len(got) != 2 || got[0].ErrorCode != 0 || got[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Fatalf("%+v", got)
	}
	if n := len(c.view.Image().Topic("a").Partitions); n != 5 {
		t.Errorf("%d partitions are shown", n)
	}
}

// TestListConfigResources lists what DescribeConfigs can be asked about; version
// 0 knows client metrics alone (KIP-1142).
func TestListConfigResources(t *testing.T) {
	c := newCluster(t, 2)
	c.create("a", "b")
	c.fence(2)
	h := &ListConfigResources{View: &c.view, Authorizer: c.rights}
	list := func(version int16, kinds ...int8) *wire.ListConfigResourcesResponse {
		return h.Handle(t.Context(), request(&wire.ListConfigResourcesRequest{ResourceTypes: kinds}, version)).(*wire.ListConfigResourcesResponse)
	}
	for _, want := range []struct {
		version int16
		kinds   []int8
		code    int16
		names   int
	}{
		{1, nil, 0, 4}, {1, []int8{2}, 0, 2}, {1, []int8{4}, 0, 1}, {0, nil, 0, 0},
		{0, []int8{2}, kerr.UnsupportedVersion.Code, 0}, {1, []int8{3}, kerr.UnsupportedVersion.Code, 0},
	} {
		if got := list(want.version, want.kinds...); got.ErrorCode != want.code || len(got.ConfigResources) != want.names {
			t.Errorf("%+v: %+v", want, got)
		}
	}
	c.rights["DESCRIBE_CONFIGS kafka-cluster"] = true
	if got := list(1); got.ErrorCode != kerr.ClusterAuthorizationFailed.Code {
		t.Errorf("%+v", got)
	}
}

// TestForwarded: what only the controller can do is handed on as it came.
func TestForwarded(t *testing.T) {
	c := newCluster(t, 1)
	c.create("a")
	elected := (&ElectLeaders{c}).Handle(t.Context(), request(&wire.ElectLeadersRequest{
		TopicPartitions: []wire.ElectLeadersRequestTopicPartition{{Topic: "a", Partitions: []int32{0}}}}, 2)).(*wire.ElectLeadersResponse)
	if got := elected.ReplicaElectionResults; len(got) != 1 || got[0].PartitionResult[0].ErrorCode != kerr.ElectionNotNeeded.Code {
		t.Errorf("%+v", elected)
	}
	gone := (&UnregisterBroker{c}).Handle(t.Context(), request(&wire.UnregisterBrokerRequest{BrokerID: 9}, 0)).(*wire.UnregisterBrokerResponse)
	if gone.ErrorCode != kerr.BrokerIDNotRegistered.Code {
		t.Errorf("%+v", gone)
	}
	update := &wire.UpdateFeaturesRequest{FeatureUpdates: []wire.UpdateFeaturesRequestFeatureUpdate{{Feature: "transaction.version", MaxVersionLevel: 0, UpgradeType: 2}}}
	h := &UpdateFeatures{Forwarder: c, View: &c.view}
	if got := h.Handle(t.Context(), request(update, 2)).(*wire.UpdateFeaturesResponse); got.ErrorCode != 0 {
		t.Errorf("%+v", got)
	}
	if level := c.view.Image().Features().Level("transaction.version"); level != 0 {
		t.Errorf("the level is still %d", level)
	}
	update.FeatureUpdates[0].MaxVersionLevel, update.FeatureUpdates[0].UpgradeType = 9, 1
	if got := h.Handle(t.Context(), request(update, 2)).(*wire.UpdateFeaturesResponse); got.ErrorCode != kerr.InvalidUpdateVersion.Code {
		t.Errorf("%+v", got)
	}
}
