package control

import (
	"log/slog"
	"testing"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/loggers"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// TestResourceErrors: a controller that is not active answers each resource.
func TestResourceErrors(t *testing.T) {
	f := &fakeController{err: kerr.NotController}
	want := kerr.NotController.Code
	legacy := (&AlterConfigs{f, auth.AllowAll{}}).Handle(t.Context(), &server.Request{Body: &wire.AlterConfigsRequest{
		Resources: []wire.AlterConfigsRequestResource{{ResourceType: 2, ResourceName: "a"}}}})
	if got := legacy.(*wire.AlterConfigsResponse).Responses; len(got) != 1 || got[0].ErrorCode != want || got[0].ResourceName != "a" {
		t.Errorf("%+v", got)
	}
	incremental := (&IncrementalAlterConfigs{Controller: f, Loggers: loggers.New(1, slog.New(slog.DiscardHandler)), Authorizer: auth.AllowAll{}}).Handle(t.Context(), &server.Request{Body: &wire.IncrementalAlterConfigsRequest{
		Resources: []wire.IncrementalAlterConfigsRequestResource{{ResourceType: 4, ResourceName: "1"}, {ResourceType: 8, ResourceName: "1"}, {ResourceType: 8, ResourceName: "2"}}}})
	got := incremental.(*wire.IncrementalAlterConfigsResponse).Responses
	if len(got) != 3 || got[0].ErrorCode != 0 || got[1].ErrorCode != kerr.InvalidRequest.Code || got[2].ErrorCode != want || got[2].ResourceType != 4 {
		t.Errorf("%+v", got)
	}
	partitions := (&CreatePartitions{f, auth.AllowAll{}}).Handle(t.Context(), &server.Request{Body: &wire.CreatePartitionsRequest{
		Topics: []wire.CreatePartitionsRequestTopic{{Name: "a"}}}})
	if got := partitions.(*wire.CreatePartitionsResponse).Results; len(got) != 1 || got[0].ErrorCode != want {
		t.Errorf("%+v", got)
	}
	elections := (&ElectLeaders{f, auth.AllowAll{}}).Handle(t.Context(), &server.Request{Body: &wire.ElectLeadersRequest{
		TopicPartitions: []wire.ElectLeadersRequestTopicPartition{{Topic: "a", Partitions: []int32{1, 2}}}}})
	if got := elections.(*wire.ElectLeadersResponse).ReplicaElectionResults; len(got) != 1 || len(got[0].PartitionResult) != 2 || got[0].PartitionResult[1].ErrorCode != want {
		t.Errorf("%+v", got)
	}
}
