package group

import (
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// LeaveGroup is API key 13, versions 0-5: members leave a group, several at once
// from version 3 on, where static ones may be named by their instance alone
// (KIP-345), with reasons from version 5 on (KIP-800).
//
// Needs READ on the group.
type LeaveGroup struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
}

// severalMembersSince is the version from which on members are a list.
const severalMembersSince = 3

// Handle implements server.Handler.
func (h *LeaveGroup) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.LeaveGroupRequest)
	if err := allowed(h.Authorizer, r, auth.Read, q.GroupID); err != nil {
		return &wire.LeaveGroupResponse{ErrorCode: kerr.Code(err)}
	}
	own := *q
	alone := r.Header.APIVersion < severalMembersSince
	if alone {
		own.Members = []wire.LeaveGroupRequestMember{{MemberID: q.MemberID}}
	}
	answer, err := call[*wire.LeaveGroupResponse](ctx, h.Groups, q.GroupID, r, &own)
	if err != nil {
		return &wire.LeaveGroupResponse{ErrorCode: kerr.Code(err)}
	}
	if alone && answer.ErrorCode == 0 {
		return &wire.LeaveGroupResponse{ErrorCode: answer.Members[0].ErrorCode}
	}
	return answer
}
