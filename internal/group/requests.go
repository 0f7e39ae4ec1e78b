package group

import (
	"github.com/stromkafka/strom/internal/assert"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/machine"
	"github.com/stromkafka/strom/internal/model"
	"github.com/stromkafka/strom/internal/wire"
)

// Request asks a Machine. What its Body is decides what the response is:
//
//	*wire.JoinGroupRequest     *wire.JoinGroupResponse
//	*wire.SyncGroupRequest     *wire.SyncGroupResponse
//	*wire.HeartbeatRequest     *wire.HeartbeatResponse
//	*wire.LeaveGroupRequest    *wire.LeaveGroupResponse; of version 3 and newer, whatever was asked
//	*wire.OffsetCommitRequest  *wire.OffsetCommitResponse; topics have names, and ids where they are known
//	*wire.TxnOffsetCommitRequest  *wire.TxnOffsetCommitResponse; that the transaction is ongoing is for others to know
//	FetchOffsets               *wire.OffsetFetchResponseGroup
//	*wire.OffsetDeleteRequest  *wire.OffsetDeleteResponse
//	*wire.DeleteGroupsRequest  *wire.DeleteGroupsResponse
//	*wire.DescribeGroupsRequest  *wire.DescribeGroupsResponse
//	*wire.ListGroupsRequest    *wire.ListGroupsResponse
//	*wire.ConsumerGroupHeartbeatRequest  *wire.ConsumerGroupHeartbeatResponse; checked by consumer.Validate
//	*wire.ConsumerGroupDescribeRequest   *wire.ConsumerGroupDescribeResponse
//
// A machine keeps what it is given: bytes must not be in memory that is used again.
type Request struct {
	Version    int16 // of the message that the client sent
	ClientID   string
	ClientHost string // as Kafka writes it: /127.0.0.1
	Address    string // the same as the authorizer knows it
	Principal  auth.Principal
	Body       any
}

// FetchOffsets asks for the committed offsets of one group. Topics have names;
// where they have ids too, an offset that is known to be of another topic of
// that name is left out.
type FetchOffsets struct {
	Group         *wire.OffsetFetchRequestGroup
	RequireStable bool
}

func (m *Machine) dispatch(t machine.Token, r *Request) {
	switch body := r.Body.(type) {
	case *wire.JoinGroupRequest:
		m.join(t, r, body)
	case *wire.SyncGroupRequest:
		m.sync(t, body)
	case *wire.HeartbeatRequest:
		m.heartbeat(t, body)
	case *wire.LeaveGroupRequest:
		m.leaveGroup(t, body)
	case *wire.OffsetCommitRequest:
		m.commitOffsets(t, r.Version, body)
	case *wire.TxnOffsetCommitRequest:
		m.commitInTransaction(t, r.Version, body)
	case FetchOffsets:
		m.fetchOffsets(t, body)
	case *wire.OffsetDeleteRequest:
		m.deleteOffsets(t, body)
	case *wire.DeleteGroupsRequest:
		m.deleteGroups(t, body)
	case *wire.DescribeGroupsRequest:
		m.describe(t, r.Version, body)
	case *wire.ListGroupsRequest:
		m.list(t, body)
	case *wire.ConsumerGroupHeartbeatRequest:
		m.consumerHeartbeat(t, r, body)
	case *wire.ConsumerGroupDescribeRequest:
		m.describeConsumers(t, body)
	default:
		assert.That(false, "a group coordinator was asked %T", body)
	}
}

// committer is who commits offsets, and how.
type committer struct {
	member        string
	instance      *string
	generation    int32
	transactional bool
	version       int16
}

func topicID(id model.UUID) model.TopicID { return model.TopicID(id) }
