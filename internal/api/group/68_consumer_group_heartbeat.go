package group

import (
	"context"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/group/consumer"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// ConsumerGroupHeartbeat is API key 68, versions 0-1: a member of a consumer group
// joins, lives, owns and leaves (KIP-848). From version 1 on clients make their own
// member ids (KIP-1082) and may subscribe by a regular expression.
//
// Needs READ on the group, and DESCRIBE on each topic that is named. Topics that a
// regular expression matches are shown as far as the member may describe them.
type ConsumerGroupHeartbeat struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
	// Enabled reports whether there are consumer groups: group.version is 1, and
	// group.coordinator.rebalance.protocols has consumer.
	Enabled   func() bool
	Assignors []string // group.consumer.assignors
}

// Handle implements server.Handler.
func (h *ConsumerGroupHeartbeat) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.ConsumerGroupHeartbeatRequest)
	if err := h.check(r, q); err != nil {
		return group.ConsumerHeartbeatRefused(err)
	}
	answer, err := call[*wire.ConsumerGroupHeartbeatResponse](ctx, h.Groups, q.GroupID, r, q)
	if err != nil {
		return group.ConsumerHeartbeatRefused(err)
	}
	return answer
}

func (h *ConsumerGroupHeartbeat) check(r *server.Request, q *wire.ConsumerGroupHeartbeatRequest) error {
	switch {
	case !h.Enabled():
		return kerr.UnsupportedVersion
	case !rights.Group(h.Authorizer, r, auth.Read, q.GroupID):
		return kerr.GroupAuthorizationFailed
	}
	for _, topic := range q.SubscribedTopicNames {
		if !rights.Topic(h.Authorizer, r, auth.Describe, topic) {
			return kerr.TopicAuthorizationFailed
		}
	}
	return consumer.Validate(r.Header.APIVersion, q, h.Assignors)
}
