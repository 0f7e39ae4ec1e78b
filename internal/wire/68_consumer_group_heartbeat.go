package wire

import "github.com/stromkafka/strom/internal/model"

// ConsumerGroupHeartbeatRequest asks ConsumerGroupHeartbeat, API key 68, versions 0-1.
type ConsumerGroupHeartbeatRequest struct {
	GroupID              string
	MemberID             string
	MemberEpoch          int32
	InstanceID           *string
	RackID               *string
	RebalanceTimeoutMS   int32
	SubscribedTopicNames []string // nil is null
	SubscribedTopicRegex *string  // v1+
	ServerAssignor       *string
	TopicPartitions      []ConsumerGroupHeartbeatTopicPartitions // nil is null
}

// Reset sets the defaults.
func (m *ConsumerGroupHeartbeatRequest) Reset() {
	*m = ConsumerGroupHeartbeatRequest{RebalanceTimeoutMS: -1}
}

// Key is the API key.
func (*ConsumerGroupHeartbeatRequest) Key() int16 { return KeyConsumerGroupHeartbeat }
func (*ConsumerGroupHeartbeatRequest) request()   {}

func (m *ConsumerGroupHeartbeatRequest) code(c *coder, v int16) {
	c.flexible = true
	c.string(&m.GroupID)
	c.string(&m.MemberID)
	c.int32(&m.MemberEpoch)
	c.nullString(&m.InstanceID, true)
	c.nullString(&m.RackID, true)
	c.int32(&m.RebalanceTimeoutMS)
	list(c, &m.SubscribedTopicNames, true, (*coder).string)
	if v >= 1 {
		c.nullString(&m.SubscribedTopicRegex, true)
	}
	c.nullString(&m.ServerAssignor, true)
	array(c, v, &m.TopicPartitions, true)
	c.noTags()
}

// ConsumerGroupHeartbeatTopicPartitions is part of ConsumerGroupHeartbeatRequest and its response.
type ConsumerGroupHeartbeatTopicPartitions struct {
	TopicID    model.UUID
	Partitions []int32
}

// Reset sets the defaults.
func (m *ConsumerGroupHeartbeatTopicPartitions) Reset() {
	*m = ConsumerGroupHeartbeatTopicPartitions{}
}

func (m *ConsumerGroupHeartbeatTopicPartitions) code(c *coder, _ int16) {
	c.uuid(&m.TopicID)
	list(c, &m.Partitions, false, (*coder).int32)
	c.noTags()
}

// ConsumerGroupHeartbeatResponse answers ConsumerGroupHeartbeatRequest.
type ConsumerGroupHeartbeatResponse struct {
	ThrottleTimeMS      int32
	ErrorCode           int16
	ErrorMessage        *string
	MemberID            *string
	MemberEpoch         int32
	HeartbeatIntervalMS int32
	Assignment          *ConsumerGroupHeartbeatResponseAssignment
}

// Reset sets the defaults.
func (m *ConsumerGroupHeartbeatResponse) Reset() {
	*m = ConsumerGroupHeartbeatResponse{}
}

// Key is the API key.
func (*ConsumerGroupHeartbeatResponse) Key() int16 { return KeyConsumerGroupHeartbeat }
func (*ConsumerGroupHeartbeatResponse) response()  {}

func (m *ConsumerGroupHeartbeatResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.nullString(&m.MemberID, true)
	c.int32(&m.MemberEpoch)
	c.int32(&m.HeartbeatIntervalMS)
	optional(c, v, &m.Assignment)
	c.noTags()
}

// ConsumerGroupHeartbeatResponseAssignment is part of ConsumerGroupHeartbeatResponse.
type ConsumerGroupHeartbeatResponseAssignment struct {
	TopicPartitions []ConsumerGroupHeartbeatTopicPartitions
}

// Reset sets the defaults.
func (m *ConsumerGroupHeartbeatResponseAssignment) Reset() {
	*m = ConsumerGroupHeartbeatResponseAssignment{}
}

func (m *ConsumerGroupHeartbeatResponseAssignment) code(c *coder, v int16) {
	array(c, v, &m.TopicPartitions, false)
	c.noTags()
}
