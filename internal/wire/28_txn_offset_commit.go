package wire

import "github.com/stromkafka/strom/internal/model"

// TxnOffsetCommitRequest asks TxnOffsetCommit, API key 28, versions 0-6.
type TxnOffsetCommitRequest struct {
	TransactionalID string
	GroupID         string
	ProducerID      int64
	ProducerEpoch   int16
	GenerationID    int32   // v3+; of the consumer protocol the member's epoch
	MemberID        string  // v3+
	GroupInstanceID *string // v3+
	Topics          []TxnOffsetCommitRequestTopic
}

// Reset sets the defaults.
func (m *TxnOffsetCommitRequest) Reset() {
	*m = TxnOffsetCommitRequest{GenerationID: -1}
}

// Key is the API key.
func (*TxnOffsetCommitRequest) Key() int16 { return KeyTxnOffsetCommit }
func (*TxnOffsetCommitRequest) request()   {}

func (m *TxnOffsetCommitRequest) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.string(&m.TransactionalID)
	c.string(&m.GroupID)
	c.int64(&m.ProducerID)
	c.int16(&m.ProducerEpoch)
	if v >= 3 {
		c.int32(&m.GenerationID)
		c.string(&m.MemberID)
		c.nullString(&m.GroupInstanceID, true)
	}
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// TxnOffsetCommitRequestTopic is part of TxnOffsetCommitRequest.
type TxnOffsetCommitRequestTopic struct {
	Name       string     // v0-v5
	TopicID    model.UUID // v6+
	Partitions []TxnOffsetCommitRequestPartition
}

// Reset sets the defaults.
func (m *TxnOffsetCommitRequestTopic) Reset() {
	*m = TxnOffsetCommitRequestTopic{}
}

func (m *TxnOffsetCommitRequestTopic) code(c *coder, v int16) {
	if v >= 6 {
		c.uuid(&m.TopicID)
	} else {
		c.string(&m.Name)
	}
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// TxnOffsetCommitRequestPartition is part of TxnOffsetCommitRequest.
type TxnOffsetCommitRequestPartition struct {
	PartitionIndex       int32
	CommittedOffset      int64
	CommittedLeaderEpoch int32 // v2+
	CommittedMetadata    *string
}

// Reset sets the defaults.
func (m *TxnOffsetCommitRequestPartition) Reset() {
	*m = TxnOffsetCommitRequestPartition{CommittedLeaderEpoch: -1}
}

func (m *TxnOffsetCommitRequestPartition) code(c *coder, v int16) {
	c.int32(&m.PartitionIndex)
	c.int64(&m.CommittedOffset)
	if v >= 2 {
		c.int32(&m.CommittedLeaderEpoch)
	}
	c.nullString(&m.CommittedMetadata, true)
	if c.flexible {
		c.noTags()
	}
}

// TxnOffsetCommitResponse answers TxnOffsetCommitRequest.
type TxnOffsetCommitResponse struct {
	ThrottleTimeMS int32
	Topics         []TxnOffsetCommitResponseTopic
}

// Reset sets the defaults.
func (m *TxnOffsetCommitResponse) Reset() {
	*m = TxnOffsetCommitResponse{}
}

// Key is the API key.
func (*TxnOffsetCommitResponse) Key() int16 { return KeyTxnOffsetCommit }
func (*TxnOffsetCommitResponse) response()  {}

func (m *TxnOffsetCommitResponse) code(c *coder, v int16) {
	c.flexible = v >= 3
	c.int32(&m.ThrottleTimeMS)
	array(c, v, &m.Topics, false)
	if c.flexible {
		c.noTags()
	}
}

// TxnOffsetCommitResponseTopic is part of TxnOffsetCommitResponse.
type TxnOffsetCommitResponseTopic struct {
	Name       string     // v0-v5
	TopicID    model.UUID // v6+
	Partitions []TxnOffsetCommitResponsePartition
}

// Reset sets the defaults.
func (m *TxnOffsetCommitResponseTopic) Reset() {
	*m = TxnOffsetCommitResponseTopic{}
}

func (m *TxnOffsetCommitResponseTopic) code(c *coder, v int16) {
	if v >= 6 {
		c.uuid(&m.TopicID)
	} else {
		c.string(&m.Name)
	}
	array(c, v, &m.Partitions, false)
	if c.flexible {
		c.noTags()
	}
}

// TxnOffsetCommitResponsePartition is part of TxnOffsetCommitResponse.
type TxnOffsetCommitResponsePartition struct {
	PartitionIndex int32
	ErrorCode      int16
}

// Reset sets the defaults.
func (m *TxnOffsetCommitResponsePartition) Reset() {
	*m = TxnOffsetCommitResponsePartition{}
}

func (m *TxnOffsetCommitResponsePartition) code(c *coder, _ int16) {
	c.int32(&m.PartitionIndex)
	c.int16(&m.ErrorCode)
	if c.flexible {
		c.noTags()
	}
}
