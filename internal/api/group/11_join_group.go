package group

import (
	"bytes"
	"context"

	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/group"
	"github.com/stromkafka/strom/internal/kerr"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// JoinGroup is API key 11, versions 0-9: a member joins a classic group, or joins
// it again, and waits until all have. From version 4 on a new member is told its
// id first (KIP-394); static members are KIP-345, reasons KIP-800, and skipped
// assignments KIP-814.
//
// Needs READ on the group.
type JoinGroup struct {
	Groups     Coordinators
	Authorizer auth.Authorizer
	// MinSession and MaxSession are group.min.session.timeout.ms and
	// group.max.session.timeout.ms.
	MinSession, MaxSession int32
}

// Handle implements server.Handler.
func (h *JoinGroup) Handle(ctx context.Context, r *server.Request) wire.Response {
	q := r.Body.(*wire.JoinGroupRequest)
	if err := allowed(h.Authorizer, r, auth.Read, q.GroupID); err != nil {
		return group.JoinRefused(q.MemberID, err)
	}
	if q.SessionTimeoutMS < h.MinSession || q.SessionTimeoutMS > h.MaxSession {
		return group.JoinRefused(q.MemberID, kerr.InvalidSessionTimeout)
	}
	own := *q
	own.Protocols = make([]wire.JoinGroupRequestProtocol, len(q.Protocols))
	for i, p := range q.Protocols { // the request outlives its frame
		own.Protocols[i] = wire.JoinGroupRequestProtocol{Name: p.Name, Metadata: bytes.Clone(p.Metadata)}
	}
	answer, err := call[*wire.JoinGroupResponse](ctx, h.Groups, q.GroupID, r, &own)
	if err != nil {
		return group.JoinRefused("", err)
	}
	return answer
}
