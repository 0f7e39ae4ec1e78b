package wire

import "github.com/stromkafka/strom/internal/model"

// ConsumerGroupDescribeRequest asks ConsumerGroupDescribe, API key 69, versions 0-1.
type ConsumerGroupDescribeRequest struct {
	GroupIDs                    []string
	IncludeAuthorizedOperations bool
}

// Reset sets the defaults.
func (m *ConsumerGroupDescribeRequest) Reset() {
	*m = ConsumerGroupDescribeRequest{}
}

// Key is the API key.
func (*ConsumerGroupDescribeRequest) Key() int16 { return KeyConsumerGroupDescribe }
func (*ConsumerGroupDescribeRequest) request()   {}

func (m *ConsumerGroupDescribeRequest) code(c *coder, _ int16) {
	c.flexible = true
	list(c, &m.GroupIDs, false, (*coder).string)
	c.bool(&m.IncludeAuthorizedOperations)
	c.noTags()
}

// ConsumerGroupDescribeResponse answers ConsumerGroupDescribeRequest.
type ConsumerGroupDescribeResponse struct {
	ThrottleTimeMS int32
	Groups         []ConsumerGroupDescribeResponseGroup
}

// Reset sets the defaults.
func (m *ConsumerGroupDescribeResponse) Reset() {
	*m = ConsumerGroupDescribeResponse{}
}

// Key is the API key.
func (*ConsumerGroupDescribeResponse) Key() int16 { return KeyConsumerGroupDescribe }
func (*ConsumerGroupDescribeResponse) response()  {}

func (m *ConsumerGroupDescribeResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Groups, false)
	c.noTags()
}

// ConsumerGroupDescribeResponseGroup is part of ConsumerGroupDescribeResponse.
type ConsumerGroupDescribeResponseGroup struct {
	ErrorCode            int16
	ErrorMessage         *string
	GroupID              string
	GroupState           string
	GroupEpoch           int32
	AssignmentEpoch      int32
	AssignorName         string
	Members              []ConsumerGroupDescribeResponseMember
	AuthorizedOperations int32
}

// Reset sets the defaults.
func (m *ConsumerGroupDescribeResponseGroup) Reset() {
	*m = ConsumerGroupDescribeResponseGroup{AuthorizedOperations: -2147483648}
}

func (m *ConsumerGroupDescribeResponseGroup) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.nullString(&m.ErrorMessage, true)
	c.string(&m.GroupID)
	c.string(&m.GroupState)
	c.int32(&m.GroupEpoch)
	c.int32(&m.AssignmentEpoch)
	c.string(&m.AssignorName)
	array(c, v, &m.Members, false)
	c.int32(&m.AuthorizedOperations)
	c.noTags()
}

// ConsumerGroupDescribeResponseMember is part of ConsumerGroupDescribeResponse.
type ConsumerGroupDescribeResponseMember struct {
	MemberID             string
	InstanceID           *string
	RackID               *string
	MemberEpoch          int32
	ClientID             string
	ClientHost           string
	SubscribedTopicNames []string
	SubscribedTopicRegex *string
	Assignment           ConsumerGroupDescribeResponseAssignment
	TargetAssignment     ConsumerGroupDescribeResponseAssignment
	MemberType           int8 // v1+
}

// Reset sets the defaults.
func (m *ConsumerGroupDescribeResponseMember) Reset() {
	*m = ConsumerGroupDescribeResponseMember{MemberType: -1}
}

func (m *ConsumerGroupDescribeResponseMember) code(c *coder, v int16) {
	c.string(&m.MemberID)
	c.nullString(&m.InstanceID, true)
	c.nullString(&m.RackID, true)
	c.int32(&m.MemberEpoch)
	c.string(&m.ClientID)
	c.string(&m.ClientHost)
	list(c, &m.SubscribedTopicNames, false, (*coder).string)
	c.nullString(&m.SubscribedTopicRegex, true)
	m.Assignment.code(c, v)
	m.TargetAssignment.code(c, v)
	if v >= 1 {
		c.int8(&m.MemberType)
	}
	c.noTags()
}

// ConsumerGroupDescribeResponseAssignment is part of ConsumerGroupDescribeResponse.
type ConsumerGroupDescribeResponseAssignment struct {
	TopicPartitions []ConsumerGroupDescribeResponseTopicPartitions
}

// Reset sets the defaults.
func (m *ConsumerGroupDescribeResponseAssignment) Reset() {
	*m = ConsumerGroupDescribeResponseAssignment{}
}

func (m *ConsumerGroupDescribeResponseAssignment) code(c *coder, v int16) {
	array(c, v, &m.TopicPartitions, false)
	c.noTags()
}

// ConsumerGroupDescribeResponseTopicPartitions is part of ConsumerGroupDescribeResponse.
type ConsumerGroupDescribeResponseTopicPartitions struct {
	TopicID    model.UUID
	TopicName  string
	Partitions []int32
}

// Reset sets the defaults.
func (m *ConsumerGroupDescribeResponseTopicPartitions) Reset() {
	*m = ConsumerGroupDescribeResponseTopicPartitions{}
}

func (m *ConsumerGroupDescribeResponseTopicPartitions) code(c *coder, _ int16) {
	c.uuid(&m.TopicID)
	c.string(&m.TopicName)
	list(c, &m.Partitions, false, (*coder).int32)
	c.noTags()
}
