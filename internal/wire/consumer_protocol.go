package wire

import "fmt"

// What consumers of classic groups tell each other inside of JoinGroup and
// SyncGroup (the protocol type "consumer"): a version of two bytes, then one of
// these messages. Newer versions only add at the end, so that who reads one
// takes what it knows and leaves the rest.

// ConsumerProtocolNewest is the newest version of the consumers' protocol.
const ConsumerProtocolNewest = 3

// DecodeConsumerProtocol reads a version and, by it, the beginning of b into m.
func DecodeConsumerProtocol(b []byte, m Message) (version int16, err error) {
	version, rest, err := CutNumber(b)
	if err != nil {
		return 0, err
	}
	if version < 0 {
		return 0, fmt.Errorf("%w: version %d of the consumers' protocol", ErrMalformed, version)
	}
	c := decoder(rest)
	m.Reset()
	m.code(c, min(version, ConsumerProtocolNewest))
	return version, c.err
}

// EncodeConsumerProtocol is the opposite; versions that are too new become the newest.
func EncodeConsumerProtocol(version int16, m Message) ([]byte, error) {
	version = min(version, ConsumerProtocolNewest)
	return AppendNumbered(nil, version, version, m)
}

// ConsumerProtocolSubscription is what a consumer wants, versions 0-3.
type ConsumerProtocolSubscription struct {
	Topics          []string
	UserData        []byte                           // nil is null
	OwnedPartitions []ConsumerProtocolTopicPartition // v1+
	GenerationID    int32                            // v2+
	RackID          *string                          // v3+
}

// Reset sets the defaults.
func (m *ConsumerProtocolSubscription) Reset() {
	*m = ConsumerProtocolSubscription{GenerationID: -1}
}

func (m *ConsumerProtocolSubscription) code(c *coder, v int16) {
	list(c, &m.Topics, false, (*coder).string)
	c.bytes(&m.UserData, true)
	if v >= 1 {
		array(c, v, &m.OwnedPartitions, false)
	}
	if v >= 2 {
		c.int32(&m.GenerationID)
	}
	if v >= 3 {
		c.nullString(&m.RackID, true)
	}
}

// ConsumerProtocolAssignment is what a consumer gets, versions 0-3.
type ConsumerProtocolAssignment struct {
	AssignedPartitions []ConsumerProtocolTopicPartition
	UserData           []byte // nil is null
}

// Reset sets the defaults.
func (m *ConsumerProtocolAssignment) Reset() {
	*m = ConsumerProtocolAssignment{}
}

func (m *ConsumerProtocolAssignment) code(c *coder, v int16) {
	array(c, v, &m.AssignedPartitions, false)
	c.bytes(&m.UserData, true)
}

// ConsumerProtocolTopicPartition is part of both.
type ConsumerProtocolTopicPartition struct {
	Topic      string
	Partitions []int32
}

// Reset sets the defaults.
func (m *ConsumerProtocolTopicPartition) Reset() {
	*m = ConsumerProtocolTopicPartition{}
}

func (m *ConsumerProtocolTopicPartition) code(c *coder, _ int16) {
	c.string(&m.Topic)
	list(c, &m.Partitions, false, (*coder).int32)
}
