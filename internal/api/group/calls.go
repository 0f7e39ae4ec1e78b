package group

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/server"
)

// Coordinators are the coordinators of groups on this broker: a Set of package
// coordinator, one for each partition of __consumer_offsets that it leads.
type Coordinators interface {
	PartitionFor(key string) int32
	Call(ctx context.Context, partition int32, request any) (any, error)
	Each(ctx context.Context, request any) (responses []any, loading bool)
}

// call asks the coordinator of a group.
func call[R any](ctx context.Context, c Coordinators, id string, r *server.Request, body any) (answer R, err error) {
	response, err := c.Call(ctx, c.PartitionFor(id), requestOf(r, body))
	if err != nil {
		return answer, err
	}
	return response.(R), nil
}

func requestOf(r *server.Request, body any) group.Request {
	return group.Request{Version: r.Header.APIVersion, ClientID: r.ClientID(), ClientHost: clientHost(r), Address: r.ClientHost, Principal: r.Principal, Body: body}
}

// clientHost is the client's address as Java writes one: with a slash in front,
// and without leaving out the zeros of IPv6.
func clientHost(r *server.Request) string {
	if !r.ClientAddr.Is6() {
		return "/" + r.ClientHost
	}
	b := r.ClientAddr.As16()
	parts := make([]string, 8)
	for i := range parts {
		parts[i] = fmt.Sprintf("%x", uint16(b[2*i])<<8|uint16(b[2*i+1]))
	}
	return "/" + strings.Join(parts, ":")
}

// allowed checks a right on a group that must have an id.
func allowed(a auth.Authorizer, r *server.Request, op auth.Operation, id string) error {
	switch {
	case !rights.Group(a, r, op, id):
		return kerr.GroupAuthorizationFailed
	case id == "":
		return kerr.InvalidGroupID
	}
	return nil
}

// partitionExists reports whether the topic has the partition.
func partitionExists(t *metadata.Topic, index int32) bool {
	return index >= 0 && int(index) < len(t.Partitions) && t.Partitions[index].Replicas != nil
}

func topicID(id model.UUID) model.TopicID { return model.TopicID(id) }

// byPartition sorts ids by the partition that coordinates them, in the order in
// which each partition comes first. Every id is there once.
func byPartition(c Coordinators, ids []string) [][]string {
	var out [][]string
	at := map[int32]int{}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		p := c.PartitionFor(id)
		j, ok := at[p]
		if !ok {
			j = len(out)
			at[p] = j
			out = append(out, nil)
		}
		out[j] = append(out[j], id)
	}
	return out
}
