package wire

import "github.com/stromkafka/strom/internal/model"

// PartitionRecord is record 3 of the metadata log, versions 0-2.
type PartitionRecord struct {
	PartitionID            int32
	TopicID                model.UUID
	Replicas               []int32
	ISR                    []int32
	RemovingReplicas       []int32
	AddingReplicas         []int32
	Leader                 int32
	LeaderRecoveryState    int8 // tag 0
	LeaderEpoch            int32
	PartitionEpoch         int32
	Directories            []model.UUID // v1+
	EligibleLeaderReplicas []int32      // v2+, tag 1, nil is null
	LastKnownELR           []int32      // v2+, tag 2, nil is null
}

// Reset sets the defaults.
func (m *PartitionRecord) Reset() {
	*m = PartitionRecord{PartitionID: -1, Leader: -1, LeaderEpoch: -1, PartitionEpoch: -1}
}

// RecordKey is the kind of record.
func (*PartitionRecord) RecordKey() int16 { return 3 }

func (m *PartitionRecord) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.PartitionID)
	c.uuid(&m.TopicID)
	list(c, &m.Replicas, false, (*coder).int32)
	list(c, &m.ISR, false, (*coder).int32)
	list(c, &m.RemovingReplicas, false, (*coder).int32)
	list(c, &m.AddingReplicas, false, (*coder).int32)
	c.int32(&m.Leader)
	c.int32(&m.LeaderEpoch)
	c.int32(&m.PartitionEpoch)
	if v >= 1 {
		list(c, &m.Directories, false, (*coder).uuid)
	}
	c.beginTags()
	if c.tag(0, m.LeaderRecoveryState != 0) {
		c.int8(&m.LeaderRecoveryState)
		c.endTag()
	}
	if v == 2 && c.tag(1, m.EligibleLeaderReplicas != nil) {
		list(c, &m.EligibleLeaderReplicas, true, (*coder).int32)
		c.endTag()
	}
	if v == 2 && c.tag(2, m.LastKnownELR != nil) {
		list(c, &m.LastKnownELR, true, (*coder).int32)
		c.endTag()
	}
	c.endTags()
}
