package group

import (
	"context"
	"errors"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Heartbeat is API key 12, versions 0-4: a member of a classic group is alive, and
// hears when it should join again. While the coordinator reads its log, members
// are told that all is well.
//
// Needs READ on the group.
type Heartbeat struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
}

// Handle implements server.Handler.
func (h *Heartbeat) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.HeartbeatRequest)
	if err := allowed(h.Authorizer, r, auth.Read, q.GroupID); err != nil {
		return &wire.HeartbeatResponse{ErrorCode: kerr.Code(err)}
	}
	answer, err := call[*wire.HeartbeatResponse](ctx, h.Groups, q.GroupID, r, q)
	switch {
	case errors.Is(err, kerr.CoordinatorLoadInProgress):
		return &wire.HeartbeatResponse{}
	case err != nil:
		return &wire.HeartbeatResponse{ErrorCode: kerr.Code(err)}
	}
	return answer
}
