package group

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ConsumerGroupDescribe is API key 69, versions 0-1: the state, epochs and members of
// consumer groups (KIP-848), from version 1 on with the protocol that each member
// speaks (KIP-1099).
//
// Needs DESCRIBE on each group, and on each topic that its members have or shall have:
// a group with others is not shown.
type ConsumerGroupDescribe struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
	// Enabled reports whether there are consumer groups.
	Enabled func() bool
}

// Handle implements server.Handler.
func (h *ConsumerGroupDescribe) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.ConsumerGroupDescribeRequest)
	out := &wire.ConsumerGroupDescribeResponse{Groups: []wire.ConsumerGroupDescribeResponseGroup{}}
	var ids []string
	for _, id := range q.GroupIDs {
		switch {
		case !h.Enabled():
			out.Groups = append(out.Groups, group.ConsumerGroupNotDescribed(id, kerr.UnsupportedVersion))
		case !rights.Group(h.Authorizer, r, auth.Describe, id):
			out.Groups = append(out.Groups, group.ConsumerGroupNotDescribed(id, kerr.GroupAuthorizationFailed))
		case id == "":
			out.Groups = append(out.Groups, group.ConsumerGroupNotDescribed(id, kerr.InvalidGroupID))
		default:
			ids = append(ids, id)
		}
	}
	for _, some := range byPartition(h.Groups, ids) {
		out.Groups = append(out.Groups, h.describe(ctx, r, some)...)
	}
	for i := range out.Groups {
		g := &out.Groups[i]
		if q.IncludeAuthorizedOperations && g.ErrorCode == 0 {
			g.AuthorizedOperations = rights.Operations(h.Authorizer, r, auth.Group, g.GroupID)
		}
		if !h.mayShow(r, g) {
			*g = group.ConsumerGroupNotDescribed(g.GroupID, kerr.TopicAuthorizationFailed.With("The group has described topic(s) that the client is not authorized to describe."))
		}
	}
	return out
}

// describe asks one coordinator.
func (h *ConsumerGroupDescribe) describe(ctx context.Context, r *server.Request, ids []string) []wire.ConsumerGroupDescribeResponseGroup {
	answer, err := call[*wire.ConsumerGroupDescribeResponse](ctx, h.Groups, ids[0], r, &wire.ConsumerGroupDescribeRequest{GroupIDs: ids})
	if err == nil {
		return answer.Groups
	}
	out := make([]wire.ConsumerGroupDescribeResponseGroup, len(ids))
	for i, id := range ids {
		out[i] = group.ConsumerGroupNotDescribed(id, err)
	}
	return out
}

// mayShow reports whether the client may know of all topics of the group.
func (h *ConsumerGroupDescribe) mayShow(r *server.Request, g *wire.ConsumerGroupDescribeResponseGroup) bool {
	for i := range g.Members {
		m := &g.Members[i]
		for _, a := range []*wire.ConsumerGroupDescribeResponseAssignment{&m.Assignment, &m.TargetAssignment} {
			for j := range a.TopicPartitions {
				if !rights.Topic(h.Authorizer, r, auth.Describe, a.TopicPartitions[j].TopicName) {
					return false
				}
			}
		}
	}
	return true
}
