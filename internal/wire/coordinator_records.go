package wire

import "fmt"

// The records of the coordinators' topics have a number in front of their key
// and of their value, two bytes each: the key's says what kind of record it is,
// the value's in which version it is written. Keys have one version only, 0.

// AppendNumbered appends the number and the message to b.
func AppendNumbered(b []byte, number, version int16, m Message) ([]byte, error) {
	return AppendMessage(append(b, byte(number>>8), byte(number)), version, m)
}

// CutNumber is the number in front of a key or a value, and what follows it.
func CutNumber(b []byte) (number int16, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, fmt.Errorf("%w: %d bytes where a number of two is wanted", ErrMalformed, len(b))
	}
	return int16(b[0])<<8 | int16(b[1]), b[2:], nil
}

// CoordinatorRecord makes the key and the value of a kind of record, and says
// the newest version of the value.
type CoordinatorRecord struct {
	Name   string
	Newest int16
	Key    func() Message
	Value  func() Message
}

// Kinds of record of __consumer_offsets.
const (
	OffsetCommitLegacyRecord int16 = 0 // as OffsetCommitRecord, before Kafka 0.9
	OffsetCommitRecord       int16 = 1
	GroupMetadataRecord      int16 = 2
)

// GroupRecords are the kinds of record of __consumer_offsets that are understood.
var GroupRecords = map[int16]CoordinatorRecord{
	OffsetCommitLegacyRecord: {"LegacyOffsetCommit", 0, func() Message { return new(OffsetCommitKey) }, func() Message { return new(OffsetCommitValue) }},
	OffsetCommitRecord:       {"OffsetCommit", 4, func() Message { return new(OffsetCommitKey) }, func() Message { return new(OffsetCommitValue) }},
	GroupMetadataRecord:      {"GroupMetadata", 4, func() Message { return new(GroupMetadataKey) }, func() Message { return new(GroupMetadataValue) }},

	ConsumerGroupMetadataRecord:                 {"ConsumerGroupMetadata", 0, func() Message { return new(ConsumerGroupMetadataKey) }, func() Message { return new(ConsumerGroupMetadataValue) }},
	ConsumerGroupPartitionMetadataRecord:        {"ConsumerGroupPartitionMetadata", 0, func() Message { return new(ConsumerGroupPartitionMetadataKey) }, func() Message { return new(ConsumerGroupPartitionMetadataValue) }},
	ConsumerGroupMemberMetadataRecord:           {"ConsumerGroupMemberMetadata", 0, func() Message { return new(ConsumerGroupMemberMetadataKey) }, func() Message { return new(ConsumerGroupMemberMetadataValue) }},
	ConsumerGroupTargetAssignmentMetadataRecord: {"ConsumerGroupTargetAssignmentMetadata", 0, func() Message { return new(ConsumerGroupTargetAssignmentMetadataKey) }, func() Message { return new(ConsumerGroupTargetAssignmentMetadataValue) }},
	ConsumerGroupTargetAssignmentMemberRecord:   {"ConsumerGroupTargetAssignmentMember", 0, func() Message { return new(ConsumerGroupTargetAssignmentMemberKey) }, func() Message { return new(ConsumerGroupTargetAssignmentMemberValue) }},
	ConsumerGroupCurrentMemberAssignmentRecord:  {"ConsumerGroupCurrentMemberAssignment", 0, func() Message { return new(ConsumerGroupCurrentMemberAssignmentKey) }, func() Message { return new(ConsumerGroupCurrentMemberAssignmentValue) }},
	ConsumerGroupRegularExpressionRecord:        {"ConsumerGroupRegularExpression", 0, func() Message { return new(ConsumerGroupRegularExpressionKey) }, func() Message { return new(ConsumerGroupRegularExpressionValue) }},
}
