package wire

import "github.com/stromkafka/strom/internal/model"

// ConsumerGroupTargetAssignmentMetadataKey is the key of a record of __consumer_offsets, type 6, version 0.
type ConsumerGroupTargetAssignmentMetadataKey struct {
	GroupID string
}

// Reset sets the defaults.
func (m *ConsumerGroupTargetAssignmentMetadataKey) Reset() {
	*m = ConsumerGroupTargetAssignmentMetadataKey{}
}

func (m *ConsumerGroupTargetAssignmentMetadataKey) code(c *coder, _ int16) {
	c.string(&m.GroupID)
}

// ConsumerGroupTargetAssignmentMetadataValue is the value of a record of __consumer_offsets, type 6, version 0.
type ConsumerGroupTargetAssignmentMetadataValue struct {
	AssignmentEpoch     int32
	AssignmentTimestamp int64 // tag 0
}

// Reset sets the defaults.
func (m *ConsumerGroupTargetAssignmentMetadataValue) Reset() {
	*m = ConsumerGroupTargetAssignmentMetadataValue{}
}

func (m *ConsumerGroupTargetAssignmentMetadataValue) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.AssignmentEpoch)
	c.beginTags()
	if c.tag(0, m.AssignmentTimestamp != 0) {
		c.int64(&m.AssignmentTimestamp)
		c.endTag()
	}
	c.endTags()
}

// ConsumerGroupTargetAssignmentMemberKey is the key of a record of __consumer_offsets, type 7, version 0.
type ConsumerGroupTargetAssignmentMemberKey struct {
	GroupID  string
	MemberID string
}

// Reset sets the defaults.
func (m *ConsumerGroupTargetAssignmentMemberKey) Reset() {
	*m = ConsumerGroupTargetAssignmentMemberKey{}
}

func (m *ConsumerGroupTargetAssignmentMemberKey) code(c *coder, _ int16) {
	c.string(&m.GroupID)
	c.string(&m.MemberID)
}

// ConsumerGroupTargetAssignmentMemberValue is the value of a record of __consumer_offsets, type 7, version 0.
type ConsumerGroupTargetAssignmentMemberValue struct {
	TopicPartitions []ConsumerGroupTargetAssignmentMemberValueTopic
}

// Reset sets the defaults.
func (m *ConsumerGroupTargetAssignmentMemberValue) Reset() {
	*m = ConsumerGroupTargetAssignmentMemberValue{}
}

func (m *ConsumerGroupTargetAssignmentMemberValue) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.TopicPartitions, false)
	c.noTags()
}

// ConsumerGroupTargetAssignmentMemberValueTopic is part of ConsumerGroupTargetAssignmentMemberValue.
type ConsumerGroupTargetAssignmentMemberValueTopic struct {
	TopicID    model.UUID
	Partitions []int32
}

// Reset sets the defaults.
func (m *ConsumerGroupTargetAssignmentMemberValueTopic) Reset() {
	*m = ConsumerGroupTargetAssignmentMemberValueTopic{}
}

func (m *ConsumerGroupTargetAssignmentMemberValueTopic) code(c *coder, _ int16) {
	c.uuid(&m.TopicID)
	list(c, &m.Partitions, false, (*coder).int32)
	c.noTags()
}

// ConsumerGroupCurrentMemberAssignmentKey is the key of a record of __consumer_offsets, type 8, version 0.
type ConsumerGroupCurrentMemberAssignmentKey struct {
	GroupID  string
	MemberID string
}

// Reset sets the defaults.
func (m *ConsumerGroupCurrentMemberAssignmentKey) Reset() {
	*m = ConsumerGroupCurrentMemberAssignmentKey{}
}

func (m *ConsumerGroupCurrentMemberAssignmentKey) code(c *coder, _ int16) {
	c.string(&m.GroupID)
	c.string(&m.MemberID)
}

// ConsumerGroupCurrentMemberAssignmentValue is the value of a record of __consumer_offsets, type 8, version 0.
type ConsumerGroupCurrentMemberAssignmentValue struct {
	MemberEpoch                 int32
	PreviousMemberEpoch         int32
	State                       int8 // 0 stable, 1 unrevoked partitions, 2 unreleased partitions
	AssignedPartitions          []ConsumerGroupCurrentMemberAssignmentValueTopic
	PartitionsPendingRevocation []ConsumerGroupCurrentMemberAssignmentValueTopic
}

// Reset sets the defaults.
func (m *ConsumerGroupCurrentMemberAssignmentValue) Reset() {
	*m = ConsumerGroupCurrentMemberAssignmentValue{}
}

func (m *ConsumerGroupCurrentMemberAssignmentValue) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.MemberEpoch)
	c.int32(&m.PreviousMemberEpoch)
	c.int8(&m.State)
	array(c, v, &m.AssignedPartitions, false)
	array(c, v, &m.PartitionsPendingRevocation, false)
	c.noTags()
}

// ConsumerGroupCurrentMemberAssignmentValueTopic is part of ConsumerGroupCurrentMemberAssignmentValue.
type ConsumerGroupCurrentMemberAssignmentValueTopic struct {
	TopicID          model.UUID
	Partitions       []int32
	AssignmentEpochs []int32 // tag 0, nil is null; empty where the record has none
}

// Reset sets the defaults.
func (m *ConsumerGroupCurrentMemberAssignmentValueTopic) Reset() {
	*m = ConsumerGroupCurrentMemberAssignmentValueTopic{AssignmentEpochs: []int32{}}
}

func (m *ConsumerGroupCurrentMemberAssignmentValueTopic) code(c *coder, _ int16) {
	c.uuid(&m.TopicID)
	list(c, &m.Partitions, false, (*coder).int32)
	c.beginTags()
	if c.tag(0, m.AssignmentEpochs == nil || len(m.AssignmentEpochs) > 0) {
		list(c, &m.AssignmentEpochs, true, (*coder).int32)
		c.endTag()
	}
	c.endTags()
}
