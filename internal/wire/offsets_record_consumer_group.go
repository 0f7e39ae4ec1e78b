package wire

import "github.com/stromkafka/strom/internal/model"

// ConsumerGroupMetadataKey is the key of a record of __consumer_offsets, type 3, version 0.
type ConsumerGroupMetadataKey struct {
	GroupID string
}

// Reset sets the defaults.
func (m *ConsumerGroupMetadataKey) Reset() {
	*m = ConsumerGroupMetadataKey{}
}

func (m *ConsumerGroupMetadataKey) code(c *coder, _ int16) {
	c.string(&m.GroupID)
}

// ConsumerGroupMetadataValue is the value of a record of __consumer_offsets, type 3, version 0.
type ConsumerGroupMetadataValue struct {
	Epoch        int32
	MetadataHash int64 // tag 0
}

// Reset sets the defaults.
func (m *ConsumerGroupMetadataValue) Reset() {
	*m = ConsumerGroupMetadataValue{}
}

func (m *ConsumerGroupMetadataValue) code(c *coder, _ int16) {
	c.flexible = true
	c.int32(&m.Epoch)
	c.beginTags()
	if c.tag(0, m.MetadataHash != 0) {
		c.int64(&m.MetadataHash)
		c.endTag()
	}
	c.endTags()
}

// ConsumerGroupPartitionMetadataKey is the key of a record of __consumer_offsets, type 4, version 0.
type ConsumerGroupPartitionMetadataKey struct {
	GroupID string
}

// Reset sets the defaults.
func (m *ConsumerGroupPartitionMetadataKey) Reset() {
	*m = ConsumerGroupPartitionMetadataKey{}
}

func (m *ConsumerGroupPartitionMetadataKey) code(c *coder, _ int16) {
	c.string(&m.GroupID)
}

// ConsumerGroupPartitionMetadataValue is the value of a record of __consumer_offsets, type 4,
// version 0. Nobody has written it since KIP-1101.
type ConsumerGroupPartitionMetadataValue struct {
	Topics []ConsumerGroupPartitionMetadataValueTopic
}

// Reset sets the defaults.
func (m *ConsumerGroupPartitionMetadataValue) Reset() {
	*m = ConsumerGroupPartitionMetadataValue{}
}

func (m *ConsumerGroupPartitionMetadataValue) code(c *coder, v int16) {
	c.flexible = true
	array(c, v, &m.Topics, false)
	c.noTags()
}

// ConsumerGroupPartitionMetadataValueTopic is part of ConsumerGroupPartitionMetadataValue.
type ConsumerGroupPartitionMetadataValueTopic struct {
	TopicID           model.UUID
	TopicName         string
	NumPartitions     int32
	PartitionMetadata []ConsumerGroupPartitionMetadataValuePartition
}

// Reset sets the defaults.
func (m *ConsumerGroupPartitionMetadataValueTopic) Reset() {
	*m = ConsumerGroupPartitionMetadataValueTopic{}
}

func (m *ConsumerGroupPartitionMetadataValueTopic) code(c *coder, v int16) {
	c.uuid(&m.TopicID)
	c.string(&m.TopicName)
	c.int32(&m.NumPartitions)
	array(c, v, &m.PartitionMetadata, false)
	c.noTags()
}

// ConsumerGroupPartitionMetadataValuePartition is part of ConsumerGroupPartitionMetadataValue.
type ConsumerGroupPartitionMetadataValuePartition struct {
	Partition int32
	Racks     []string
}

// Reset sets the defaults.
func (m *ConsumerGroupPartitionMetadataValuePartition) Reset() {
	*m = ConsumerGroupPartitionMetadataValuePartition{}
}

func (m *ConsumerGroupPartitionMetadataValuePartition) code(c *coder, _ int16) {
	c.int32(&m.Partition)
	list(c, &m.Racks, false, (*coder).string)
	c.noTags()
}

// ConsumerGroupRegularExpressionKey is the key of a record of __consumer_offsets, type 16, version 0.
type ConsumerGroupRegularExpressionKey struct {
	GroupID           string
	RegularExpression string
}

// Reset sets the defaults.
func (m *ConsumerGroupRegularExpressionKey) Reset() {
	*m = ConsumerGroupRegularExpressionKey{}
}

func (m *ConsumerGroupRegularExpressionKey) code(c *coder, _ int16) {
	c.string(&m.GroupID)
	c.string(&m.RegularExpression)
}

// ConsumerGroupRegularExpressionValue is the value of a record of __consumer_offsets, type 16, version 0.
type ConsumerGroupRegularExpressionValue struct {
	Topics    []string
	Version   int64
	Timestamp int64
}

// Reset sets the defaults.
func (m *ConsumerGroupRegularExpressionValue) Reset() {
	*m = ConsumerGroupRegularExpressionValue{}
}

func (m *ConsumerGroupRegularExpressionValue) code(c *coder, _ int16) {
	c.flexible = true
	list(c, &m.Topics, false, (*coder).string)
	c.int64(&m.Version)
	c.int64(&m.Timestamp)
	c.noTags()
}

// Kinds of record of __consumer_offsets that make a consumer group of KIP-848.
const (
	ConsumerGroupMetadataRecord                 int16 = 3
	ConsumerGroupPartitionMetadataRecord        int16 = 4
	ConsumerGroupMemberMetadataRecord           int16 = 5
	ConsumerGroupTargetAssignmentMetadataRecord int16 = 6
	ConsumerGroupTargetAssignmentMemberRecord   int16 = 7
	ConsumerGroupCurrentMemberAssignmentRecord  int16 = 8
	ConsumerGroupRegularExpressionRecord        int16 = 16
)
