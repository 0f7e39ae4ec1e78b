package admin

import (
	"context"
	"slices"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/replica"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// AlterReplicaLogDirs serves versions 1-2 (KIP-113, 1066): replicas of this broker
// move to the log directories named. An answer without error says that a move has
// begun; DescribeLogDirs tells how far it is. Needs ALTER on the cluster. Left
// out: remembering the directory for a replica that is not here yet, which the
// controller decides when it creates one (KIP-858).
type AlterReplicaLogDirs struct {
	Partitions *replica.Set
	View       *View
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *AlterReplicaLogDirs) Handle(_ context.Context, r *server.Request) wire.Response {
	req := r.Body.(*wire.AlterReplicaLogDirsRequest)
	response := &wire.AlterReplicaLogDirsResponse{Results: []wire.AlterReplicaLogDirsResponseTopic{}}
	allowed := rights.Cluster(h.Authorizer, r, auth.Alter)
	for _, dir := range req.Dirs {
		for _, topic := range dir.Topics {
			for _, index := range topic.Partitions {
				err := error(kerr.ClusterAuthorizationFailed)
				if allowed {
					err = h.move(model.Partition{Topic: topic.Name, Index: index}, dir.Path)
				}
				answerMove(response, topic.Name, index, err)
			}
		}
	}
	return response
}

func answerMove(response *wire.AlterReplicaLogDirsResponse, topic string, index int32, err error) {
	at := slices.IndexFunc(response.Results, func(t wire.AlterReplicaLogDirsResponseTopic) bool { return t.TopicName == topic })
	if at < 0 {
		at = len(response.Results)
		response.Results = append(response.Results, wire.AlterReplicaLogDirsResponseTopic{TopicName: topic})
	}
	result := wire.AlterReplicaLogDirsResponsePartition{PartitionIndex: index, ErrorCode: kerr.Code(err)}
	response.Results[at].Partitions = append(response.Results[at].Partitions, result)
}

func (h *AlterReplicaLogDirs) move(name model.Partition, path string) error {
	img := h.View.Image()
	to, err := h.Partitions.Destination(path)
	if err != nil {
		return err
	}
	if to.Cordoned() {
		return kerr.InvalidReplicaAssignment.With("log directory %s is cordoned", path)
	}
	topic := img.Topic(name.Topic)
	if topic == nil || img.Partition(topic.ID, name.Index) == nil {
		return kerr.UnknownTopicOrPartition
	}
	return h.Partitions.Move(topic.ID, name.Index, path)
}
