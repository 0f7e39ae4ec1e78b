package group

import (
	"bytes"
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// SyncGroup is API key 14, versions 0-5: a member of a classic group asks for its
// assignment and waits for it; the leader brings everybody's. From version 5 on
// members say the protocol that they believe was chosen (KIP-559).
//
// Needs READ on the group.
type SyncGroup struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
}

// protocolRequiredSince is the version from which on the protocol must be named.
const protocolRequiredSince = 5

// Handle implements server.Handler.
func (h *SyncGroup) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.SyncGroupRequest)
	if r.Header.APIVersion >= protocolRequiredSince && (q.ProtocolType == nil || q.ProtocolName == nil) {
		return syncRefused(kerr.InconsistentGroupProtocol)
	}
	if err := allowed(h.Authorizer, r, auth.Read, q.GroupID); err != nil {
		return syncRefused(err)
	}
	own := *q
	own.Assignments = make([]wire.SyncGroupRequestAssignment, len(q.Assignments))
	for i, a := range q.Assignments { // the request outlives its frame
		own.Assignments[i] = wire.SyncGroupRequestAssignment{MemberID: a.MemberID, Assignment: bytes.Clone(a.Assignment)}
	}
	answer, err := call[*wire.SyncGroupResponse](ctx, h.Groups, q.GroupID, r, &own)
	if err != nil {
		return syncRefused(err)
	}
	return answer
}

func syncRefused(err error) *wire.SyncGroupResponse {
	return &wire.SyncGroupResponse{ErrorCode: kerr.Code(err)}
}
