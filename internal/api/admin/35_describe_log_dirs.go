package admin

import (
	"cmp"
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

// DescribeLogDirs serves versions 1-5 (KIP-113, 827, 1066) on broker listeners:
// this broker's log directories with the sizes of the partitions in them. Needs
// DESCRIBE on the cluster.
type DescribeLogDirs struct {
	Partitions *replica.Set
	View       *View
	// Space is the size of the file system that a directory is on, and what is
	// left of it; -1 when that cannot be told.
	Space      func(dir string) (total, usable int64)
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *DescribeLogDirs) Handle(_ context.Context, r *server.Request) wire.Response {
	response := &wire.DescribeLogDirsResponse{Results: []wire.DescribeLogDirsResponseResult{}}
	if !rights.Cluster(h.Authorizer, r, auth.Describe) {
		response.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return response
	}
	wanted := wantedPartitions(r.Body.(*wire.DescribeLogDirsRequest))
	byDir := map[*replica.Dir][]replicaInDir{}
	for _, p := range h.Partitions.Partitions() {
		if wanted == nil || wanted[p.Name()] {
			byDir[p.Dir()] = append(byDir[p.Dir()], replicaInDir{p.Name(), p.Size(), p.Lag(), false})
		}
	}
	for _, dir := range h.Partitions.Dirs() {
		for _, m := range h.Partitions.Moving(dir) {
			if wanted == nil || wanted[m.Name] {
				byDir[dir] = append(byDir[dir], replicaInDir{m.Name, m.Size, m.Lag, true})
			}
		}
	}
	for _, dir := range h.Partitions.Dirs() {
		response.Results = append(response.Results, h.describe(dir, byDir[dir]))
	}
	return response
}

// wantedPartitions are those that the request names, nil for all.
func wantedPartitions(r *wire.DescribeLogDirsRequest) map[model.Partition]bool {
	if r.Topics == nil {
		return nil
	}
	wanted := map[model.Partition]bool{}
	for _, t := range r.Topics {
		for _, index := range t.Partitions {
			wanted[model.Partition{Topic: t.Topic, Index: index}] = true
		}
	}
	return wanted
}

// replicaInDir is a replica, or the copy of one that moves.
type replicaInDir struct {
	name      model.Partition
	size, lag int64
	moving    bool
}

func (h *DescribeLogDirs) describe(dir *replica.Dir, replicas []replicaInDir) wire.DescribeLogDirsResponseResult {
	result := wire.DescribeLogDirsResponseResult{}
	result.Reset()
	result.LogDir, result.Topics = dir.Path(), []wire.DescribeLogDirsResponseTopic{}
	if dir.Err() != nil {
		result.ErrorCode = kerr.KafkaStorageError.Code
		return result
	}
	slices.SortFunc(replicas, func(a, b replicaInDir) int {
		return cmp.Or(cmp.Compare(a.name.Topic, b.name.Topic), cmp.Compare(a.name.Index, b.name.Index))
	})
	for _, p := range replicas {
		if n := len(result.Topics); n == 0 || result.Topics[n-1].Name != p.name.Topic {
			result.Topics = append(result.Topics, wire.DescribeLogDirsResponseTopic{Name: p.name.Topic})
		}
		topic := &result.Topics[len(result.Topics)-1]
		topic.Partitions = append(topic.Partitions, wire.DescribeLogDirsResponsePartition{
			PartitionIndex: p.name.Index, PartitionSize: p.size, OffsetLag: p.lag, IsFutureKey: p.moving,
		})
	}
	result.TotalBytes, result.UsableBytes = h.Space(dir.Path())
	result.IsCordoned = dir.Cordoned() && h.View.Image().Features().Version.CordonedDirs()
	return result
}
