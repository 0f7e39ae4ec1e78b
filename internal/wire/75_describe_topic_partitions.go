package wire

import "github.com/stromkafka/strom/internal/model"

// DescribeTopicPartitionsRequest asks DescribeTopicPartitions, API key 75, version 0.
type DescribeTopicPartitionsRequest struct {
	Topics                 []DescribeTopicPartitionsRequestTopic
	ResponsePartitionLimit int32
	Cursor                 *DescribeTopicPartitionsRequestCursor
}

// Reset sets the defaults.
func (m *DescribeTopicPartitionsRequest) Reset() {
	*m = DescribeTopicPartitionsRequest{ResponsePartitionLimit: 2000}
}

// Key is the API key.
func (*DescribeTopicPartitionsRequest) Key() int16 { return KeyDescribeTopicPartitions }
func (*DescribeTopicPartitionsRequest) request()   {}

func (m *DescribeTopicPartitionsRequest) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.Topics, false)
	c.int32(&m.ResponsePartitionLimit)
	optional(c, v, &m.Cursor)
	c.noTags()
}

// DescribeTopicPartitionsRequestTopic is part of DescribeTopicPartitionsRequest.
type DescribeTopicPartitionsRequestTopic struct {
	Name string
}

// Reset sets the defaults.
func (m *DescribeTopicPartitionsRequestTopic) Reset() {
	*m = DescribeTopicPartitionsRequestTopic{}
}

func (m *DescribeTopicPartitionsRequestTopic) code(c *coder, _ int16) {
	c.string(&m.Name)
	c.noTags()
}

// DescribeTopicPartitionsRequestCursor is part of DescribeTopicPartitionsRequest.
type DescribeTopicPartitionsRequestCursor struct {
	TopicName      string
	PartitionIndex int32
}

// Reset sets the defaults.
func (m *DescribeTopicPartitionsRequestCursor) Reset() {
	*m = DescribeTopicPartitionsRequestCursor{}
}

func (m *DescribeTopicPartitionsRequestCursor) code(c *coder, _ int16) {
	c.string(&m.TopicName)
	c.int32(&m.PartitionIndex)
	c.noTags()
}

// DescribeTopicPartitionsResponse answers DescribeTopicPartitionsRequest.
type DescribeTopicPartitionsResponse struct {
	ThrottleTimeMS int32
	Topics         []DescribeTopicPartitionsResponseTopic
	NextCursor     *DescribeTopicPartitionsResponseNextCursor
}

// Reset sets the defaults.
func (m *DescribeTopicPartitionsResponse) Reset() {
	*m = DescribeTopicPartitionsResponse{}
}

// Key is the API key.
func (*DescribeTopicPartitionsResponse) Key() int16 { return KeyDescribeTopicPartitions }
func (*DescribeTopicPartitionsResponse) response()  {}

func (m *DescribeTopicPartitionsResponse) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Topics, false)
	optional(c, v, &m.NextCursor)
	c.noTags()
}

// DescribeTopicPartitionsResponseTopic is part of DescribeTopicPartitionsResponse.
type DescribeTopicPartitionsResponseTopic struct {
	ErrorCode                 int16
	Name                      *string
	TopicID                   model.UUID
	IsInternal                bool
	Partitions                []DescribeTopicPartitionsResponsePartition
	TopicAuthorizedOperations int32
}

// Reset sets the defaults.
func (m *DescribeTopicPartitionsResponseTopic) Reset() {
	*m = DescribeTopicPartitionsResponseTopic{TopicAuthorizedOperations: -2147483648}
}

func (m *DescribeTopicPartitionsResponseTopic) code(c *coder, v int16) {
	c.int16(&m.ErrorCode)
	c.nullString(&m.Name, true)
	c.uuid(&m.TopicID)
	c.bool(&m.IsInternal)
	array(c, v, &m.Partitions, false)
	c.int32(&m.TopicAuthorizedOperations)
	c.noTags()
}

// DescribeTopicPartitionsResponsePartition is part of DescribeTopicPartitionsResponse.
type DescribeTopicPartitionsResponsePartition struct {
	ErrorCode              int16
	PartitionIndex         int32
	LeaderID               int32
	LeaderEpoch            int32
	ReplicaNodes           []int32
	ISRNodes               []int32
	EligibleLeaderReplicas []int32 // nil is null
	LastKnownELR           []int32 // nil is null
	OfflineReplicas        []int32
}

// Reset sets the defaults.
func (m *DescribeTopicPartitionsResponsePartition) Reset() {
	*m = DescribeTopicPartitionsResponsePartition{LeaderEpoch: -1}
}

func (m *DescribeTopicPartitionsResponsePartition) code(c *coder, _ int16) {
	c.int16(&m.ErrorCode)
	c.int32(&m.PartitionIndex)
	c.int32(&m.LeaderID)
	c.int32(&m.LeaderEpoch)
	list(c, &m.ReplicaNodes, false, (*coder).int32)
	list(c, &m.ISRNodes, false, (*coder).int32)
	list(c, &m.EligibleLeaderReplicas, true, (*coder).int32)
	list(c, &m.LastKnownELR, true, (*coder).int32)
	list(c, &m.OfflineReplicas, false, (*coder).int32)
	c.noTags()
}

// DescribeTopicPartitionsResponseNextCursor is part of DescribeTopicPartitionsResponse.
type DescribeTopicPartitionsResponseNextCursor struct {
	TopicName      string
	PartitionIndex int32
}

// Reset sets the defaults.
func (m *DescribeTopicPartitionsResponseNextCursor) Reset() {
	*m = DescribeTopicPartitionsResponseNextCursor{}
}

func (m *DescribeTopicPartitionsResponseNextCursor) code(c *coder, _ int16) {
	c.string(&m.TopicName)
	c.int32(&m.PartitionIndex)
	c.noTags()
}
