package wire

import "github.com/stromkafka/strom/internal/model"

// PartitionChangeRecord is record 5 of the metadata log, versions 0-2.
type PartitionChangeRecord struct {
	PartitionID            int32
	TopicID                model.UUID
	ISR                    []int32      // tag 0, nil is null
	Leader                 int32        // tag 1
	Replicas               []int32      // tag 2, nil is null
	RemovingReplicas       []int32      // tag 3, nil is null
	AddingReplicas         []int32      // tag 4, nil is null
	LeaderRecoveryState    int8         // tag 5
	Directories            []model.UUID // v1+, tag 8, nil is null
	EligibleLeaderReplicas []int32      // v2+, tag 6, nil is null
	LastKnownELR           []int32      // v2+, tag 7, nil is null
}

// Reset sets the defaults.
func (m *PartitionChangeRecord) Reset() {
	*m = PartitionChangeRecord{PartitionID: -1, Leader: -2, LeaderRecoveryState: -1}
}

// RecordKey is the kind of record.
func (*PartitionChangeRecord) RecordKey() int16 { return 5 }

func (m *PartitionChangeRecord) code(c *coder, v int16) {
	c.flexible = true
	c.int32(&m.PartitionID)
	c.uuid(&m.TopicID)
	c.beginTags()
	if c.tag(0, m.ISR != nil) {
		list(c, &m.ISR, true, (*coder).int32)
		c.endTag()
	}
	if c.tag(1, m.Leader != -2) {
		c.int32(&m.Leader)
		c.endTag()
	}
	if c.tag(2, m.Replicas != nil) {
		list(c, &m.Replicas, true, (*coder).int32)
		c.endTag()
	}
	if c.tag(3, m.RemovingReplicas != nil) {
		list(c, &m.RemovingReplicas, true, (*coder).int32)
		c.endTag()
	}
	if c.tag(4, m.AddingReplicas != nil) {
		list(c, &m.AddingReplicas, true, (*coder).int32)
		c.endTag()
	}
	if c.tag(5, m.LeaderRecoveryState != -1) {
		c.int8(&m.LeaderRecoveryState)
		c.endTag()
	}
	if v == 2 && c.tag(6, m.EligibleLeaderReplicas != nil) {
		list(c, &m.EligibleLeaderReplicas, true, (*coder).int32)
		c.endTag()
	}
	if v == 2 && c.tag(7, m.LastKnownELR != nil) {
		list(c, &m.LastKnownELR, true, (*coder).int32)
		c.endTag()
	}
	if v >= 1 && c.tag(8, m.Directories != nil) {
		list(c, &m.Directories, true, (*coder).uuid)
		c.endTag()
	}
	c.endTags()
}
